package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRemoveMember(t *testing.T) {
	b := newBench(t)
	b.cluster.members = []member{{Name: "node1", ID: "00000000000000aa"},
		{Name: "node3", State: "alive", ID: "00000000000000cc"},
		{Name: "node3", State: "dead", ID: "00000000000000dd"},
		{Name: "node3", State: "removed", ID: "00000000000000ee"},
		{Name: "node1", State: "left", ID: "00000000000000ab"},
		{Name: "node5", State: "left", ID: "00000000000000ba"}}
	require.Zero(t, execute(b.app, []string{"members", "remove", "node1"}))
	require.Equal(t, "remove 00000000000000aa false", b.cluster.path)
	require.Equal(t, "node3 (00000000000000aa) is removed\n", b.out.String())
	require.Zero(t, execute(b.app, []string{"members", "remove", "00000000000000dd", "--force"}))
	require.Equal(t, "remove 00000000000000dd true", b.cluster.path)
	require.EqualValues(t, exitUsage, execute(b.app, []string{"members", "remove", "node3"}), "two have this name")
	require.Contains(t, b.err.String(), "00000000000000cc (alive), 00000000000000dd (dead)\n",
		"those that are gone for good are no matter")
	require.Zero(t, execute(b.app, []string{"members", "demote", "node5"}), b.err.String())
	require.Equal(t, "00000000000000ba false", b.cluster.path)
	require.EqualValues(t, exitUsage, execute(b.app, []string{"members", "remove", "node4"}))
}

func TestLeaveCommand(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"leave", "-e", "a:1", "--force"}), b.err.String())
	require.Equal(t, "leave true", b.cluster.path)
	require.Equal(t, "node1 has left the cluster and ended\n", b.out.String())
	b.cluster.err = coded(exitUnavailable, errors.New("no"))
	require.EqualValues(t, exitUnavailable, execute(b.app, []string{"leave", "-e", "a:1"}))
}

func TestJoinMembers(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"members", "join", "a:1", "b:2"}), b.err.String())
	require.Equal(t, "join [a:1 b:2]", b.cluster.path)
}
