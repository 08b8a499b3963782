package register

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step/steptest"
)

// What a voter has promised to an operation of its own counts as long as that operation waits, also where it is the
// only voter: members that do not vote propose as well.
func TestOwnPromiseLasts(t *testing.T) {
	for _, voters := range [][]slot.ID{{1}, {1, 2, 3}} {
		b := steptest.New(t, 1, 2, 3)
		b.CaughtUp = 1
		b.Vote(1, voters...)
		m := New(b.Shared, &keeper{Bench: b})
		b.Step(func() { require.NoError(t, b.RecoverPromises()) })
		b.Sync()
		accept := func(ballot slot.Ballot) (said vote) {
			record := slot.Record{TS: ballot.TS, UUID: slot.UUID{1}}
			c := &slot.Consensus{Promised: ballot, Ballot: ballot, Record: record}
			b.Step(func() {
				v, ok := m.accept("a", c, 0)
				require.True(t, ok)
				said = v
			})
			b.Sync()
			return said
		}
		low, high := slot.Ballot{Epoch: 1, TS: 10, Member: 2}, slot.Ballot{Epoch: 1, TS: 20, Member: 1}
		b.Step(func() {
			v, ok := m.promise("a", high, true)
			require.True(t, ok && v.ok)
		})
		b.Sync()
		require.Equal(t, vote{promised: high}, accept(low))
		require.True(t, accept(high).ok)
	}
}

// A proposer whose own vote refused keeps the chosen record as a copy. Below what it has promised that counts for
// nothing.
func TestAChosenRecordBelowAPromiseIsWeak(t *testing.T) {
	b := steptest.New(t, 1, 2, 3)
	b.Vote(1, 1, 2, 3)
	m := New(b.Shared, &keeper{Bench: b})
	b.Step(func() { require.NoError(t, b.RecoverPromises()) })
	b.Sync()
	low, high := slot.Ballot{Epoch: 1, TS: 10, Member: 1}, slot.Ballot{Epoch: 1, TS: 20, Member: 2}
	b.Step(func() { b.PromiseUnstored("a", high) })
	for path, weak := range map[string]bool{"a": true, "b": false} {
		o := &operation{Attempt: Attempt{Request: &contract.Request{Path: path}, Ballot: low}}
		o.next = &slot.Consensus{Promised: low, Ballot: low, Record: slot.Record{TS: low.TS, UUID: slot.UUID{1}}}
		b.Step(func() { m.keepChosen(o) })
		_, held, err := b.CurrentSlot(path)
		require.NoError(t, err)
		require.Equal(t, weak, held.Consensus.Weak, path)
	}
}
