package tombstones

import (
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// one is a store that holds one record.
type one contract.Change

func (o one) Get(key string) ([]byte, bool, error) { return o.Value, key == o.Key, nil }

func (o one) Scan(string, string, func(string, []byte) bool) error { return nil }

// The stored forms are what they were: see testdata.
func TestStampsGolden(t *testing.T) {
	m := New(&step.Shared{}, nil)
	floors := []wire.Floor{{Member: 5, Stamp: 9}, {Member: 6, Stamp: 1 << wire.StampCountBits}}
	m.stamps = stamps{fence: 77, generation: 3, floors: floors}
	change := m.stampsChange()
	m.List("a/b", nil)
	require.Equal(t, schema.PrefixTombstone+"a/b", m.Changes[0].Key)
	require.Equal(t, sample(t, "testdata/stamps-v1.hex")[0], change.Value,
		"stores of former versions would not be understood")

	again := New(&step.Shared{Store: one(change)}, nil)
	require.NoError(t, again.Recover())
	require.Equal(t, m.stamps, again.stamps)
	require.Equal(t, slot.Timestamp(77), again.HLC.Last(), "the clock stays above the fence")
	for i := range change.Value {
		again := New(&step.Shared{Store: one{Key: schema.KeyStamps, Value: change.Value[:i]}}, nil)
		require.ErrorIs(t, again.Recover(), codec.ErrCorrupt, "cut to %d", i)
	}
}

// sample reads a file of hexadecimal lines.
func sample(t *testing.T, name string) (lines [][]byte) {
	all, err := os.ReadFile(name)
	require.NoError(t, err)
	for line := range strings.Lines(string(all)) {
		b, err := hex.DecodeString(strings.TrimSpace(line))
		require.NoError(t, err)
		lines = append(lines, b)
	}
	return lines
}

// An entry of the list has the generation and a copy of the tombstone. One of the first format has no copy: it is
// collected as ever, and what rots there is lost.
func TestListGolden(t *testing.T) {
	tombstone := slot.Of(&slot.Record{TS: 7, UUID: slot.UUID{2}, Origin: 1, Tombstone: true})
	m := New(&step.Shared{}, nil)
	m.stamps.generation = 3
	m.List("a/b", slot.Encode("a/b", &tombstone))
	m.List("p", nil)
	first := sample(t, "testdata/stamps-v1.hex")[1]
	want := sample(t, "testdata/list-v2.hex")
	require.Equal(t, want[0], m.Changes[0].Value, "stores of former versions would not be understood")
	require.Equal(t, want[1], m.Changes[1].Value, "a mere promise")

	for _, value := range append(want, first) {
		m.stamps.generation = 3 + graceParts
		require.False(t, m.ripe(value))
		m.stamps.generation++
		require.True(t, m.ripe(value))
	}
	left := func(value []byte) slot.Slot {
		again := New(&step.Shared{Store: one{Key: schema.PrefixTombstone + "a/b", Value: value}}, nil)
		return again.Left("a/b")
	}
	whole := left(want[0])
	require.Equal(t, tombstone.Candidates, whole.Candidates)
	require.True(t, whole.Consensus.Blind)
	damaged := append(slices.Clone(want[0][:9]), want[0][10:]...)
	for _, value := range [][]byte{first, want[1], nil, want[0][:20], damaged} {
		lost := left(value)
		require.False(t, lost.Exists())
		require.True(t, lost.Consensus.Blind)
	}
}
