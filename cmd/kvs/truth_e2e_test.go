package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// With two of three nodes stopped the first look tells the truth: who is missing, what does not work, and what to do.
func TestE2ELostMajority(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)
	eventually(t, "the cluster is founded, with three voters", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == 3
	})
	s.ok("put", "a", "v", "-e", s.endpoint(1), "-c", "linearizable")
	s.ok("stop", "node2", "node3")
	r := s.run("status", "node1") // at once: node1 may take them for alive still.
	require.Regexp(t, `(?m)^node1 +running .* 1/3 alive `, r.stdout)
	require.Contains(t, r.stderr, "MAJORITY LOST: node1 reaches 1 of 3 voters")
	r = s.run("status")
	require.EqualValues(t, exitFailed, r.code)
	require.Regexp(t, `(?m)^node1 +running .* 1/3 alive `, r.stdout)
	require.Regexp(t, `(?m)^node2 +unreachable +- +`+s.endpoint(2), r.stdout)
	require.Regexp(t, `(?m)^node3 +unreachable +- +`+s.endpoint(3), r.stdout)
	require.Contains(t, r.stderr, "MAJORITY LOST: node1 reaches 1 of 3 voters")
	require.Contains(t, r.stderr, "missing: node2, node3")
	require.Contains(t, r.stderr, "kvs recover")
	require.Zero(t, s.run("status", "node1").code, "the node that was asked for runs")
	eventually(t, "they are dead to node1 too", func() bool {
		nodes, _ := s.statusOf("node1")
		return nodes[0].VotersAlive == 1
	})

	all := strings.Join([]string{s.endpoint(1), s.endpoint(2), s.endpoint(3)}, ",")
	r = s.run("get", "a", "-c", "linearizable", "-e", all, "--timeout", "20s")
	require.EqualValues(t, exitUnavailable, r.code)
	require.Contains(t, r.stderr, "no_quorum", "not that the last endpoint refused the connection")

	s.ok("start", "--wait", "node2")
	eventually(t, "a majority is enough", func() bool { return s.run("status").code == int(exitNotRunning) })
	s.ok("start", "--wait", "node3")
	eventually(t, "all is well", func() bool { return s.run("status").code == 0 })
}

// kvs leave returns when the process is gone, and a node that has left is not started as if nothing had happened.
func TestE2ELeaveEndsTheProcess(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)
	var pid int
	eventually(t, "the cluster is founded", func() bool {
		nodes, _ := s.statusOf("node3")
		pid = nodes[0].PID
		return nodes[0].VotersAlive == 3
	})
	r := s.ok("leave", "node3")
	require.Contains(t, r.stdout, "node3 has left the cluster and ended")
	require.False(t, alive(pid))
	require.Len(t, s.filesIn("pids"), 2)

	r = s.run("start", "node3")
	require.EqualValues(t, exitFailed, r.code, r.stdout)
	require.Contains(t, r.stderr, "is no longer a member of its cluster")

	// Somebody removes the folder of a node that runs: the process ends within its shutdown_timeout.
	nodes, _ := s.statusOf("node3")
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "data", "node3")))
	begin := time.Now()
	s.run("stop", "node3")
	require.False(t, alive(nodes[0].PID))
	require.Less(t, time.Since(begin), time.Minute, "it retried for ever")
}
