package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// A consensus half of an epoch that this member does not know yet is left out of what it stores, and not only of what
// it reckons with.
func TestAHalfOfANewerEpochIsNotStored(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(5*time.Second, nil)
	n := b.machine[0].node
	ts := n.HLC.Last() + 1
	theirs := slot.Slot{TS: ts,
		Candidates: []slot.Candidate{{UUID: slot.UUID{1}, Origin: b.machine[1].node.Self, Value: []byte("eventual")}}}
	ballot := slot.Ballot{Epoch: n.Epoch() + 1, TS: ts + 2, Member: b.machine[1].node.Self}
	theirs.Consensus = &slot.Consensus{
		Promised: ballot, Ballot: ballot,
		Record: slot.Record{TS: ts + 1, UUID: slot.UUID{2}, Origin: b.machine[1].node.Self, Value: []byte("agreed")},
	}
	var eff contract.Effects
	n.Eff = &eff
	_, err := n.replication.Merge(n.Peers[0], "p", slot.Encode("p", &theirs))
	require.NoError(t, err)
	n.Eff = nil
	held, stored, err := n.CurrentSlot("p")
	require.NoError(t, err)
	require.NotNil(t, held.Record)
	require.Equal(t, []byte("eventual"), stored.Candidates[0].Value)
	require.False(t, stored.Consensus.Accepted(), "the configuration of its epoch is not known here")
}

// A restart forgets timestamps that others made. A promise stores a slot of theirs again: what this member writes later
// is above it.
func TestAPromiseIsBelowWhatIsWrittenLater(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(5*time.Second, nil)
	n, other := b.machine[0].node, b.machine[1].node
	high := n.HLC.Last() + slot.Timestamp(1<<40)
	theirs := slot.Slot{
		TS: high, Candidates: []slot.Candidate{{UUID: slot.UUID{1}, Origin: other.Self, Value: []byte("x")}}}
	require.NoError(t,
		b.machine[0].store.Apply([]contract.Change{{Key: schema.PrefixRecord + "p", Value: slot.Encode("p", &theirs)}}))
	require.Less(t, n.HLC.Last(), high)
	b.step(0, &contract.Frame{Data: other.Frame(wire.KindPrepare, &wire.Question{
		Round: 1, Epoch: n.Epoch(), Path: "p",
		Ballot: slot.Ballot{Epoch: n.Epoch(), TS: n.HLC.Last() + 1, Member: other.Self},
	})})
	require.GreaterOrEqual(t, n.HLC.Last(), high)
}
