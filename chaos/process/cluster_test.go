package process

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
)

// started starts three nodes of a program that is not kvs, and returns what they are configured with.
func started(t *testing.T, o Options) (c *Cluster, configs, clocks []string) {
	t.Helper()
	o.Dir, o.Nodes, o.Rand = t.TempDir(), 3, rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	c, err := Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	for _, name := range []string{"n1", "n2", "n3"} {
		config, err := os.ReadFile(filepath.Join(o.Dir, name, name+".yaml"))
		require.NoError(t, err)
		clock, _ := os.ReadFile(filepath.Join(o.Dir, name, "clock"))
		configs, clocks = append(configs, string(config)), append(clocks, string(clock))
	}
	return c, configs, clocks
}

func TestNodesAreConfiguredAsAsked(t *testing.T) {
	_, configs, clocks := started(t, Options{Program: "cat"})
	for i, text := range configs {
		require.Equal(t, 3, strings.Count(text, "\n  - 127."), text)
		require.Contains(t, text, "expected_members: 3\n")
		require.Empty(t, clocks[i])
	}
	c, configs, clocks := started(t, Options{Program: "cat", Seeds: 1, Voters: 2, Clocks: true,
		Natural: []chaos.ClockError{{Offset: 5}, {Offset: -7}, {PPM: 3}}})
	for i, text := range configs {
		require.Contains(t, text, "seeds:\n  - "+c.relays.front[1].String()+"\ntest_clock_file", "n1 alone")
		require.Contains(t, text, "expected_members: 2\n")
		require.Regexp(t, []string{"^5 0 ", "^-7 0 ", "^0 3 "}[i], clocks[i])
	}
}

// A process that ends by itself is told of by Failures, also when it was crashed or started again afterwards, and by
// nobody else.
func TestEndsByThemselvesStayKnown(t *testing.T) {
	c, _, _ := started(t, Options{Program: "cat"}) // which ends at once.
	for _, m := range c.nodes[1:] {
		<-m.run.ended
	}
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{1}}))
	c.nodes[1].program, c.nodes[2].program, c.nodes[3].program = "tac", "tac", "tac"
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Recover}))
	for _, name := range []string{"n1", "n2", "n3"} {
		require.ErrorContains(t, c.Failures(), name+" ended by itself: exit status 0")
	}
}

// A node is stopped by SIGTERM, and its next start may be one of another program.
func TestUpgradeStartsAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755))
		return file
	}
	// A program serves until it is told to end. It waits for another one, not in a read: a signal that comes just
	// before a read is not noticed in it.
	never := filepath.Join(dir, "never")
	require.NoError(t, syscall.Mkfifo(never, 0o600))
	serves := func(word string, code int) string {
		return fmt.Sprintf("trap 'kill $!; exit %d' TERM; cat <%s & echo up %s; wait", code, never, word)
	}
	c, _, _ := started(t, Options{Program: script("old", serves("old", 0))})
	require.ErrorContains(t, c.Upgrade(2, "any"), "its process is still up")

	says := func(word string) {
		for deadline := time.Now().Add(time.Minute); ; {
			log, err := c.Log(2)
			require.NoError(t, err)
			if strings.Contains(log, word) {
				return
			}
			require.True(t, time.Now().Before(deadline), "the log has no %q: %s", word, log)
			runtime.Gosched()
		}
	}
	says("up old")
	require.NoError(t, c.Stop(2, time.Minute))
	require.ErrorContains(t, c.Stop(2, time.Minute), "it has no process")
	require.NoError(t, c.Upgrade(2, script("new", serves("new", 0))))
	says("up new")
	require.NoError(t, c.Stop(2, time.Minute))
	require.NoError(t, c.Failures())

	require.NoError(t, c.Upgrade(2, script("bad", serves("bad", 3))))
	says("up bad")
	require.ErrorContains(t, c.Stop(2, time.Minute), "it ended with 3")
}
