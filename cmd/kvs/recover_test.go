package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two of three voters lose their disks. Nothing helps but a person: the survivor is made the only voter, has its data,
// and new members grow the cluster again.
func TestE2ERecover(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	e := s.endpoint(1)
	eventually(t, "the cluster is founded", func() bool {
		return s.run("put", "a", "kept", "-e", e, "-c", "linearizable").code == 0
	})
	eventually(t, "the survivor has it", func() bool { return s.run("get", "a", "-e", e).stdout == "kept" })

	r := s.run("recover", "node1", "--i-accept-data-loss")
	require.EqualValues(t, exitRefused, r.code)
	require.Contains(t, r.stderr, "in use", "it runs")
	s.ok("stop", "node1")
	r = s.run("recover", "node1", "--i-accept-data-loss")
	require.EqualValues(t, exitRefused, r.code)
	require.Contains(t, r.stderr, "as many voters as are needed are there, nothing is lost")

	lost, _ := s.statusOf("node2", "node3")
	for i, n := range lost {
		require.NoError(t, syscall.Kill(n.PID, syscall.SIGKILL))
		eventually(t, "it is gone", func() bool { return !alive(n.PID) })
		require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "data", []string{"node2", "node3"}[i])))
	}
	s.ok("start", "node1")
	require.NotZero(t, s.run("get", "a", "-e", e, "-c", "linearizable", "--timeout", "2s").code, "without a majority")
	s.ok("stop", "node1")

	shown := s.ok("recover", "node1")
	require.Contains(t, shown.stdout, "node2 (lost or stopped)")
	require.Contains(t, shown.stdout, "; 2 are needed\n  would make these the voters: node1\n")
	require.Contains(t, shown.stderr, "nothing was changed")
	require.EqualValues(t, exitUsage, s.run("recover", "node1", "node2", "--i-accept-data-loss").code, "one at a time")
	require.EqualValues(t, exitUsage, s.run("recover", "node1", "--voters", "nobody").code)
	require.Contains(t, s.run("recover", "node2").stderr, "has never run")
	done := s.ok("recover", "node1", "--i-accept-data-loss")
	require.Contains(t, done.stderr, "kvs members remove")

	s.ok("start", "--wait", "node1")
	voters := s.ok("voters", "-e", e)
	require.True(t, strings.HasSuffix(voters.stdout, ": node1\n"), voters.stdout)
	require.Contains(t, voters.stderr, "replaced by hand")
	require.Equal(t, "kept", s.ok("get", "a", "-e", e, "-c", "linearizable").stdout)
	s.ok("put", "a", "after", "-e", e, "-c", "linearizable")
	eventually(t, "the lost ones are known to be dead", func() bool {
		return s.stateAt(e, "node2") == "dead" && s.stateAt(e, "node3") == "dead"
	})
	s.ok("members", "remove", "node2", "-e", e)
	s.ok("members", "remove", "node3", "-e", e)

	s.ok("start", "--wait", "node2", "node3")
	eventually(t, "the new members vote", func() bool {
		return strings.HasSuffix(sorted(s.ok("voters", "-e", e).stdout), ": node1, node2, node3\n")
	})
	require.Equal(t, "after", s.ok("get", "a", "-e", s.endpoint(3), "-c", "linearizable").stdout)
	require.Contains(t, s.ok("voters", "-e", s.endpoint(2)).stderr, "replaced by hand", "whoever joins is told")
}
