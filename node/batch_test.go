package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
)

// Many clients of one path at one member: the writes that wait go together in one round, each with a version and an
// answer of its own.
func TestWritesOfOnePathGoTogether(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "first", always).Code)
	b.run(100*time.Millisecond, nil)
	before := b.machine[0].node.Counters
	const writes = 120
	var ids []uint64
	for k := range writes {
		ids = append(ids, b.linear(0, contract.OpPut, "a", fmt.Sprint(k), always))
	}
	b.run(time.Second, func() bool { return len(b.machine[0].replies) >= writes+1 })
	after := b.machine[0].node.Counters
	require.EqualValues(t, 3, after.RoundAccepts-before.RoundAccepts, "the first one at once, then two batches")
	require.EqualValues(t, writes-3, after.RoundsCombined-before.RoundsCombined)
	require.EqualValues(t, 3, after.RoundsDirect-before.RoundsDirect)
	versions, highest, last := map[slot.Version]bool{}, slot.Version{}, ""
	for k, id := range ids {
		r := b.machine[0].replies[id]
		require.Equal(t, contract.CodeOK, r.Code, r.Detail)
		require.Equal(t, fmt.Sprint(k), string(r.Record.Value))
		versions[r.Record.Version()] = true
		if v := r.Record.Version(); v.Compare(highest) > 0 {
			highest, last = v, string(r.Record.Value)
		}
	}
	require.Len(t, versions, writes)
	require.Equal(t, last, string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value),
		"the highest version is the last")
	b.run(time.Minute, b.same)
	require.True(t, b.machine[0].node.register.Idle())
}

// Each operation of a batch is judged by what the one before it leaves behind: of those that create a path one does,
// and a chain of compare-and-sets cannot be followed by clients that have not seen its versions.
func TestABatchIsJudgedInTurn(t *testing.T) {
	b := founded(t, 3)
	absent := contract.Condition{Kind: contract.IfNoneMatch, Any: true}
	ids := []uint64{b.linear(0, contract.OpDelete, "a", "", always)} // it goes alone, and the others wait.
	for k := range 10 {
		ids = append(ids, b.linear(0, contract.OpPut, "a", fmt.Sprint(k), absent))
	}
	ids = append(ids, b.linear(0, contract.OpDelete, "a", "", always))
	ids = append(ids, b.linear(0, contract.OpPut, "a", "again", absent))
	b.run(time.Second, func() bool { return len(b.machine[0].replies) >= len(ids) })
	var codes []contract.Code
	for _, id := range ids[1:] {
		codes = append(codes, b.machine[0].replies[id].Code)
	}
	want := []contract.Code{contract.CodeCreated}
	for range 9 {
		want = append(want, contract.CodePrecondition)
	}
	require.Equal(t, append(want, contract.CodeOK, contract.CodeCreated), codes)
	require.Equal(t, "again", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
}

// When the round of a batch fails after it was sent, each operation in it finds out what became of it, by the record
// that carried it: here the batch had got in.
func TestABatchFindsOutThatItGotIn(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "first", always).Code)
	b.run(100*time.Millisecond, nil)
	ids := []uint64{b.linear(0, contract.OpPut, "a", "alone", always)}
	for k := range 5 {
		ids = append(ids, b.linear(0, contract.OpPut, "a", fmt.Sprint(k), always))
	}
	deaf := false
	b.lose = func(from string, s contract.Send) bool { return deaf && s.To == "n1" }
	b.run(time.Second, func() bool { return b.machine[0].node.Counters.RoundsCombined >= 4 })
	deaf = true // the batch is on its way, and nothing that the voters say to it arrives.
	b.run(20*time.Millisecond, nil)
	_, s, err := b.machine[1].node.CurrentSlot("a")
	require.NoError(t, err)
	require.Equal(t, "4", string(s.Consensus.Record.Value), "it got in")
	b.within(0, func(n *Node) { n.register.Restart() })
	deaf = false
	b.run(3*time.Second, func() bool { return len(b.machine[0].replies) >= len(ids)+1 })
	for k, id := range ids[1:] {
		require.Equal(t, contract.CodeOK, b.machine[0].replies[id].Code, b.machine[0].replies[id].Detail)
		require.Equal(t, fmt.Sprint(k), string(b.machine[0].replies[id].Record.Value))
	}
	require.Equal(t, "4", string(b.doLinear(2, contract.OpGet, "a", "", always).Record.Value))
	require.Zero(t, b.machine[0].node.Counters.RoundsUnknown)
}
