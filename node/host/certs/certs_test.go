package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host/certs"
	"kvs/node/host/certs/certstest"
)

func options(a *certstest.Authority, f certstest.Files, name string) certs.Options {
	return certs.Options{Cert: f.Cert, Key: f.Key, CA: a.CA, Cluster: "c 1", Name: name,
		Logger: slog.New(slog.DiscardHandler)}
}

func load(t *testing.T, o certs.Options) *certs.Keeper {
	t.Helper()
	k, err := certs.Load(o)
	require.NoError(t, err)
	return k
}

func TestAnIdentityIsReadAsItWasWritten(t *testing.T) {
	for _, id := range []certs.Identity{{"kvs", certs.Member, "node1"}, {"a/b %2F é", certs.Client, "x?y#z /.."},
		{"..", certs.Admin, "."}} {
		u, err := url.Parse(id.URL().String())
		require.NoError(t, err)
		got, err := certs.IdentityOf(&x509.Certificate{URIs: []*url.URL{u}})
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
	for _, bad := range []string{"kvs:///c/member/", "kvs:///c/king/n", "kvs:///c/n", "kvs://c/member/n",
		"kvs:///c/member/n/x", "kvs:///c/member/n?x", "kvs:c"} {
		u, err := url.Parse(bad)
		require.NoError(t, err)
		_, err = certs.IdentityOf(&x509.Certificate{URIs: []*url.URL{u}})
		require.Error(t, err, bad)
	}
	two := certs.Identity{Cluster: "c", Role: certs.Member, Name: "n"}.URL()
	_, err := certs.IdentityOf(&x509.Certificate{URIs: []*url.URL{two, two}})
	require.ErrorContains(t, err, "2 kvs URIs")
}

func TestANodeWithTheWrongFilesDoesNotStart(t *testing.T) {
	a, other := certstest.New(t, "c 1"), certstest.New(t, "c 1")
	expired := a.Issue(certs.Identity{Cluster: "c 1", Role: certs.Member, Name: "n1"}, -time.Minute)
	_, err := certs.Load(options(a, expired, "n1"))
	require.ErrorContains(t, err, "expired")
	good := a.Member("n1")
	for want, o := range map[string]certs.Options{
		"this node is member n2": options(a, good, "n2"),
		"do not vouch for it":    options(other, good, "n1"),
		"is that of admin n1": options(a,
			a.Issue(certs.Identity{Cluster: "c 1", Role: certs.Admin, Name: "n1"}, time.Hour), "n1"),
		"member n1 of cluster c 2, and": options(a,
			a.Issue(certs.Identity{Cluster: "c 2", Role: certs.Member, Name: "n1"}, time.Hour), "n1"),
		"no pair of certificate and key": options(a,
			certstest.Files{Cert: a.Member("n7").Cert, Key: a.Member("n8").Key}, "n1"),
		"no such file": options(a, certstest.Files{Cert: "/nowhere", Key: good.Key}, "n1"),
	} {
		_, err := certs.Load(o)
		require.ErrorContains(t, err, want)
	}
	k := load(t, options(a, a.Member("n1"), "n1"))
	require.WithinDuration(t, time.Now().Add(time.Hour), k.Expires(), time.Minute)
}

// serve answers connections as a node's door does, until the test ends, with what peers prove.
func serve(t *testing.T, k *certs.Keeper) (addr string, peers <-chan certs.Identity) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	seen := make(chan certs.Identity, 16)
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				conn := tls.Server(raw, k.Server())
				if conn.Handshake() != nil {
					return
				}
				cs := conn.ConnectionState()
				id, _ := k.Peer(&cs)
				seen <- id
				_, _ = conn.Write([]byte("x"))
			}()
		}
	}()
	return l.Addr().String(), seen
}

// dial connects and reads a byte: in TLS 1.3 only that tells whether the server has accepted the client's certificate.
func dial(t *testing.T, k *certs.Keeper, addr string) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := k.Dial(ctx, addr, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err
}

