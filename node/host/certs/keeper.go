package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options of Load. All are required but Optional and MinVersion.
type Options struct {
	Cert, Key, CA string // paths of PEM files. CA may hold several authorities, while one replaces another.
	Cluster       string // the cluster whose members are accepted.
	Name          string // of this node: its certificate must be for this name.
	Logger        *slog.Logger

	// Optional: connections to members that do not use TLS are plain, for a cluster that is changing over.
	Optional bool

	// Changed is called by Reload when the files have changed; nil: no call.
	Changed func()

	// MinVersion is that of clients, tls.VersionTLS12 or above; members use TLS 1.3 alone. Default: tls.VersionTLS13.
	MinVersion uint16
}

// Keeper holds a node's certificate, which may change while the node runs. It is safe for concurrent use.
type Keeper struct {
	o       Options
	current atomic.Pointer[material]
	reading sync.Mutex // one Reload at a time.
	spoke   spoken
}

// material is the content of the files.
type material struct {
	cert    tls.Certificate
	leaf    *x509.Certificate
	roots   *x509.CertPool
	files   [3][]byte // as they were read.
	expires time.Time // the earlier end of the certificate and the authority that signed it.
	server  *tls.Config
}

// Load reads the files and checks that they match each other, and are those of this node.
func Load(o Options) (*Keeper, error) {
	if o.Cluster == "" || o.Name == "" || o.Logger == nil {
		return nil, errors.New("certs: cluster, name and logger are required")
	}
	if o.MinVersion == 0 {
		o.MinVersion = tls.VersionTLS13
	}
	k := &Keeper{o: o}
	m, err := k.read()
	if err != nil {
		return nil, err
	}
	k.current.Store(m)
	if info, err := os.Stat(o.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
		o.Logger.Warn("the private key can be read by other users of this machine: chmod 600", "file", o.Key, "mode",
			info.Mode().Perm())
	}
	return k, nil
}

// Reload reads the files again. When they do not match, the error says why, and the former ones stay in use. Open
// connections stay open.
func (k *Keeper) Reload() (changed bool, err error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	m, err := k.read()
	if err != nil {
		return false, err
	}
	before := k.current.Load()
	for i := range m.files {
		changed = changed || !bytes.Equal(m.files[i], before.files[i])
	}
	if changed {
		k.current.Store(m)
		k.o.Logger.Info("certificates read anew", "expires", m.expires.UTC().Format(time.RFC3339))
		if k.o.Changed != nil {
			k.o.Changed()
		}
	}
	return changed, nil
}

// Watch checks the files at intervals, until ctx ends, and loads changed ones.
func (k *Keeper) Watch(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		_, err := k.Reload()
		if err == nil {
			said = ""
			continue
		}
		if err.Error() != said { // once, not at every check.
			said = err.Error()
			k.o.Logger.Error("the certificates on disk cannot be used: those read before stay in use", "error", err)
		}
	}
}

// Expires is when this node's certificate, or the authority behind it, ends.
func (k *Keeper) Expires() time.Time { return k.current.Load().expires }

// TrustsClient reports whether the certificate of a connected client would be accepted now.
func (k *Keeper) TrustsClient(cs *tls.ConnectionState) bool {
	return verify(cs, k.current.Load().roots, x509.ExtKeyUsageClientAuth) == nil
}

// TrustsServer reports whether the certificate of a member at the other end would be accepted now.
func (k *Keeper) TrustsServer(cs *tls.ConnectionState) bool {
	return verify(cs, k.current.Load().roots, x509.ExtKeyUsageServerAuth) == nil
}

// verify checks the certificates of a connection, except the name of the host.
func verify(cs *tls.ConnectionState, roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("no certificate was shown")
	}
	intermediates := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

// Server is the configuration of incoming connections. Certificates of clients are requested, not required: clients may
// have tokens instead.
func (k *Keeper) Server() *tls.Config {
	return &tls.Config{
		MinVersion:             k.o.MinVersion,
		SessionTicketsDisabled: true,
		GetConfigForClient:     func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.current.Load().server, nil },
	}
}

// read reads the three files and checks them.
func (k *Keeper) read() (*material, error) {
	m := &material{}
	for i, file := range []string{k.o.Cert, k.o.Key, k.o.CA} {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read %w", err)
		}
		m.files[i] = content
	}
	var err error
	if m.cert, err = tls.X509KeyPair(m.files[0], m.files[1]); err != nil {
		return nil, fmt.Errorf("%s and %s are no pair of certificate and key: %w", k.o.Cert, k.o.Key, err)
	}
	m.leaf = m.cert.Leaf
	m.roots = x509.NewCertPool()
	if !m.roots.AppendCertsFromPEM(m.files[2]) {
		return nil, fmt.Errorf("%s holds no certificate of an authority", k.o.CA)
	}
	if err := k.checkOwn(m); err != nil {
		return nil, fmt.Errorf("%s: %w", k.o.Cert, err)
	}
	m.server = &tls.Config{
		MinVersion:   k.o.MinVersion,
		Certificates: []tls.Certificate{m.cert},
		ClientCAs:    m.roots,
		ClientAuth:   tls.VerifyClientCertIfGiven,
		NextProtos:   []string{"http/1.1"},
		// A resumed session would be checked against the authorities of its first connection.
		SessionTicketsDisabled: true,
	}
	return m, nil
}

// checkOwn returns why the other members would refuse this node's certificate.
func (k *Keeper) checkOwn(m *material) error {
	id, err := IdentityOf(m.leaf)
	if err != nil {
		return err
	}
	if want := (Identity{k.o.Cluster, Member, k.o.Name}); id != want {
		return fmt.Errorf(
			"the certificate is that of %v, and this node is %v: give it its own, or correct name or cluster", id, want)
	}
	intermediates := x509.NewCertPool()
	for _, der := range m.cert.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(c)
		}
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		chains, err := m.leaf.Verify(x509.VerifyOptions{Roots: m.roots, Intermediates: intermediates,
			KeyUsages: []x509.ExtKeyUsage{usage}})
		if err != nil {
			return fmt.Errorf("the authorities in %s do not vouch for it: %w", k.o.CA, err)
		}
		m.expires = lastEnd(chains)
	}
	return nil
}

// lastEnd is how long the best of the chains lasts: each ends with its first certificate to end.
func lastEnd(chains [][]*x509.Certificate) (last time.Time) {
	for _, chain := range chains {
		end := chain[0].NotAfter
		for _, c := range chain {
			if c.NotAfter.Before(end) {
				end = c.NotAfter
			}
		}
		if end.After(last) {
			last = end
		}
	}
	return last
}

// CertificatesIn parses all certificates of a PEM file.
func CertificatesIn(content []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			return out, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
}
