package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A slip makes no new node: kvs start e1/ndoe1.yaml wrote a configuration, started a cluster of one and ended with 0.
func TestNoConfigurationForASlip(t *testing.T) {
	for arg, says := range map[string]string{
		"e1/ndoe1.yaml":           "did you mean e1/node1.yaml?",
		"e1/ndoe1":                "did you mean e1/node1.yaml?",
		"e1/other.yaml":           "into the current folder only",
		"/nonexistdir/x.yaml":     "into the current folder only",
		"nowhere/node1.yaml":      "into the current folder only",
		"alhpa.yaml":              "did you mean alpha.yml?",
		"alpah":                   "did you mean alpha.yml?",
		"./alph.yaml":             "did you mean alpha.yml?",
		"e1":                      "is a folder",
		"../elsewhere/alpha.yaml": "into the current folder only",
		"e1/../e1/sub/node1.yaml": "into the current folder only",
	} {
		b := newBench(t)
		require.NoError(t, os.Mkdir(filepath.Join(b.dir, "e1"), 0o700))
		for _, file := range []string{"e1/node1.yaml", "e1/node2.yaml", "alpha.yml"} {
			require.NoError(t, os.WriteFile(filepath.Join(b.dir, file), nil, 0o600))
		}
		for _, args := range [][]string{{"start", arg}, {arg}} {
			if len(args) == 1 && filepath.Ext(arg) == "" && filepath.Base(arg) == arg {
				continue // taken for a command.
			}
			b.err.Reset()
			require.EqualValues(t, exitUsage, execute(b.app, args), "%v: %s", args, b.err.String())
			require.Contains(t, b.err.String(), says, "%v", args)
		}
		entries, err := os.ReadDir(filepath.Join(b.dir, "e1"))
		require.NoError(t, err)
		require.Len(t, entries, 2, "nothing was written")
		require.NoDirExists(t, filepath.Join(b.dir, "nowhere"))
		require.NoDirExists(t, filepath.Join(b.dir, "home", "pids"))
	}
	require.NoDirExists(t, "/nonexistdir")
}

// Names that differ in their numbers are no slips, and a new name is written with a word about it.
func TestANewConfigurationIsAnnounced(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	for _, arg := range []string{"node2", "node10.yaml", "./other.yaml"} {
		b.err.Reset()
		require.EqualValues(t, exitFailed, execute(b.app, []string{"start", arg})) // this bench launches nothing.
		require.Contains(t, b.err.String(), "NEW NODE: there was no configuration; wrote "+b.dir)
	}
}

// A command that does not exist is named, with what may have been meant; kvs gte a said "accepts at most 1 arg(s)".
func TestUnknownCommands(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"gte", "a"}, `there is no command "gte"; did you mean kvs get?`},
		{[]string{"gossip", "x"}, `there is no command "gossip"; see kvs --help`},
		{[]string{"gte"}, `did you mean kvs get?`},
		{[]string{"node1.yaml", "node2.yaml"}, "kvs start node1.yaml"},
		{[]string{"statsu", "node1", "node2"}, `did you mean kvs status?`},
	} {
		b := newBench(t)
		require.EqualValues(t, exitUsage, execute(b.app, c.args), "%v", c.args)
		require.Contains(t, b.err.String(), c.says, "%v", c.args)
	}
}

func TestVersionTwoWays(t *testing.T) {
	b := newBench(t)
	require.Zero(t, execute(b.app, []string{"version"}))
	command := b.out.String()
	b.out.Reset()
	require.Zero(t, execute(b.app, []string{"--version"}))
	require.Equal(t, command, b.out.String())
	require.Contains(t, command, "kvs ")
}
