package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/host/config"
)

// initSecure writes n configurations on free ports, with all that makes them secure.
func (s *site) initSecure(n int) {
	s.t.Helper()
	s.base = freePorts(s.t, n)
	s.ok("init", "--secure", "--nodes", strconv.Itoa(n), "--dir", s.dir, "--base-port", strconv.Itoa(s.base))
}

// asAdmin are the flags that prove an administrator, at node i.
func (s *site) asAdmin(i int, args ...string) []string {
	in := func(parts ...string) string { return filepath.Join(append([]string{s.dir}, parts...)...) }
	return append(args, "--endpoint", s.endpoint(i), "--ca", in("certs", "ca.crt"), "--token-file",
		in("admin", "token"))
}

// Two commands make a cluster that can stand on a network.
func TestE2EASecureCluster(t *testing.T) {
	s := newSite(t)
	s.initSecure(3)
	require.NoError(t, filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if !d.IsDir() && filepath.Ext(path) != ".yaml" {
			require.EqualValues(t, 0o600, info.Mode().Perm(), path)
		}
		return nil
	}))
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)
	s.ok(s.asAdmin(1, "put", "a/b", "v")...)
	eventually(t, "the write reaches node3", func() bool { return s.run(s.asAdmin(3, "get", "a/b")...).stdout == "v" })
	nodes, _ := s.statusOf("node2")
	require.NotEmpty(t, nodes[0].CertExpires)

	r := s.run("get", "a/b", "--endpoint", s.endpoint(1))
	require.EqualValues(t, exitUnavailable, r.code, "without TLS: %s", r.stderr)
	r = s.run("get", "a/b", "--endpoint", "https://"+s.endpoint(1))
	require.EqualValues(t, exitUnavailable, r.code)
	require.Contains(t, r.stderr, "unknown authority")

	require.Contains(t, s.ok("cert", "show", "certs/node1.crt").stdout, "member node1 of cluster kvs")
	// A new certificate is taken over while the node runs.
	s.ok("cert", "issue", "--dir", s.dir, "--node", "node2", "--host", "127.0.0.1", "--valid", "48h")
	before := nodes[0].CertExpires
	eventually(t, "node2 takes its certificate over", func() bool {
		nodes, r = s.statusOf("node2")
		return nodes[0].CertExpires != before
	})
	require.Contains(t, r.stderr, "in 1 days")
	s.ok(s.asAdmin(2, "put", "a/c", "v")...)

	// The key of gossip is replaced while all members hear each other.
	var listed []memberKeys
	require.NoError(t, json.Unmarshal([]byte(s.ok(s.asAdmin(1, "keyring", "list", "-o", "json")...).stdout), &listed))
	require.NotEmpty(t, listed)
	require.True(t, listed[0].Keys[0].Primary)
	list := func() string { return s.ok(s.asAdmin(1, "keyring", "list")...).stdout }
	old := regexp.MustCompile(`[0-9a-f]{8} \(seals\)`).FindString(list())[:8]
	key := strings.TrimSpace(s.ok(s.asAdmin(1, "keyring", "install")...).stdout)
	require.Equal(t, 3, strings.Count(list(), key))
	require.Contains(t, s.run(s.asAdmin(1, "keyring", "remove", old)...).stderr,
		"let all members use another one first")
	s.ok(s.asAdmin(2, "keyring", "use", key)...)
	require.Equal(t, 3, strings.Count(list(), key+" (seals)"))
	s.ok(s.asAdmin(3, "keyring", "remove", old)...)
	require.NotContains(t, list(), old)
	s.ok("restart", "--wait", "node2")
	s.awaitMembers(3)
	require.Contains(t, s.run("keyring", "list", "--endpoint", s.endpoint(1), "--ca",
		filepath.Join(s.dir, "certs", "ca.crt")).stderr, "unauthenticated")
	s.ok("leave", "node3")
}

