package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/cmd/kvs/exit"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/daemon"
	"kvs/node/host/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// bench is an app with buffers, a folder, and pretended surroundings.
type bench struct {
	*app
	dir      string
	out, err *bytes.Buffer
	env      map[string]string
	cluster  *fakeCluster
	asked    []string // endpoints of the last connect,
	access   access   // and all of it.
	signals  chan<- os.Signal
	notified chan struct{} // receives when a command listens to signals.
	health   daemon.Health
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	b := &bench{dir: dir, out: new(bytes.Buffer), err: new(bytes.Buffer), env: map[string]string{},
		cluster: &fakeCluster{}, notified: make(chan struct{}, 1)}
	b.app = &app{
		in: strings.NewReader(""), out: b.out, err: b.err,
		getenv: func(k string) string { return b.env[k] },
		cwd:    func() (string, error) { return dir, nil },
		notify: func(c chan<- os.Signal) func() {
			b.signals = c
			select {
			case b.notified <- struct{}{}:
			default:
			}
			return func() {}
		},
		widenSlack: func() error { return nil }, addProcessor: func() {},
		connect: func(to access) (cluster, error) {
			b.asked, b.access = to.endpoints, to
			return b.cluster, nil
		},
		daemon: func(say func(string)) (*daemon.Daemon, error) {
			home, err := daemon.NewHome(filepath.Join(dir, "home"))
			return &daemon.Daemon{Home: home, Processes: daemon.ProcTable{}, Clock: daemon.SystemClock{},
				Launcher: noLauncher{t},
				Prober:   b, Version: "test", Say: say}, err
		},
	}
	b.app.notifyNode = b.app.notify
	return b
}

func (b *bench) Live(context.Context, *daemon.Record) (*daemon.Starting, error) { return nil, nil }

func (b *bench) Health(context.Context, *daemon.Record) (daemon.Health, error) { return b.health, nil }

type noLauncher struct{ t *testing.T }

func (l noLauncher) Launch(daemon.Instance, *os.File, *os.File) (daemon.Child, error) {
	return nil, errors.New("this test launches nothing")
}

// fakeCluster records what it is asked, and answers from its fields.
type fakeCluster struct {
	path, contentType string
	level             node.Level
	condition         client.Condition
	body              []byte
	value             value
	written           written
	entries           []entry
	lists             []node.ListRequest
	members           []member
	voters            api.Voters
	policy            api.Policy
	keyring           api.Keyring
	tokens            api.Tokens
	wanted            api.WantedToken
	change            api.KeyringChange
	conflicts         []api.Conflict
	ttl               time.Duration
	err               error
}

func (c *fakeCluster) Tokens(context.Context) (api.Tokens, error) { return c.tokens, c.err }

func (c *fakeCluster) CreateToken(_ context.Context, wanted api.WantedToken) (api.NewToken, error) {
	c.wanted = wanted
	return api.NewToken{ID: "aa", Token: "kvs1.aa.secret"}, c.err
}

func (c *fakeCluster) RevokeToken(_ context.Context, id string) error {
	c.path = id
	return c.err
}

func (c *fakeCluster) Keyring(context.Context) (api.Keyring, error) { return c.keyring, c.err }

func (c *fakeCluster) ChangeKeyring(_ context.Context, change api.KeyringChange) (api.Keyring, error) {
	c.change = change
	return c.keyring, c.err
}

func (c *fakeCluster) Get(_ context.Context, path string, level node.Level) (value, error) {
	c.path, c.level = path, level
	return c.value, c.err
}

func (c *fakeCluster) Put(_ context.Context, path string, level node.Level, cond client.Condition, ttl time.Duration,
	body []byte, contentType string) (written, error) {
	c.path, c.level, c.condition, c.ttl, c.body, c.contentType = path, level, cond, ttl, body, contentType
	return c.written, c.err
}

