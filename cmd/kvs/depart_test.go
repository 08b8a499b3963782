package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRemoveMember(t *testing.T) {
	b := newBench(t)
	b.cluster.members = []member{{Name: "node1", ID: "00000000000000aa"}, {Name: "node3", ID: "00000000000000cc"}, {Name: "node3", ID: "00000000000000dd"}}
	require.Zero(t, execute(b.app, []string{"members", "remove", "node1"}))
	require.Equal(t, "remove 00000000000000aa false", b.cluster.path)
	require.Equal(t, "node3 (00000000000000aa) is removed\n", b.out.String())
	require.Zero(t, execute(b.app, []string{"members", "remove", "00000000000000dd", "--force"}))
	require.Equal(t, "remove 00000000000000dd true", b.cluster.path)
	require.EqualValues(t, exitUsage, execute(b.app, []string{"members", "remove", "node3"}), "two have this name")
	require.EqualValues(t, exitUsage, execute(b.app, []string{"members", "remove", "node4"}))
}

func TestLeaveCommand(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"leave", "-e", "a:1", "--force"}), b.err.String())
	require.Equal(t, "leave true", b.cluster.path)
	require.Equal(t, "node1 has left the cluster and stops\n", b.out.String())
	b.cluster.err = &exitError{exitUnavailable, errors.New("no")}
	require.EqualValues(t, exitUnavailable, execute(b.app, []string{"leave", "-e", "a:1"}))
}

func TestJoinMembers(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"members", "join", "a:1", "b:2"}), b.err.String())
	require.Equal(t, "join [a:1 b:2]", b.cluster.path)
}