// A token made at one member is good at the others, and is not any more when it is revoked.
func TestE2ETokens(t *testing.T) {
	s := newSite(t)
	s.initSecure(2)
	s.ok("start", "--wait", "node1", "node2")
	s.awaitMembers(2)
	eventually(t, "the cluster is founded", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == 2
	})
	s.ok(s.asAdmin(1, "put", "app/a", "v")...)
	s.ok(s.asAdmin(1, "put", "other", "v")...)
	file := filepath.Join(s.dir, "app.token")
	r := s.ok(s.asAdmin(1, "token", "create", "--name", "app", "--allow", "read,list:app/", "--expires", "1h")...)
	require.NoError(t, os.WriteFile(file, []byte(r.stdout), 0o600))
	secret := strings.Split(strings.TrimSpace(r.stdout), ".")
	asApp := func(args ...string) result {
		return s.run(append(args, "--endpoint", s.endpoint(2), "--ca", filepath.Join(s.dir, "certs", "ca.crt"),
			"--token-file", file)...)
	}
	eventually(t, "node2 knows the token", func() bool { return asApp("get", "app/a").stdout == "v" })
	for _, refused := range [][]string{{"get", "other"}, {"put", "app/a", "w"}, {"ls", "/"}, {"token", "list"},
		{"mode", "read-only"}} {
		r := asApp(refused...)
		require.EqualValues(t, exitRefused, r.code, "%v: %s", refused, r.stderr)
		require.Contains(t, r.stderr, "not_allowed")
	}
	list := s.ok(s.asAdmin(2, "token", "list")...).stdout
	require.Contains(t, list, "read,list:app/")
	require.NotContains(t, list, secret[2])
	s.ok(s.asAdmin(1, "token", "revoke", secret[1])...)
	eventually(t, "node2 refuses the token", func() bool {
		return strings.Contains(asApp("get", "app/a").stderr, "unauthenticated")
	})
	logs, err := filepath.Glob(filepath.Join(s.home, ".kvs", "logs", "*.log"))
	require.NoError(t, err)
	require.Len(t, logs, 2)
	for _, path := range logs {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(text), secret[2], "no log holds a token")
	}
	bundle := s.command("debug", "bundle", "node1", "--file", filepath.Join(s.dir, "bundle.tar.gz"), "--seconds", "0")
	bundle.Env = append(bundle.Environ(), "KVS_CA="+filepath.Join(s.dir, "certs", "ca.crt"),
		"KVS_TOKEN_FILE="+filepath.Join(s.dir, "admin", "token"))
	require.Zero(t, finish(t, bundle).code)
	content := unpacked(t, filepath.Join(s.dir, "bundle.tar.gz"))
	require.NotEmpty(t, content["node1/status.json"])
	key, err := os.ReadFile(filepath.Join(s.dir, "certs", "node1.key"))
	require.NoError(t, err)
	admin, err := os.ReadFile(filepath.Join(s.dir, "admin", "token"))
	require.NoError(t, err)
	hidden := []string{secret[2], strings.TrimSpace(string(admin)), strings.Split(string(key), "\n")[1]}
	for name, text := range content {
		for _, h := range hidden {
			require.NotContains(t, text, h, "%s holds a secret", name)
		}
	}
	require.EqualValues(t, exitUsage, s.run("token", "create", "--name", "x").code)
}

func TestInitSecureForThreeMachines(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(b.dir, "c")
	args := []string{"init", "--dir", dir, "--host", "a.example,b.example", "--host", "10.0.0.3"}
	require.EqualValues(t, exitUsage, execute(b.app, args))
	require.Contains(t, b.err.String(), "add --secure")
	require.Zero(t, execute(b.app, append(args, "--secure")), b.err.String())
	c, err := config.Read(filepath.Join(dir, "node2.yaml"))
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0:7001", c.Listen)
	require.Equal(t, "b.example:7001", c.Advertise)
	require.Equal(t, []string{"a.example:7001", "b.example:7001", "10.0.0.3:7001"}, c.Seeds)
	_, err = keeperOf(c)
	require.NoError(t, err)

	before, err := os.ReadFile(filepath.Join(dir, "authority", "ca.crt"))
	require.NoError(t, err)
	require.Zero(t, execute(b.app, append(args, "--secure", "--force")))
	after, err := os.ReadFile(filepath.Join(dir, "authority", "ca.crt"))
	require.NoError(t, err)
	require.Equal(t, before, after, "the authority stays")
}