func (c *fakeCluster) Delete(_ context.Context, path string, level node.Level, cond client.Condition) (written, error) {
	c.path, c.level, c.condition = path, level, cond
	return c.written, c.err
}

func (c *fakeCluster) Mode(context.Context) (api.Mode, error) {
	c.path = "mode"
	return api.Mode{Mode: "read-only", Reasons: []string{"clock", "operator"}, Operator: "read-only"}, c.err
}

func (c *fakeCluster) SetMode(_ context.Context, mode node.Mode) (api.Mode, error) {
	c.path = "mode " + mode.String()
	return api.Mode{Mode: mode.String(), Operator: mode.String()}, c.err
}

func (c *fakeCluster) Join(_ context.Context, addresses []string) error {
	c.path = fmt.Sprintf("join %v", addresses)
	return c.err
}

func (c *fakeCluster) Leave(_ context.Context, force bool) (member, error) {
	c.path = fmt.Sprintf("leave %v", force)
	return member{Name: "node1", State: "left"}, c.err
}

func (c *fakeCluster) Remove(_ context.Context, id node.ID, force bool) (member, error) {
	c.path = fmt.Sprintf("remove %s %v", id, force)
	return member{Name: "node3", ID: id.String(), State: "removed"}, c.err
}

func (c *fakeCluster) Policy(context.Context) (api.Policy, error) { return c.policy, c.err }

func (c *fakeCluster) SetPolicy(_ context.Context, wanted api.WantedPolicy) (api.Policy, error) {
	c.policy.StrongPrefixes, c.policy.Epoch = wanted.StrongPrefixes, wanted.Epoch+1
	return c.policy, c.err
}

func (c *fakeCluster) Voters(context.Context) (api.Voters, error) { return c.voters, c.err }

func (c *fakeCluster) ChangeVoters(_ context.Context, id node.ID, promote bool) (api.Voters, error) {
	c.path = fmt.Sprintf("%s %v", id, promote)
	return c.voters, c.err
}

func (c *fakeCluster) List(_ context.Context, req node.ListRequest) (page, error) {
	c.lists = append(c.lists, req)
	var p page
	for _, e := range c.entries {
		switch {
		case e.Path <= req.After:
		case len(p.Entries) == req.Limit:
			p.More, p.Next = true, p.Entries[len(p.Entries)-1].Path
		default:
			p.Entries = append(p.Entries, e)
		}
	}
	return p, c.err
}

func (c *fakeCluster) Members(context.Context) ([]member, error) { return c.members, c.err }

func (c *fakeCluster) Conflicts(_ context.Context, prefix string, limit int) ([]api.Conflict, error) {
	c.path = fmt.Sprintf("%s %d", prefix, limit)
	return c.conflicts, c.err
}

