package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/comparison"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
)

// indexFits compares the index on a machine's disk, and the digest, with its records.
func indexFits(t *testing.T, m *testMachine) {
	t.Helper()
	want := map[string]string{}
	require.NoError(t, m.store.Scan(schema.PrefixRecord, "", func(key string, value []byte) bool {
		path := strings.TrimPrefix(key, schema.PrefixRecord)
		if s, err := slot.Decode(path, value); err == nil && s.Exists() {
			want[comparison.IndexKey(path)] = string(slot.AppendVersion(nil, s.Version()))
		}
		return true
	}))
	got := map[string]string{}
	require.NoError(t, m.store.Scan(schema.PrefixIndex, "", func(key string, value []byte) bool {
		got[key] = string(value)
		return true
	}))
	require.Equal(t, want, got)
	fresh := comparison.New(&step.Shared{Store: m.store, Now: m.node.Now}, nil)
	require.NoError(t, fresh.Recover())
	require.Equal(t, fresh.Digest(), m.node.comparison.Digest(), "the tree in memory is that of the disk")
	require.Equal(t, len(want), m.node.comparison.Keys())
}

// Two members that hold the same have the same digest, whatever their way there; a restart does not change it.
func TestDigests(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	empty := b.machine[0].node.comparison.Digest()
	require.NotZero(t, empty)
	for i := range 50 {
		b.do(i%2, contract.OpPut, fmt.Sprintf("k/%d", i%20), fmt.Sprint(i))
	}
	b.do(0, contract.OpDelete, "k/3", "")
	b.run(time.Minute, b.same)
	b.run(time.Second, nil)
	for _, m := range b.machine {
		indexFits(t, m)
	}
	require.Equal(t, b.machine[0].node.comparison.Digest(), b.machine[1].node.comparison.Digest())
	require.NotEqual(t, empty, b.machine[0].node.comparison.Digest())
	digest := b.machine[0].node.comparison.Digest()
	b.crash(0)
	b.start(0)
	require.Equal(t, digest, b.machine[0].node.comparison.Digest())
}

// What differs is found by the digests in the pulses, within seconds, and only that is transferred.
func TestDifferenceIsFoundByDigest(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	for i := range 200 {
		b.do(0, contract.OpPut, fmt.Sprintf("k/%d", i), "v")
	}
	b.run(time.Minute, b.same)
	b.run(5*time.Minute, nil) // comparisons are rare by now.
	pulled := b.machine[1].node.Counters.SyncPulled
	for _, path := range []string{"k/17", "k/99"} { // as if a disk had lost them.
		key := comparison.IndexKey(path)
		require.NoError(t, b.machine[1].store.Apply([]contract.Change{{Key: schema.PrefixRecord + path}, {Key: key}}))
	}
	b.crash(1)
	b.start(1)
	b.run(15*time.Second, b.same)
	got := b.machine[1].node.Counters.SyncPulled - pulled + b.machine[0].node.Counters.SyncPushed
	require.LessOrEqual(t, got, uint64(6), "two paths, each perhaps from both sides")
	b.run(10*time.Second, nil)
	require.NotZero(t, b.machine[0].node.Status().Peers[0].LastEqual)
}

// Damage to the index, and rot in a record that nobody reads, are found in passing.
func TestScrub(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	for i := range 100 {
		b.do(0, contract.OpPut, fmt.Sprintf("k/%d", i), "v")
	}
	b.run(time.Minute, b.same)
	m := b.machine[0]
	key := comparison.IndexKey("k/5")
	m.put(key, make([]byte, 24))
	key = comparison.IndexKey("k/6")
	require.NoError(t, m.store.Apply([]contract.Change{{Key: key}}))
	rotten := append([]byte{}, m.get(schema.PrefixRecord+"k/7")...)
	rotten[45] ^= 1
	m.put(schema.PrefixRecord+"k/7", rotten)
	b.crash(0)
	b.start(0)
	b.run(time.Minute, func() bool {
		_, err := slot.Decode("k/7", m.get(schema.PrefixRecord+"k/7"))
		return err == nil
	})
	b.run(time.Minute, nil)
	require.GreaterOrEqual(t, m.node.Counters.ScrubRepairs, uint64(3))
	indexFits(t, m)
	indexFits(t, b.machine[1])
	require.Equal(t, m.node.comparison.Digest(), b.machine[1].node.comparison.Digest())
}
