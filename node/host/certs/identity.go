package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Role is the kind of a certificate's owner.
type Role string

// The roles.
const (
	Member Role = "member"
	Admin  Role = "admin"
	Client Role = "client"
)

// Identity is the owner of a certificate.
type Identity struct {
	Cluster string
	Role    Role
	Name    string
}

const scheme = "kvs"

// URL is the identity as certificates carry it.
func (i Identity) URL() *url.URL {
	escaped := "/" + url.PathEscape(i.Cluster) + "/" + string(i.Role) + "/" + url.PathEscape(i.Name)
	return &url.URL{Scheme: scheme, Path: "/" + i.Cluster + "/" + string(i.Role) + "/" + i.Name, RawPath: escaped}
}

// String is for people.
func (i Identity) String() string {
	return fmt.Sprintf("%s %s of cluster %s", i.Role, i.Name, i.Cluster)
}

// ErrNoIdentity means that a certificate has no URI of kvs that names its owner.
var ErrNoIdentity = errors.New(
	"the certificate has no URI of the form kvs:///CLUSTER/member/NAME among its alternative names")

// IdentityOf reads a certificate. A certificate with two identities is refused: neither of them is certain.
func IdentityOf(c *x509.Certificate) (Identity, error) {
	var found []Identity
	for _, u := range c.URIs {
		if u.Scheme != scheme {
			continue
		}
		id, err := parseIdentity(u)
		if err != nil {
			return Identity{}, err
		}
		found = append(found, id)
	}
	switch len(found) {
	case 0:
		return Identity{}, ErrNoIdentity
	case 1:
		return found[0], nil
	}
	return Identity{}, fmt.Errorf("the certificate has %d kvs URIs, want one", len(found))
}

func parseIdentity(u *url.URL) (Identity, error) {
	bad := fmt.Errorf("the certificate's URI %.300q: want kvs:///CLUSTER/member/NAME", u.String())
	parts := strings.Split(u.EscapedPath(), "/")
	if u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(parts) != 4 || parts[0] != "" {
		return Identity{}, bad
	}
	cluster, err1 := url.PathUnescape(parts[1])
	name, err2 := url.PathUnescape(parts[3])
	id := Identity{Cluster: cluster, Role: Role(parts[2]), Name: name}
	if err1 != nil || err2 != nil || cluster == "" || name == "" {
		return Identity{}, bad
	}
	switch id.Role {
	case Member, Admin, Client:
		return id, nil
	}
	return Identity{}, bad
}

// Peer is the identity that the other end of a connection has proved, by a certificate of this cluster's authority. ok
// is false when it showed none, or one of another cluster.
func (k *Keeper) Peer(cs *tls.ConnectionState) (id Identity, ok bool) {
	if cs == nil || len(cs.VerifiedChains) == 0 || len(cs.PeerCertificates) == 0 {
		return Identity{}, false
	}
	id, err := IdentityOf(cs.PeerCertificates[0])
	if err != nil || id.Cluster != k.o.Cluster {
		return Identity{}, false
	}
	return id, true
}

// wantMember is the last check of a connection to a member: the other end is one.
func (k *Keeper) wantMember(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("no certificate was shown")
	}
	id, err := IdentityOf(cs.PeerCertificates[0])
	if err != nil {
		return err
	}
	if id.Cluster != k.o.Cluster || id.Role != Member {
		return fmt.Errorf("the certificate is that of %v, want a member of cluster %s", id, k.o.Cluster)
	}
	return nil
}
