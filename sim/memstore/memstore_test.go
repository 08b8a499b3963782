package memstore_test

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/storetest"
	"kvs/sim/memstore"
)

// disk makes a store survive what storetest does to it.
type disk struct{ store *memstore.Store }

func newDisk(testing.TB) storetest.Disk { return &disk{store: memstore.New()} }

func (d *disk) Open(testing.TB) node.Store {
	d.store.Reopen()
	return d.store
}

func (d *disk) Crash(testing.TB)    {} // applied is durable.
func (d *disk) FailNext(testing.TB) { d.store.FailNext(errors.New("planted failure")) }

var _ node.Store = (*memstore.Store)(nil)

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Factory{New: newDisk, SingleThreaded: true})
}

func TestDifferentialWithItself(t *testing.T) {
	for seed := range uint64(3) {
		storetest.Differential(t, seed, newDisk(t), newDisk(t))
	}
}

func put(key, value string) node.Change { return node.Change{Key: key, Value: []byte(value)} }

func filled(t testing.TB, n int) *memstore.Store {
	s := memstore.New()
	for i := range n {
		require.NoError(t,
			s.Apply([]node.Change{put(fmt.Sprintf("r/%04d", i), fmt.Sprint("value ", i)),
				put("m/boot", fmt.Sprint(i))}))
	}
	return s
}

func TestFlipBit(t *testing.T) {
	s := filled(t, 50)
	require.NoError(t, s.Apply([]node.Change{put("r/empty", "")}))
	for seed := range uint64(20) {
		before := s.Clone()
		held := map[string][]byte{}
		require.NoError(t, s.Scan("", "", func(key string, value []byte) bool {
			held[key] = value
			return true
		}))
		key, ok := s.FlipBit(rand.New(rand.NewPCG(seed, 1)), "r/")
		require.True(t, ok)
		require.Contains(t, key, "r/")
		require.NotEqual(t, "r/empty", key)

		old, _, err := before.Get(key)
		require.NoError(t, err)
		rotten, _, err := s.Get(key)
		require.NoError(t, err)
		require.Len(t, rotten, len(old))
		differ := 0
		for i := range old {
			differ += bits.OnesCount8(old[i] ^ rotten[i])
		}
		require.Equal(t, 1, differ)
		require.Equal(t, old, held[key], "values handed out stay")
		require.NotEqual(t, before.Digest(""), s.Digest(""))
		require.Equal(t, before.Bytes(), s.Bytes())
	}
	_, ok := s.FlipBit(rand.New(rand.NewPCG(1, 1)), "nothing/")
	require.False(t, ok)
}

func TestFlipBitIsDrawnFromTheSeed(t *testing.T) {
	a, b := filled(t, 50), filled(t, 50)
	ra, rb := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(7, 7))
	for range 10 {
		keyA, _ := a.FlipBit(ra, "")
		keyB, _ := b.FlipBit(rb, "")
		require.Equal(t, keyA, keyB)
	}
	require.Equal(t, a.Digest(""), b.Digest(""))
}

func TestDigest(t *testing.T) {
	a, b := filled(t, 30), filled(t, 30)
	require.NoError(t, a.Apply([]node.Change{put("r/x", "1"), put("m/id", "a")}))
	require.NoError(t, b.Apply([]node.Change{put("m/id", "b"), put("r/x", "0")}))
	require.NoError(t, b.Apply([]node.Change{put("r/gone", "2"), put("r/x", "1")}))
	require.NotEqual(t, a.Digest("r/"), b.Digest("r/"))
	require.NoError(t, b.Apply([]node.Change{{Key: "r/gone"}}))
	require.Equal(t, a.Digest("r/"), b.Digest("r/"), "the same content, however it came about")
	require.NotEqual(t, a.Digest(""), b.Digest(""))

	c, d := memstore.New(), memstore.New()
	require.NoError(t, c.Apply([]node.Change{put("ab", "c")}))
	require.NoError(t, d.Apply([]node.Change{put("a", "bc")}))
	require.NotEqual(t, c.Digest(""), d.Digest(""), "where a key ends matters")

	e := memstore.New() // every byte of a value matters, wherever it stands.
	require.NoError(t, e.Apply([]node.Change{put("k", "a value of nineteen")}))
	seen := map[uint64]bool{e.Digest(""): true}
	for i := range len("a value of nineteen") {
		for bit := range 8 {
			changed := []byte("a value of nineteen")
			changed[i] ^= 1 << bit
			require.NoError(t, e.Apply([]node.Change{{Key: "k", Value: changed}}))
			require.False(t, seen[e.Digest("")], "bit %d of byte %d", bit, i)
			seen[e.Digest("")] = true
		}
	}
}

func TestWipeAndCounts(t *testing.T) {
	s := filled(t, 10)
	require.Equal(t, 11, s.Keys())
	require.Equal(t, 10*(len("r/0000")+len("value 0"))+len("m/boot")+1, s.Bytes())
	clone := s.Clone()
	s.Wipe()
	require.Zero(t, s.Keys())
	require.Zero(t, s.Bytes())
	require.Equal(t, memstore.New().Digest(""), s.Digest(""))
	require.Equal(t, 11, clone.Keys())
	require.NoError(t, clone.Apply([]node.Change{{Key: "m/boot"}}))
	require.Equal(t, 10, clone.Keys())
}

func TestGetAndScanDoNotAllocate(t *testing.T) {
	s := filled(t, 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _, _ = s.Get("r/0500") }))
	count := 0
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_ = s.Scan("r/", "r/0100", func(string, []byte) bool { count++; return true })
	}), 3.0, "the closures, whatever the number of keys")
}

func BenchmarkApply(b *testing.B) {
	s := filled(b, 1000)
	changes := []node.Change{put("r/0500", "a value of some size, as a record is")}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Apply(changes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := filled(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, found, err := s.Get("r/5000"); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}