func (c *fakeCluster) Candidate(_ context.Context, path, uuid string) (value, error) {
	c.path = path + " " + uuid
	return c.value, c.err
}

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--no-such-flag"}, "unknown flag"},
		{[]string{"statsu"}, "did you mean kvs status?"},
		{[]string{"a.yaml", "b.yaml"}, "kvs start a.yaml"},
		{[]string{"start"}, "requires at least 1 arg"},
		{[]string{""}, "see kvs --help"},
		{[]string{"help", "nope"}, `no command "nope"`},
		{[]string{"help", "members", "nope"}, `no command "members nope"`},
		{[]string{"completion", "tcsh"}, "unknown command"},
		{[]string{"start", ".."}, "is a folder"},
		{[]string{"start", "/"}, "does not name a configuration"},
		{[]string{"./."}, "is a folder"},
		{[]string{"start", "n.yaml", "--timeout", "0s"}, "--timeout"},
		{[]string{"start", "n.yaml", "--timeout", "soon"}, "invalid argument"},
		{[]string{"stop"}, "use --all"},
		{[]string{"stop", "--all", "n"}, "--all takes no configurations"},
		{[]string{"stop", "nosuch"}, "no such configuration"},
		{[]string{"restart", "nosuch"}, "no such configuration"},
		{[]string{"restart", "--all", "--stop-timeout", "-1s"}, "--stop-timeout"},
		{[]string{"status", "-o", "xml"}, "want table or json"},
		{[]string{"logs"}, "whose log?"},
		{[]string{"logs", "-n", "-1"}, "--lines"},
		{[]string{"init"}, "--dir is missing"},
		{[]string{"init", "--dir", "x", "--nodes", "0"}, "--nodes 0"},
		{[]string{"init", "--dir", "x", "--base-port", "65535"}, "--base-port 65535"},
		{[]string{"init", "--dir", "x", "--cluster", "a\x01b"}, "cluster"},
		{[]string{"get"}, "accepts 1 arg"},
		{[]string{"get", "a//b"}, "empty segment"},
		{[]string{"get", "a", "-c", "strong"}, "use eventual, quorum or linearizable"},
		{[]string{"get", "a", "-o", "yaml"}, "want raw or json"},
		{[]string{"put", "a"}, "no value"},
		{[]string{"put", "a", "v", "--file", "f"}, "which one shall it be"},
		{[]string{"put", "a", "--file", "/no/such/file"}, "no such file"},
		{[]string{"put", "../a", "v"}, `segment ".."`},
		{[]string{"put", "a", "v", "--if-match", ""}, "--if-match is empty"},
		{[]string{"delete", "a", "--if-match", `""`}, "--if-match is empty"},
		{[]string{"put", "a", "v", "--idempotency-key", ""}, "--idempotency-key is empty"},
		{[]string{"put", "a", "v", "--ttl", ""}, "--ttl"},
		{[]string{"delete", "a", "--timeout", "0"}, "--timeout"},
		{[]string{"ls", "a", "--limit", "-1"}, "--limit"},
		{[]string{"ls", "a//"}, "empty segment"},
		{[]string{"members", "extra"}, "unknown command"},
		{[]string{"members", "remove"}, "accepts 1 arg"},
		{[]string{"members", "join"}, "requires at least 1 arg"},
		{[]string{"leave"}, "which node?"},
		{[]string{"leave", "-e", "a:1", "-e", "b:1"}, "which node?"},
		{[]string{"leave", "nosuch"}, "no such configuration"},
		{[]string{"conflicts", "a", "b"}, "at most 1 arg"},
		{[]string{"conflicts", "--limit", "0"}, "--limit"},
		{[]string{"conflicts", "a", "--uuid", "1"}, "--uuid"},
		{[]string{"conflicts", "--uuid", "1"}, "path"},
		{[]string{"version", "-o", "raw"}, "want text or json"},
	} {
		b := newBench(t)
		code := execute(b.app, c.args)
		require.EqualValues(t, exitUsage, code, "%v: %s", c.args, b.err)
		require.Contains(t, b.err.String(), c.want, "%v", c.args)
		require.Empty(t, b.out.String(), "%v", c.args)
		require.Empty(t, b.asked, "%v", c.args)
	}
}

func TestExitCodesAreListed(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"help", "exit-codes"}))
	seen := map[exitCode]bool{}
	for i, c := range exit.Meanings {
		require.False(t, seen[c.Code])
		seen[c.Code] = true
		require.Contains(t, b.out.String(), c.Meaning)
		require.True(t, i == 0 || exit.Meanings[i-1].Code < c.Code)
	}
	for _, c := range []exitCode{exitOK, exitFailed, exitUsage, exitNotRunning, exitNotFound, exitRefused, exitUnknown,
		exitUnavailable, exitInterrupted} {
		require.True(t, seen[c])
	}
	code, silent := codeOf(coded(exitNotRunning, nil))
	require.Equal(t, exitNotRunning, code)
	require.True(t, silent)
	code, silent = codeOf(fmt.Errorf("wrapped: %w", exit.With(exit.Refused, nil)))
	require.Equal(t, exitRefused, code)
	require.True(t, silent)
	code, silent = codeOf(errors.New("x"))
	require.Equal(t, exitFailed, code)
	require.False(t, silent)
}

