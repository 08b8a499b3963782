package badgerstore

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"kvs/node"
)

// internal returns the keys of one kind.
func internal(s *Store, kind byte) []string {
	txn, it := s.iterator([]byte{kind})
	defer txn.Discard()
	defer it.Close()
	keys := []string{}
	for it.Rewind(); it.Valid(); it.Next() {
		keys = append(keys, string(it.Item().Key()))
	}
	return keys
}

func chunksOf(key string, count uint32) []string {
	keys := []string{}
	for i := range count {
		keys = append(keys, string(chunkKey(key, i)))
	}
	return keys
}

// Chunks go with the value they belong to, whatever replaces it, also after a restart and within one batch.
func TestNoChunkStaysBehind(t *testing.T) {
	value := func(chunks int) string { return strings.Repeat("x", chunks*chunkBytes) }
	dir := t.TempDir()
	s := openT(t, dir)
	want := func(count uint32) {
		t.Helper()
		require.Equal(t, chunksOf("k", count), internal(s, kindChunk))
		if count > 0 {
			require.Equal(t, []string{"lk"}, internal(s, kindLarge))
			require.Equal(t, map[string]uint32{"k": count}, s.writer.large)
		} else {
			require.Empty(t, internal(s, kindLarge))
			require.Empty(t, s.writer.large)
		}
	}
	for i, step := range []struct {
		changes []node.Change
		count   uint32
	}{
		{[]node.Change{put("k", value(5))}, 5},
		{[]node.Change{put("k", value(3))}, 3},
		{[]node.Change{put("k", value(4)), put("k", value(2))}, 2},
		{[]node.Change{put("k", value(2)+"x")}, 3},
		{[]node.Change{put("k", value(1))}, 0},
		{[]node.Change{put("k", value(2))}, 2},
		{[]node.Change{{Key: "k"}}, 0},
		{[]node.Change{put("k", value(6)), put("k", "small")}, 0},
		{[]node.Change{put("k", value(6)), {Key: "k"}}, 0},
		{[]node.Change{put("k", "small"), put("k", value(2))}, 2},
	} {
		require.NoError(t, s.Apply(step.changes), "step %d", i)
		want(step.count)
		require.NoError(t, s.Close())
		s = openT(t, dir)
		want(step.count)
	}
}

// Many batches hold many keys; what a batch needed to know of them is forgotten.
func TestBookkeepingIsBounded(t *testing.T) {
	s := openT(t, t.TempDir())
	changes := make([]node.Change, lastKeysMax+1)
	for i := range changes {
		changes[i] = put(fmt.Sprint(i), "v")
	}
	require.NoError(t, s.Apply(changes))
	require.Empty(t, s.writer.last)
	require.NoError(t, s.Apply(changes[:3]))
	require.Len(t, s.writer.last, 3)
}

func TestSplit(t *testing.T) {
	w := writer{bytesMax: 1000, countMax: 4}
	make := func(sizes ...int) (entries []entry) {
		for _, n := range sizes {
			entries = append(entries, entry{key: []byte("k"), value: []byte(strings.Repeat("x", n-entryOverhead-1))})
		}
		return entries
	}
	for _, test := range []struct {
		sizes []int
		want  []int
	}{
		{nil, []int{0}},
		{[]int{1000}, []int{1}},
		{[]int{1500}, []int{1}}, // alone, it is for Badger to say no.
		{[]int{500, 500}, []int{2}},
		{[]int{500, 501}, []int{1, 1}},
		{[]int{50, 50, 50, 50}, []int{4}},
		{[]int{50, 50, 50, 50, 50}, []int{4, 1}},
		{[]int{900, 50, 51, 900, 900, 100}, []int{2, 2, 2}},
	} {
		got := []int{}
		total := 0
		for _, group := range w.split(make(test.sizes...)) {
			got = append(got, len(group))
			total += len(group)
			_ = append(group, entry{key: []byte("intent")}) // must not reach into the next group.
		}
		require.Equal(t, test.want, got, "%v", test.sizes)
		require.Equal(t, len(test.sizes), total)
	}
}

// A large value whose parts do not fit together is an error, never a wrong value.
func TestDamagedLargeValue(t *testing.T) {
	for name, damage := range map[string][]entry{
		"chunk missing": {{key: chunkKey("k", 1)}},
		"chunk short":   {{key: chunkKey("k", 1), value: []byte("short")}},
		"head short":    {{key: dataKey("k"), value: []byte("123"), meta: metaHead}},
		"head absurd":   {{key: dataKey("k"), value: binary.BigEndian.AppendUint64(nil, 1<<60), meta: metaHead}},
		"head longer":   {{key: dataKey("k"), value: binary.BigEndian.AppendUint64(nil, 3*chunkBytes), meta: metaHead}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openT(t, t.TempDir())
			require.NoError(t, s.Apply([]node.Change{put("k", strings.Repeat("x", 2*chunkBytes))}))
			require.NoError(t, s.writer.commitAll([][]entry{damage}))
			s.durable.Store(s.writer.version)
			_, found, err := s.Get("k")
			require.ErrorIs(t, err, node.ErrCorrupt)
			require.False(t, found)
			require.ErrorIs(t, s.Scan("", "", func(string, []byte) bool { return true }), node.ErrCorrupt)
		})
	}
}

// Chunks and what goes with them fit a transaction of the smallest memtable, and stay below the value log.
func TestLimitsFitBadger(t *testing.T) {
	s := openT(t, t.TempDir())
	require.Equal(t, int64(memTableBytesMin), s.opts.MemTableBytes)
	require.Greater(t, s.writer.bytesMax, int64(chunkBytes+keyBytesMax+entryOverhead))
	require.Less(t, int64(chunkBytes), s.db.Opts().ValueThreshold)
	require.Equal(t, int64(1<<20), s.db.Opts().ValueThreshold)
	var b badger.Options = s.db.Opts()
	require.False(t, b.SyncWrites)
}
