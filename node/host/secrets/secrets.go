// Package secrets makes the credentials of a cluster's members and of people, and writes them below one folder:
//
// authority/ca.crt, ca.key     signs certificates; the key belongs on no node certs/ca.crt                 what nodes
// and clients trust certs/NODE.crt, NODE.key     what a node proves itself with certs/NODE.keyring           what a
// node seals gossip with: the same keys for all, a file for each, which the node changes admin/admin.crt, admin.key
// what an administrator proves themselves with, admin/token                  or with this
//
// It writes files, with mode 0600, and replaces them whole. It does not use the files that it makes. Begin with Folder;
// MakeNode makes all that a node needs.
package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	tokens "kvs/node/host/access"
	"kvs/node/host/certs"
	"kvs/node/host/seal"
)

// Validity of certificates.
const (
	AuthorityValid = 10 * 365 * 24 * time.Hour
	CertValid      = 365 * 24 * time.Hour
)

// Folder is such a folder.
type Folder struct {
	Dir     string
	Cluster string   // whose certificates are made.
	Written []string // the files that have been written.
}

// Path is that of a file in the folder.
func (s *Folder) Path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// Authority is that of the folder: the one that is there, or a new one.
func (s *Folder) Authority() (*certs.Authority, error) {
	cert, err := os.ReadFile(s.Path("authority", "ca.crt"))
	if err == nil {
		key, err := os.ReadFile(s.Path("authority", "ca.key"))
		if err != nil {
			return nil, fmt.Errorf("%w; certificates are issued where the authority's key is", err)
		}
		return certs.ParseAuthority(certs.Pair{Cert: cert, Key: key})
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	a, err := certs.NewAuthority(s.Cluster, AuthorityValid)
	if err != nil {
		return nil, err
	}
	p, err := a.PEM()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		s.writePair(p, "authority", "ca"),
		s.Write(p.Cert, "certs", "ca.crt"),
	)
	return a, err
}

// Issue makes the certificate of id and writes it.
func (s *Folder) Issue(a *certs.Authority, id certs.Identity, hosts []string, valid time.Duration) error {
	p, err := a.Issue(id, hosts, valid)
	if err != nil {
		return err
	}
	folder := "certs"
	if id.Role != certs.Member {
		folder = string(id.Role)
	}
	return s.writePair(p, folder, id.Name)
}

// GossipKeys are those of the folder: the keys of one of its nodes, or a new key.
func (s *Folder) GossipKeys() ([]byte, error) {
	known, err := filepath.Glob(s.Path("certs", "*.keyring"))
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		return os.ReadFile(known[0])
	}
	key, err := seal.NewKey()
	return seal.Document(key), err
}

// AdminToken is that of the folder, or a new one, with the hash that nodes are given.
func (s *Folder) AdminToken() (tokens.Hash, error) {
	if content, err := os.ReadFile(s.Path("admin", "token")); err == nil {
		_, hash, err := tokens.Split(strings.TrimSpace(string(content)))
		return hash, err
	}
	token, hash, err := tokens.NewSecret(tokens.AdminID)
	if err != nil {
		return hash, err
	}
	return hash, s.Write([]byte(token+"\n"), "admin", "token")
}

func (s *Folder) writePair(p certs.Pair, folder, name string) error {
	return errors.Join(s.Write(p.Key, folder, name+".key"), s.Write(p.Cert, folder, name+".crt"))
}

// Write puts a file in place, whole, readable by its owner alone.
func (s *Folder) Write(content []byte, parts ...string) error {
	path := s.Path(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // its mode is 0600.
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	s.Written = append(s.Written, path)
	return nil
}

// MakeNode makes the files of a node that is reached at these hosts.
func (s *Folder) MakeNode(name string, hosts []string) error {
	authority, err := s.Authority()
	if err != nil {
		return err
	}
	keyring, err := s.GossipKeys()
	if err != nil {
		return err
	}
	if err := s.Write(keyring, "certs", name+".keyring"); err != nil {
		return err
	}
	id := certs.Identity{Cluster: s.Cluster, Role: certs.Member, Name: name}
	return s.Issue(authority, id, ReachedAt(hosts...), CertValid)
}

// Secured is the configuration of a node with the settings that use the files of MakeNode; inside is the path of the
// certs folder as the node sees it.
func (s *Folder) Secured(name, inside, config string) (string, error) {
	admin, err := s.AdminToken()
	if err != nil {
		return "", err
	}
	file := func(ending string) string { return strconv.Quote(filepath.Join(inside, name+ending)) }
	const gossip = "gossip:\n"
	keyring := "  keyring: " + file(".keyring") + "\n"
	if i := strings.Index("\n"+config, "\n"+gossip); i >= 0 {
		config = config[:i+len(gossip)] + keyring + config[i+len(gossip):]
	} else {
		config += gossip + keyring
	}
	return config + fmt.Sprintf("tls:\n  cert: %s\n  key: %s\n  ca: %q\nauth:\n  mode: required\n  admin_hash: %q\n",
		file(".crt"), file(".key"), filepath.Join(inside, "ca.crt"), admin.String()), nil
}

// ReachedAt are the hosts of a node's certificate: those given, and the machine's own name.
func ReachedAt(hosts ...string) []string {
	out := []string{"localhost", "127.0.0.1", "::1"}
	for _, h := range hosts {
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}