func TestEveryCommandExplainsItself(t *testing.T) {
	b := newBench(t)
	root := newRoot(b.app)
	for _, c := range root.Commands() {
		require.NotEmpty(t, c.Short, c.Name())
		b.out.Reset()
		require.Zero(t, execute(b.app, []string{c.Name(), "--help"}), "%s: %s", c.Name(), b.err)
		require.NotEmpty(t, b.out.String())
	}
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{}))
	require.Contains(t, b.out.String(), "kvs init --nodes 3")
	require.Contains(t, b.out.String(), endpointDefault)
	require.Contains(t, b.out.String(), endpointsVariable)
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"help", "members", "join"}))
	require.Contains(t, b.out.String(), "HOST:PORT")
	require.Zero(t, execute(b.app, []string{"completion"}))
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		b.out.Reset()
		require.Zero(t, execute(b.app, []string{"completion", shell}))
		require.Contains(t, b.out.String(), "kvs")
	}
}

func TestVersion(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"version"}))
	require.Regexp(t, `^kvs \S+ \(go\S+, \w+/\w+\)\n$`, b.out.String())
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"version", "-o", "json"}))
	require.Contains(t, b.out.String(), `"platform"`)
}

func TestInit(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(b.dir, "c")
	require.Zero(t,
		execute(b.app, []string{"init", "--dir", dir, "--nodes", "7", "--base-port", "8100", "--cluster", "mine"}),
		b.err.String())
	require.Equal(t, 7, strings.Count(b.out.String(), "\n"))
	require.Contains(t, b.err.String(), "kvs start")
	c, created, err := config.Load(filepath.Join(dir, "node3.yaml"))
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, "node3", c.Name)
	require.Equal(t, "mine", c.Cluster)
	require.Equal(t, "127.0.0.1:8102", c.Listen)
	require.Equal(t, filepath.Join(dir, "data", "node3"), c.DataDir)
	require.Len(t, c.Seeds, initSeedsMax)
	for i := range 7 {
		c, _, err := config.Load(filepath.Join(dir, fmt.Sprintf("node%d.yaml", i+1)))
		require.NoError(t, err)
		require.Equal(t, 7, c.ExpectedMembers, "all expect the same cluster, also those that are no seeds")
	}

	mine := []byte("# mine\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "node2.yaml"), mine, 0o600))
	require.NoError(t, os.Remove(filepath.Join(dir, "node1.yaml")))
	require.EqualValues(t, exitUsage, execute(b.app, []string{"init", "--dir", dir}))
	require.Contains(t, b.err.String(), "node2.yaml exists")
	require.NoFileExists(t, filepath.Join(dir, "node1.yaml"), "a refusal writes nothing at all")
	got, err := os.ReadFile(filepath.Join(dir, "node2.yaml"))
	require.NoError(t, err)
	require.Equal(t, mine, got)
	require.Zero(t, execute(b.app, []string{"init", "--dir", dir, "--force"}))
	require.FileExists(t, filepath.Join(dir, "node1.yaml"))
}

func TestBadConfigurationIsToldBeforeAnythingStarts(t *testing.T) {
	b := newBench(t)
	good, bad := filepath.Join(b.dir, "good.yaml"), filepath.Join(b.dir, "bad.yaml")
	require.NoError(t, os.WriteFile(good, nil, 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("name: n\nlisten: nowhere\n"), 0o600))
	for _, args := range [][]string{{"start", good, bad}, {"restart", bad}, {bad}} {
		b.err.Reset()
		b.app.notify = func(chan<- os.Signal) func() { return func() {} }
		b.app.notifyNode = b.app.notify
		require.EqualValues(t, exitUsage, execute(b.app, args))
		require.Contains(t, b.err.String(), bad+":2: listen:")
	}
	require.NoDirExists(t, filepath.Join(b.dir, "home", "pids"))
}
