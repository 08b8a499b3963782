package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

// sorted puts the names of one line of `kvs voters` in order: they come by ID.
func sorted(line string) string {
	head, names, _ := strings.Cut(strings.TrimSpace(line), ": ")
	list := strings.Split(names, ", ")
	slices.Sort(list)
	return head + ": " + strings.Join(list, ", ") + "\n"
}

func (s *site) members(endpoint string) (all []member) {
	s.t.Helper()
	require.NoError(s.t, json.Unmarshal([]byte(s.ok("members", "-e", endpoint, "-o", "json").stdout), &all))
	return all
}

func TestVoters(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"voters"}))
	require.Contains(t, b.out.String(), "not founded yet")
	b.out.Reset()
	id := node.ID(7).String()
	b.cluster.voters = api.Voters{Epoch: 3, Voters: []api.Voter{
		{ID: id, Name: "a", State: "alive"}, {ID: id}, {ID: id, Name: "c", State: "dead"}}, Note: "heed this"}
	b.cluster.members = []member{{Name: "a", ID: id}, {Name: "twin", ID: id}, {Name: "twin", ID: id}}
	require.Zero(t, execute(b.app, []string{"voters"}))
	require.Equal(t, "epoch 3: a, "+id+" (gone), c (dead)\n", b.out.String())
	for args, want := range map[string]string{
		"promote a": id + " true", "demote a": id + " false", "demote " + id: id + " false"} {
		b.err.Reset()
		require.Zero(t, execute(b.app, append([]string{"members"}, strings.Fields(args)...)), b.err.String())
		require.Equal(t, want, b.cluster.path)
		require.Contains(t, b.err.String(), "heed this")
	}
	for _, name := range []string{"nobody", "twin"} {
		require.EqualValues(t, exitUsage, execute(b.app, []string{"members", "demote", name}))
	}
}

// A voter loses its disk: it comes back as a new member and becomes a voter by itself; its former self is demoted by
// hand.
func TestE2EVoterIsReplaced(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	e := s.endpoint(1)
	eventually(t, "the cluster is founded", func() bool {
		return s.run("put", "a", "precious", "-e", e, "-c", "linearizable").code == 0
	})
	require.Equal(t, "epoch 1: node1, node2, node3\n", sorted(s.ok("voters", "-e", e).stdout))
	nodes, _ := s.statusOf("node3")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGKILL))
	eventually(t, "it is gone", func() bool { return !alive(nodes[0].PID) })
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, "data", "node3")))
	s.ok("start", "--wait", "node3")
	eventually(t, "the newcomer votes", func() bool {
		return strings.Count(s.ok("voters", "-e", e).stdout, "node") == 4
	})
	old := ""
	eventually(t, "the old one is known to be dead", func() bool {
		for _, m := range s.members(e) {
			if m.Name == "node3" && m.State == "dead" {
				old = m.ID
			}
		}
		return old != ""
	})
	eventually(t, "it is demoted", func() bool { return s.run("members", "demote", old, "-e", e).code == 0 })
	require.Equal(t, "epoch 3: node1, node2, node3\n", sorted(s.ok("voters", "-e", e).stdout))
	require.Equal(t, "precious", s.ok("get", "a", "-e", s.endpoint(3), "-c", "linearizable").stdout)
}
