package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/client"
	"kvs/node/client/profile"
)

// traffic writes and reads through all nodes until it is ended. No operation may fail in the end: a client tries again
// at another member.
type traffic struct {
	stop context.CancelFunc
	done sync.WaitGroup
	n    int
	err  error
}

func (s *site) traffic(name string, p profile.Profile) *traffic {
	s.t.Helper()
	config, token, err := p.Credentials()
	require.NoError(s.t, err)
	o := client.DefaultOptions(s.endpoint(1), s.endpoint(2), s.endpoint(3))
	o.TLS, o.Token, o.RetryUnknown, o.AttemptsMax = config, token, true, 60
	c, err := client.New(o)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.t.Context())
	tr := &traffic{stop: cancel}
	tr.done.Go(func() {
		defer c.Close()
		for ctx.Err() == nil && tr.err == nil {
			path, value := "traffic/"+name, []byte(fmt.Sprint(tr.n))
			if _, err := c.Put(ctx, path, node.Linearizable, value, "text/plain"); err != nil {
				tr.err = err
			} else if got, err := c.Get(ctx, path, node.Linearizable); err != nil || !bytes.Equal(got.Body, value) {
				tr.err = fmt.Errorf("%q is there, want %q: %w", got.Body, value, err)
			}
			tr.n++
		}
		if ctx.Err() != nil {
			tr.err = nil
		}
	})
	return tr
}

func (tr *traffic) end(t *testing.T) {
	t.Helper()
	tr.stop()
	tr.done.Wait()
	require.NoError(t, tr.err)
	require.Positive(t, tr.n)
}

// A cluster that runs without any of it is made secure, and gets another authority, and no client waits for it in vain.
func TestE2EAClusterIsMadeSecureWhileItServes(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)
	eventually(t, "the cluster is founded", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == 3
	})
	in := func(parts ...string) string { return filepath.Join(append([]string{s.dir}, parts...)...) }
	nodes := []string{"node1", "node2", "node3"}
	roll := func(change func(file, name string)) {
		t.Helper()
		for _, n := range nodes {
			change(n+".yaml", n)
			s.ok("restart", "--wait", n)
		}
		s.awaitMembers(3)
	}

	// First both kinds are heard.
	for _, n := range nodes {
		s.ok("cert", "issue", "--dir", s.dir, "--node", n, "--host", "127.0.0.1")
	}
	s.ok("cert", "issue", "--dir", s.dir, "--admin", "root")
	s.ok("keyring", "create", in("all.keyring"))
	ring, err := os.ReadFile(in("all.keyring"))
	require.NoError(t, err)
	tr := s.traffic("plain", profile.Profile{})
	roll(func(file, name string) {
		require.NoError(t, os.WriteFile(in("certs", name+".keyring"), ring, 0o600))
		s.edit(file, `  cert: ""`, "  cert: certs/"+name+".crt")
		s.edit(file, `  key: ""`, "  key: certs/"+name+".key")
		s.edit(file, `  ca: ""`, "  ca: certs/ca.crt")
		s.edit(file, `  keyring: ""`, "  keyring: certs/"+name+".keyring")
		s.edit(file, "  mode: required", "  mode: optional")
	})
	tr.end(t)

	// Then TLS alone, when all clients speak it.
	p := profile.Profile{CA: in("certs", "ca.crt")}
	tr = s.traffic("tls", p)
	roll(func(file, _ string) { s.edit(file, "  mode: optional", "  mode: required") })
	tr.end(t)
	require.NotZero(t, s.run("get", "traffic/tls", "--endpoint", s.endpoint(1)).code)

	// Then tokens, when all clients have one.
	asRoot := []string{"--endpoint", s.endpoint(2), "--ca", p.CA, "--cert", in("admin", "root.crt"), "--key",
		in("admin", "root.key")}
	token := s.ok(append([]string{"token", "create", "--name", "app", "--allow", "read,write:traffic/"}, asRoot...)...).
		stdout
	p.TokenFile = in("token")
	require.NoError(t, os.WriteFile(p.TokenFile, []byte(token), 0o600))
	tr = s.traffic("token", p)
	roll(func(file, _ string) { s.edit(file, "  mode: off", "  mode: required") })
	tr.end(t)
	require.Contains(t, s.run("get", "traffic/tls", "--endpoint", s.endpoint(1), "--ca", p.CA).stderr,
		"unauthenticated")

	s.replaceAuthority(p)
}

// replaceAuthority gives the nodes another authority, while they run and serve.
func (s *site) replaceAuthority(p profile.Profile) {
	t := s.t
	old, next := filepath.Join(s.dir, "certs"), filepath.Join(s.dir, "next")
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	for i := range 3 {
		s.ok("cert", "issue", "--dir", next, "--node", fmt.Sprintf("node%d", i+1), "--host", "127.0.0.1")
	}
	s.ok("cert", "issue", "--dir", next, "--admin", "root")
	nextCA := filepath.Join(next, "certs", "ca.crt")
	tellAll := func() {
		t.Helper()
		all, _ := s.statusOf()
		for _, n := range all {
			require.NoError(t, syscall.Kill(n.PID, syscall.SIGHUP))
		}
	}
	proves := func(ca, cert, key string) func() bool {
		return func() bool {
			for i := range 3 {
				r := s.run("members", "--endpoint", s.endpoint(i+1), "--ca", ca, "--cert", cert, "--key", key)
				if r.code != 0 {
					return false
				}
			}
			return true
		}
	}
	// All trust both; clients too.
	both := append(read(filepath.Join(old, "ca.crt")), read(nextCA)...)
	require.NoError(t, os.WriteFile(filepath.Join(old, "ca.crt"), both, 0o600))
	tr := s.traffic("rotation", p)
	tellAll()
	newCert, newKey := filepath.Join(next, "admin", "root.crt"), filepath.Join(next, "admin", "root.key")
	eventually(t, "all nodes believe the next authority", proves(filepath.Join(old, "ca.crt"), newCert, newKey))
	// All have certificates of the next one.
	for i := range 3 {
		for _, ext := range []string{".crt", ".key"} {
			name := fmt.Sprintf("node%d%s", i+1, ext)
			require.NoError(t, os.WriteFile(filepath.Join(old, name), read(filepath.Join(next, "certs", name)), 0o600))
		}
	}
	tellAll()
	eventually(t, "all nodes show certificates of the next authority", proves(nextCA, newCert, newKey))
	// Nobody trusts the old one any more.
	require.NoError(t, os.WriteFile(filepath.Join(old, "ca.crt"), read(nextCA), 0o600))
	tellAll()
	oldCert, oldKey := filepath.Join(s.dir, "admin", "root.crt"), filepath.Join(s.dir, "admin", "root.key")
	eventually(t, "no node believes the old authority", func() bool {
		for i := range 3 {
			pair, err := tls.LoadX509KeyPair(oldCert, oldKey)
			require.NoError(t, err)
			c, err := tls.Dial("tcp", s.endpoint(i+1),
				&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}})
			if err != nil {
				return false
			}
			_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			_, err = c.Read(make([]byte, 1))
			_ = c.Close()
			if err == nil || !strings.Contains(err.Error(), "tls:") {
				return false
			}
		}
		return true
	})
	tr.end(t)
	s.ok("restart", "--wait", "node3") // and members find each other anew.
	s.awaitMembers(3)
}
