package integration_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Both sides of a split cluster go on, and agree when it heals.
func TestSplitBrainAndHeal(t *testing.T) {
	c := newCluster(t, 3)
	c.put(1, "s/shared", "before")
	c.awaitValue(3, "s/shared", "before")

	c.do("partition n1 | n2,n3")
	c.awaitAlive(1, 1)
	c.awaitAlive(2, 2)
	c.put(1, "s/left", "l")
	c.put(2, "s/right", "r")
	c.put(1, "s/shared", "left")
	c.put(3, "s/shared", "right") // later, and with a higher timestamp: the machine's clock is one.
	c.awaitValue(3, "s/right", "r")
	c.awaitValue(2, "s/shared", "right")
	require.Empty(t, c.get(1, "s/right"), "nothing passes")
	require.Empty(t, c.get(2, "s/left"), "nothing passes")
	require.Equal(t, "left", c.get(1, "s/shared"))

	c.do("heal")
	for i := range 3 {
		c.awaitAlive(i+1, 3)
		c.awaitValue(i+1, "s/left", "l")
		c.awaitValue(i+1, "s/right", "r")
		c.awaitValue(i+1, "s/shared", "right")
	}
}

// A one-way cut keeps records from passing, for want of acknowledgements, but not for ever.
func TestOneWayCut(t *testing.T) {
	c := newCluster(t, 2)
	c.do("cut n1 -> n2")
	c.put(1, "w/a", "1")
	c.put(2, "w/b", "2")
	c.awaitAlive(2, 1)
	require.Empty(t, c.get(2, "w/a"))
	c.do("heal-cut")
	c.awaitValue(2, "w/a", "1")
	c.awaitValue(1, "w/b", "2")
}
