package comparison

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// A new path needs no read of its entry, unless the index has entries of former runs, of which one may have lost its
// slot: the tree counts that one, and has to get rid of it.
func TestNewPathsNeedNoRead(t *testing.T) {
	version := func(ts slot.Timestamp) *slot.Stored {
		stored := slot.Store("a", new(slot.Of(&slot.Record{TS: ts, UUID: slot.UUID{byte(ts)}})), nil)
		return &stored
	}
	for _, former := range []*slot.Stored{nil, version(7)} {
		s := &keyStore{values: map[string][]byte{}}
		if former != nil {
			s.values[IndexKey("a")] = slot.AppendVersion(nil, former.Version)
			s.keys = []string{IndexKey("a")}
		}
		m := New(&step.Shared{Store: s, Tuning: contract.DefaultTuning()}, nil)
		require.NoError(t, m.Recover())
		require.True(t, m.Wrote("a", version(8), true))
		require.Equal(t, former != nil, s.bytes > 0, "read")
		require.Len(t, m.Changes, 1)
		m.BecameDurable(m.NextPersist())
		require.Equal(t, 1, m.Keys())

		s.values[IndexKey("a")], s.keys = m.Changes[0].Value, []string{IndexKey("a")}
		again := New(&step.Shared{Store: s, Tuning: contract.DefaultTuning()}, nil)
		require.NoError(t, again.Recover())
		require.Equal(t, again.Digest(), m.Digest(), "the tree is that of the index")
	}
}
