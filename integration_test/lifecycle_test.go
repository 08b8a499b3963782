package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// One node keeps its data through a graceful stop, a kill, and a kill while it was paused.
func TestLifecycle(t *testing.T) {
	c := newCluster(t, 1)
	c.put(1, "a/b", "one")

	require.NoError(t, c.Stop(1), "it ends with 0 when asked to")
	require.Error(t, c.door(1).Live(within(t, time.Second)))
	c.do("restart n1")
	c.awaitAlive(1, 1)
	require.Equal(t, "one", c.get(1, "a/b"))

	c.put(1, "a/b", "two")
	c.do("crash n1", "restart n1")
	c.awaitAlive(1, 1)
	require.Equal(t, "two", c.get(1, "a/b"))

	c.do("pause n1")
	require.Error(t, c.door(1).Live(within(t, time.Second)), "a paused node answers nobody")
	c.do("resume n1")
	c.awaitAlive(1, 1)

	c.do("pause n1", "crash n1", "recover")
	c.awaitAlive(1, 1)
	require.Equal(t, "two", c.get(1, "a/b"))
}

// Writes reach the other members, and a member that was away catches up.
func TestReplication(t *testing.T) {
	c := newCluster(t, 3)
	c.put(1, "r/one", "1")
	c.awaitValue(2, "r/one", "1")
	c.awaitValue(3, "r/one", "1")

	c.do("crash n3")
	c.awaitAlive(1, 2)
	c.put(2, "r/two", "2")
	_, err := c.door(1).Delete(t.Context(), "r/one", node.Eventual)
	require.NoError(t, err)
	c.do("restart n3")
	c.awaitValue(3, "r/two", "2")
	c.awaitValue(3, "r/one", "")

	// A third of all packets is lost; what is written arrives all the same.
	c.do("loss 30%")
	c.put(3, "r/three", "3")
	c.awaitValue(1, "r/three", "3")
	c.awaitValue(2, "r/three", "3")
	c.do("heal")
	for i := range 3 {
		c.awaitAlive(i+1, 3)
	}
}
