package node

import (
	"testing"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/view"

	"github.com/stretchr/testify/require"
)

// An acknowledged write that lost to the conflict rule can be fetched, also after a later write and after a restart.
func TestLosersAreKept(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(2*time.Second, nil)
	collide(b, "a", 0, 1)
	b.cut = nil
	b.run(time.Minute, b.same)
	s := b.slot(0, "a")
	require.True(t, s.Conflict())
	b.do(0, contract.OpPut, "a", "a later write ends it")
	b.run(time.Minute, func() bool { return b.same() && b.shows(1, "a") == "a later write ends it" })
	for range 2 {
		for i, m := range b.machine {
			for _, c := range s.Candidates {
				r, found, err := view.New(m.store, m.electorate).Candidate("a", c.UUID)
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, s.TS, r.TS)
				require.Equal(t, c.Value, r.Value)
			}
			list := m.node.Conflicts("", 10)
			require.Len(t, list, 1)
			require.Equal(t, "a", list[0].Path)
			require.Equal(t, []int{5, 5}, list[0].Bytes)
			require.Equal(t, s.Votes, list[0].Slot.Votes)
			require.Equal(t, slot.RuleOldest, list[0].Decision.Rule)
			require.True(t, list[0].Decision.Final)
			b.crash(i)
			b.start(i)
		}
		b.run(10*time.Second, nil)
	}
	_, found, err := view.New(b.machine[0].store, b.machine[0].electorate).Candidate("a", slot.UUID{1})
	require.NoError(t, err)
	require.False(t, found)
}
