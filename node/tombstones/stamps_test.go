package tombstones

import (
	"encoding/hex"
	"os"
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
	m.List("a/b")
	require.Equal(t, schema.PrefixTombstone+"a/b", m.Changes[0].Key)
	want, err := os.ReadFile("testdata/stamps-v1.hex")
	require.NoError(t, err)
	require.Equal(t, string(want), hex.EncodeToString(change.Value)+"\n"+hex.EncodeToString(m.Changes[0].Value)+"\n",
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
