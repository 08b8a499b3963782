package integration_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/node"
)

const older = 2000 // values that are there before the newcomer.

// A fourth node joins under load: it gets everything that was there, what is written meanwhile, and what is written
// later.
func TestFourthNodeJoins(t *testing.T) {
	c := newClusterWith(t, docker.Options{Nodes: 4, Idle: 1})
	doors := []int{1, 2, 3}
	for i := range older {
		_, err := c.door(doors[i%3]).Put(t.Context(), fmt.Sprintf("old/%04d", i), node.Eventual, []byte("old"),
			"text/plain")
		require.NoError(t, err)
	}
	l := c.startLoadAt(doors...)
	c.awaitProgress(l)
	c.do("restart n4")
	c.awaitProgress(l)
	for i := range 4 {
		c.awaitAlive(i+1, 4)
	}
	c.awaitProgress(l)
	c.requireConverged(l)
	require.Len(t, c.listing(4, "old/"), older)
	require.Equal(t, "old", c.get(4, "old/0000"))

	// It is a member like the others: it takes writes, and goes on with one other of them.
	c.put(4, "old/new", "by n4")
	c.do("crash n1,n2")
	c.put(4, "old/newer", "by n4")
	c.awaitValue(3, "old/newer", "by n4")
	c.do("recover")
	c.awaitValue(1, "old/newer", "by n4")
	c.awaitValue(2, "old/new", "by n4")
}
