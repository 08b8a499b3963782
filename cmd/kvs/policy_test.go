package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

func TestPolicy(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"policy"}))
	require.Contains(t, b.out.String(), "no strong prefixes")
	b.cluster.policy = api.Policy{Epoch: 7, StrongPrefixes: []string{"a/", "b/"}, Note: "heed this"}
	for _, step := range []struct{ args, want string }{
		{"policy", "a/\nb/\n"},
		{"policy strong add c", "a/\nb/\nc/\n"},
		{"policy strong remove a/ c", "b/\n"},
		{"policy strong add /", "b/\n/\n"},
	} {
		b.out.Reset()
		require.Zero(t, execute(b.app, strings.Fields(step.args)), b.err.String())
		require.Equal(t, step.want, b.out.String(), step.args)
		require.Contains(t, b.err.String(), "heed this")
	}
	require.EqualValues(t, 10, b.cluster.policy.Epoch, "each change is one of what was seen")
	require.EqualValues(t, exitUsage, execute(b.app, []string{"policy", "strong", "add", "a//b"}))
	require.EqualValues(t, exitUsage, execute(b.app, []string{"policy", "strong", "add"}))
}

// The cluster agrees on a strong prefix: plain writes below it are linearizable at every member, one that was down
// included, and a minority refuses them.
func TestE2EPolicy(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	e := s.endpoint(1)
	eventually(t, "the cluster is founded", func() bool {
		return s.run("put", "orders/1", "x", "-e", e, "-c", "linearizable").code == 0
	})
	level := func(path, endpoint string) string {
		out := s.ok("put", path, "v", "-e", endpoint, "-o", "json").stdout
		_, rest, _ := strings.Cut(out, `"consistency": "`)
		level, _, _ := strings.Cut(rest, `"`)
		return level
	}
	require.Equal(t, "eventual", level("orders/2", e))
	eventually(t, "it is agreed on", func() bool {
		r := s.run("policy", "strong", "add", "orders", "-e", e)
		return r.code == 0 && r.stderr == ""
	})
	for i := 1; i <= 3; i++ {
		require.Equal(t, "orders/\n", s.ok("policy", "-e", s.endpoint(i)).stdout, "answered when all go by it")
		require.Equal(t, "linearizable", level("orders/2", s.endpoint(i)))
		require.Equal(t, "eventual", level("ordersnot/2", s.endpoint(i)))
	}
	nodes, _ := s.statusOf("node2", "node3")
	for _, n := range nodes {
		require.NoError(t, syscall.Kill(n.PID, syscall.SIGKILL))
		eventually(t, "it is gone", func() bool { return !alive(n.PID) })
	}
	require.NotZero(t, s.run("put", "orders/3", "v", "-e", e, "--timeout", "3s").code, "a minority")
	require.Equal(t, "eventual", level("elsewhere", e), "which takes all else")
	s.ok("start", "--wait", "node2")
	r := s.run("policy", "strong", "remove", "orders", "-e", e)
	eventually(t, "it is taken back, without node3", func() bool {
		r = s.run("policy", "strong", "remove", "orders", "-e", e)
		return r.code == 0
	})
	require.Equal(t, "eventual", level("orders/3", s.endpoint(2)))
	s.ok("start", "--wait", "node3")
	eventually(t, "it is told", func() bool {
		return strings.HasPrefix(s.ok("policy", "-e", s.endpoint(3)).stdout, "no strong prefixes")
	})
}
