package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// move gives node i another port in its own configuration; the seeds of all, also its own, go on naming the old one.
func (s *site) move(i, port int) {
	s.t.Helper()
	path := filepath.Join(s.dir, fmt.Sprintf("node%d.yaml", i))
	text, err := os.ReadFile(path)
	require.NoError(s.t, err)
	lines := regexp.MustCompile(`(?m)^((?:listen|advertise): *"?127\.0\.0\.1:)[0-9]+`)
	require.NotEmpty(s.t, lines.FindAll(text, -1), "%s", text)
	require.NoError(s.t, os.WriteFile(path, lines.ReplaceAll(text, []byte("${1}"+strconv.Itoa(port))), 0o600))
}

func (s *site) stateAt(endpoint, name string) string {
	state := "unknown"
	for _, m := range s.members(endpoint) {
		if m.Name == name {
			state = m.State
		}
	}
	return state
}

// Members move to other ports while their seeds stay as they were: one after the other they find each other by the
// address book; all at once they need one word.
func TestE2EOtherPorts(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)
	s.ok("put", "a", "v", "-e", s.endpoint(1))
	eventually(t, "the cluster is founded", func() bool {
		return s.run("put", "agreed", "1", "-e", s.endpoint(1), "-c", "linearizable").code == 0
	})
	voters := s.ok("voters", "-e", s.endpoint(1)).stdout
	moved := freePorts(t, 6)
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("node%d", i)
		s.ok("stop", name)
		s.move(i, moved+i-1)
		s.ok("start", "--wait", name)
		s.awaitMembers(3)
	}

	s.ok("stop", "--all")
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", moved+3+i-1) }
	for i := 1; i <= 3; i++ {
		s.move(i, moved+3+i-1)
	}
	s.ok("start", "node1", "node2", "node3")
	for i := 2; i <= 3; i++ {
		s.ok("members", "join", at(1), "-e", at(i))
	}
	s.awaitMembers(3)
	eventually(t, "all have the value", func() bool {
		for i := 1; i <= 3; i++ {
			if s.run("get", "a", "-e", at(i)).stdout != "v" {
				return false
			}
		}
		return true
	})
	require.Len(t, s.members(at(1)), 3, "nobody twice")

	// Voters are who they are, wherever they are.
	for i := 1; i <= 3; i++ {
		require.Equal(t, fmt.Sprint(i), s.ok("get", "agreed", "-e", at(i), "-c", "linearizable").stdout)
		s.ok("put", "agreed", fmt.Sprint(i+1), "-e", at(i), "-c", "linearizable")
		eventually(t, "the voters are the same", func() bool { return s.ok("voters", "-e", at(i)).stdout == voters })
	}
}

// A node leaves, one dies and is removed; neither comes back as what it was, and each may join again with an empty
// folder.
func TestE2ELeaveAndRemove(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	s.awaitMembers(3)
	e := s.endpoint(1)
	eventually(t, "all vote", func() bool { return strings.Count(s.ok("voters", "-e", e).stdout, "node") == 3 })
	s.ok("put", "a", "from node3", "-e", s.endpoint(3))
	require.Equal(t, "node3 has left the cluster and ended\n", s.ok("leave", "node3").stdout)
	require.Equal(t, "left", s.stateAt(e, "node3"))
	require.Equal(t, "from node3", s.ok("get", "a", "-e", e, "-c", "quorum").stdout)
	require.NotContains(t, s.ok("voters", "-e", e).stdout, "node3")
	eventually(t, "its process has ended", func() bool { _, r := s.statusOf("node3"); return r.code != 0 })

	r := s.run("start", "node3")
	require.EqualValues(t, exitFailed, r.code, "it is no member any more")
	require.Contains(t, r.stderr, "left the cluster for good")
	nodes, _ := s.statusOf("node3")
	require.False(t, nodes[0].Ready)
	require.Contains(t, strings.Join(nodes[0].Reasons, " "), "left the cluster for good")
	s.ok("stop", "node3")
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "data", "node3")))
	s.ok("start", "--wait", "node3")
	s.awaitMembers(3)
	eventually(t, "the new one votes, and nothing rests on the former voters", func() bool {
		for i := 1; i <= 3; i++ {
			if text := s.ok("voters", "-e", s.endpoint(i), "-o", "json").stdout; strings.Count(text, `"node`) != 3 ||
				!strings.Contains(text, `"caught_up": true`) {
				return false
			}
		}
		return true
	})

	nodes, _ = s.statusOf("node2")
	require.NotZero(t, s.run("members", "remove", "node2", "-e", e).code, "it is alive")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGKILL))
	eventually(t, "it is dead", func() bool { return s.stateAt(e, "node2") == "dead" })
	require.Contains(t, s.ok("members", "remove", "node2", "-e", e).stdout, "is removed")
	eventually(t, "node3 knows", func() bool { return s.stateAt(s.endpoint(3), "node2") == "removed" })
	eventually(t, "its vote is gone", func() bool { return !strings.Contains(s.ok("voters", "-e", e).stdout, "node2") })

	s.run("start", "node2") // it may be told so soon that the start fails.
	eventually(t, "it is told", func() bool {
		nodes, _ := s.statusOf("node2")
		return len(nodes) == 1 && !nodes[0].Ready &&
			strings.Contains(strings.Join(nodes[0].Reasons, " "), "this member was removed on")
	})
	require.Equal(t, "removed", s.stateAt(e, "node2"))
}
