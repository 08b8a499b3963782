package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/wire"
)

// The word of another member counts only on a stream that is that member's.
func TestFramesInTheNameOfAnotherAreRefused(t *testing.T) {
	b := newBench(t, 3)
	b.run(10*time.Second, func() bool { return b.members(3) })
	b.do(0, contract.OpPut, "a", "v")
	b.run(10*time.Second, nil)
	second := b.machine[1].node
	frame := func() []byte {
		return second.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: 1})
	}
	before := b.machine[0].node.Counters.FramesForeign
	b.step(0, &contract.Frame{Data: frame(), By: "n3"})
	require.Equal(t, before+1, b.machine[0].node.Counters.FramesForeign)
	b.step(0, &contract.Frame{Data: frame(), By: "n2"})
	b.step(0, &contract.Frame{Data: frame()})
	c := b.machine[0].node.Counters
	require.Equal(t, before+1, c.FramesForeign)
	require.Zero(t, c.FramesBad)
	require.Contains(t, b.machine[0].logs[len(b.machine[0].logs)-1].Msg, "in the name of another")

	// In its own name as well.
	own := b.machine[0].node.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: 1})
	b.step(0, &contract.Frame{Data: own, By: "n3"})
	require.Equal(t, before+2, b.machine[0].node.Counters.FramesForeign)
}
