package integration_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A slow link holds records for as long as it says, and nothing is lost.
func TestDelay(t *testing.T) {
	const hold = 400 * time.Millisecond
	c := newCluster(t, 2)
	c.do("delay n1 -> n2 " + hold.String() + ".." + hold.String())
	begin := time.Now()
	c.put(1, "d/slow", "1")
	c.awaitValue(2, "d/slow", "1")
	require.GreaterOrEqual(t, time.Since(begin), hold)
	c.do("delay 20ms..80ms", "loss 5%")
	for _, value := range []string{"2", "3", "4"} {
		c.put(2, "d/both", value)
		c.awaitValue(1, "d/both", value)
	}
	c.do("heal")
	c.put(1, "d/healed", "5")
	c.awaitValue(2, "d/healed", "5")
}

// A node without its cable is dead to the others and to clients, keeps what it has, and is back when it is plugged in.
func TestDisconnectAndConnect(t *testing.T) {
	c := newCluster(t, 3)
	c.put(3, "c/mine", "1")
	c.awaitValue(1, "c/mine", "1")
	require.NoError(t, c.Disconnect(3))
	require.Error(t, c.door(3).Live(within(t, time.Second)))
	c.awaitAlive(1, 2)
	c.put(1, "c/meanwhile", "2")
	require.NoError(t, c.Connect(3))
	c.awaitAlive(3, 3)
	c.awaitAlive(1, 3)
	c.awaitValue(3, "c/meanwhile", "2")
	require.Equal(t, "1", c.get(3, "c/mine"))
}

// Five nodes lose two of them to a partition; then it moves, so that no node was with all others the whole time.
func TestFiveNodesAndAPartitionThatMoves(t *testing.T) {
	c := newCluster(t, 5)
	c.do("partition n1,n2 | n3,n4,n5")
	c.awaitAlive(1, 2)
	c.awaitAlive(3, 3)
	c.put(1, "m/small", "1")
	c.put(5, "m/large", "2")
	// an eventual write is acknowledged before anybody else has it: who is to carry it must have it first.
	c.awaitValue(2, "m/small", "1")
	c.awaitValue(3, "m/large", "2")
	c.do("partition n1,n3 | n2,n4,n5")
	c.awaitAlive(1, 2)
	c.awaitAlive(2, 3)
	c.awaitValue(4, "m/small", "1") // n2 brought it.
	c.awaitValue(1, "m/large", "2") // n3 brought it.
	c.do("heal")
	for i := range 5 {
		c.awaitAlive(i+1, 5)
		c.awaitValue(i+1, "m/small", "1")
		c.awaitValue(i+1, "m/large", "2")
	}
}
