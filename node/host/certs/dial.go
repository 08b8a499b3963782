package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Bounds of the handshake with a member.
const (
	handshakeTimeout = 5 * time.Second
	// optionalTimeout bounds the handshake with a member that may not use TLS: such a member may never answer.
	optionalTimeout = time.Second / 2
)

// Dial connects to the member at addr, a host:port, through dial, and returns when both ends have proved their
// identities. While TLS is optional a member that has never used it gets a plain connection, for which dial is called
// again.
func (k *Keeper) Dial(ctx context.Context, addr string, dial func(context.Context) (net.Conn, error)) (
	net.Conn, error) {
	raw, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	mayFallBack := k.o.Optional && !k.spoke.has(addr)
	timeout := handshakeTimeout
	if mayFallBack {
		timeout = optionalTimeout
	}
	conn, err := k.handshake(ctx, raw, addr, timeout)
	switch {
	case err == nil:
		if k.o.Optional {
			k.spoke.add(addr)
		}
		return conn, nil
	case mayFallBack && !refusedByProof(err):
		return dial(ctx)
	}
	return nil, err
}

// refusedByProof reports whether the other end uses TLS, but a certificate is wrong.
func refusedByProof(err error) bool {
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &verify) || errors.As(err, &alert)
}

func (k *Keeper) handshake(ctx context.Context, raw net.Conn, addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn := tls.Client(raw, k.Client(addr))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("TLS with %s: %w", addr, err), raw.Close())
	}
	return conn, nil
}

// Client is the configuration of one connection to the member at addr.
func (k *Keeper) Client(addr string) *tls.Config {
	m := k.current.Load()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		Certificates:     []tls.Certificate{m.cert},
		RootCAs:          m.roots,
		ServerName:       host,
		VerifyConnection: k.wantMember,
	}
}

// Local is the configuration of a connection to this node itself, by any address: the node is recognised by its name.
func (k *Keeper) Local() *tls.Config {
	c := k.Client("")
	c.InsecureSkipVerify = true // this skips the host name: the rest is checked below.
	roots := c.RootCAs
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := verify(&cs, roots, x509.ExtKeyUsageServerAuth); err != nil {
			return err
		}
		id, err := IdentityOf(cs.PeerCertificates[0])
		if err == nil && id != (Identity{k.o.Cluster, Member, k.o.Name}) {
			err = fmt.Errorf("%v answers there, not %s", id, k.o.Name)
		}
		return err
	}
	return c
}

// spoken remembers the members that have used TLS: connections to them are never plain again.
type spoken struct {
	mu    sync.Mutex
	addrs map[string]bool
}

const spokenMax = 4096 // more addresses than a cluster has.

func (s *spoken) has(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs[addr]
}

func (s *spoken) add(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addrs == nil || len(s.addrs) >= spokenMax {
		s.addrs = map[string]bool{}
	}
	s.addrs[addr] = true
}