func TestMembersProveThemselvesToEachOther(t *testing.T) {
	a := certstest.New(t, "c 1")
	n1, n2 := load(t, options(a, a.Member("n1"), "n1")), load(t, options(a, a.Member("n2"), "n2"))
	addr, peers := serve(t, n1)
	require.NoError(t, dial(t, n2, addr))
	require.Equal(t, certs.Identity{Cluster: "c 1", Role: certs.Member, Name: "n2"}, <-peers)

	// A member of another authority, both ways.
	other := certstest.New(t, "c 1")
	x := load(t, options(other, other.Member("x"), "x"))
	require.ErrorContains(t, dial(t, x, addr), "unknown authority")
	xAddr, _ := serve(t, x)
	require.ErrorContains(t, dial(t, n1, xAddr), "unknown authority")
	trusting := options(other, other.Member("y"), "y")
	both, err := os.ReadFile(other.CA)
	require.NoError(t, err)
	more, err := os.ReadFile(a.CA)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other.CA, append(both, more...), 0o600))
	require.ErrorContains(t, dial(t, load(t, trusting), addr), "tls:",
		"it believes the server, which does not believe it")

	// Another cluster of the same authority.
	o := options(a, a.Issue(certs.Identity{Cluster: "c 2", Role: certs.Member, Name: "n3"}, time.Hour), "n3")
	o.Cluster = "c 2"
	n3 := load(t, o)
	require.ErrorContains(t, dial(t, n3, addr), "want a member of cluster c 2")
	n3Addr, _ := serve(t, n3)
	require.ErrorContains(t, dial(t, n1, n3Addr), "want a member of cluster c 1")

	// Names are checked against what was dialled.
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	require.ErrorContains(t, dial(t, n2, net.JoinHostPort("127.0.0.2", port)), "127.0.0.2")
}

func TestOldVersionsAreRefused(t *testing.T) {
	a := certstest.New(t, "c 1")
	o := options(a, a.Member("n1"), "n1")
	addr, _ := serve(t, load(t, o))
	old := &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	_, err := tls.Dial("tcp", addr, old)
	require.ErrorContains(t, err, "protocol version")
	o.MinVersion = tls.VersionTLS12
	addr, _ = serve(t, load(t, o))
	c, err := tls.Dial("tcp", addr, old)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	old.MaxVersion = tls.VersionTLS11
	_, err = tls.Dial("tcp", addr, old)
	require.Error(t, err)
}

func TestFilesAreTakenOverWhenTheyChange(t *testing.T) {
	a := certstest.New(t, "c 1")
	f := a.Member("n1")
	var log bytes.Buffer
	o := options(a, f, "n1")
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	k := load(t, o)
	changed, err := k.Reload()
	require.NoError(t, err)
	require.False(t, changed)

	require.NoError(t, os.WriteFile(f.Key, []byte("half of"), 0o600))
	before := k.Expires()
	_, err = k.Reload()
	require.ErrorContains(t, err, "no pair")
	require.Equal(t, before, k.Expires(), "what was there stays in use")

	a.Issue(certs.Identity{Cluster: "c 1", Role: certs.Member, Name: "n1"}, 2*time.Hour) // into the same files.
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { k.Watch(ctx, time.Millisecond); close(watched) }()
	require.Eventually(t, func() bool { return k.Expires().After(before) }, time.Minute, time.Millisecond)
	cancel()
	<-watched
	require.Contains(t, log.String(), "certificates read anew")

	// New connections use the new ones: here an authority that takes the place of the former.
	addr, _ := serve(t, k)
	next := certstest.New(t, "c 1")
	n2 := options(next, next.Member("n2"), "n2")
	both, err := os.ReadFile(a.CA)
	require.NoError(t, err)
	more, err := os.ReadFile(next.CA)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(next.CA, append(append([]byte{}, more...), both...), 0o600))
	require.Error(t, dial(t, load(t, n2), addr))
	require.NoError(t, os.WriteFile(a.CA, append(both, more...), 0o600))
	_, err = k.Reload()
	require.NoError(t, err)
	require.NoError(t, dial(t, load(t, n2), addr))
}

func TestWhileTLSIsOptionalMembersWithoutItAreReached(t *testing.T) {
	a := certstest.New(t, "c 1")
	o := options(a, a.Member("n2"), "n2")
	o.Optional = true
	k := load(t, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() { // speaks no TLS, and ends what it does not understand.
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	addr := l.Addr().String()
	require.NoError(t, dial(t, k, addr))
	require.Error(t, dial(t, load(t, options(a, a.Member("n3"), "n3")), addr), "required")

	secure, _ := serve(t, load(t, options(a, a.Member("n1"), "n1")))
	require.NoError(t, dial(t, k, secure))
	other := certstest.New(t, "c 1")
	stranger, _ := serve(t, load(t, options(other, other.Member("x"), "x")))
	require.Error(t, dial(t, k, stranger), "a wrong certificate is no reason to go on without")
}
