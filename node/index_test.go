package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// indexFits compares the index on a machine's disk, and the digest, with its records.
func indexFits(t *testing.T, m *machine) {
	t.Helper()
	want := map[string]string{}
	for k, v := range m.store.m {
		if path, ok := strings.CutPrefix(k, prefixRecord); ok {
			if s, err := DecodeSlot(path, v); err == nil && s.Exists() {
				key, _, _ := indexKey(path)
				want[key] = string(appendVersion(nil, s.version()))
			}
		}
	}
	got := map[string]string{}
	for k, v := range m.store.m {
		if strings.HasPrefix(k, prefixIndex) {
			got[k] = string(v)
		}
	}
	require.Equal(t, want, got)
	fresh := &Node{store: m.store, now: m.node.now}
	require.NoError(t, fresh.recoverIndex())
	require.Equal(t, fresh.digest, m.node.digest, "the tree in memory is that of the disk")
	require.Equal(t, len(want), m.node.index.keys)
}

// Two members that hold the same have the same digest, whatever their way there; a restart does not change it.
func TestDigests(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	empty := b.machine[0].node.digest
	require.NotZero(t, empty)
	for i := range 50 {
		b.do(i%2, OpPut, fmt.Sprintf("k/%d", i%20), fmt.Sprint(i))
	}
	b.do(0, OpDelete, "k/3", "")
	b.run(time.Minute, b.same)
	b.run(time.Second, nil)
	for _, m := range b.machine {
		indexFits(t, m)
	}
	require.Equal(t, b.machine[0].node.digest, b.machine[1].node.digest)
	require.NotEqual(t, empty, b.machine[0].node.digest)
	digest := b.machine[0].node.digest
	b.crash(0)
	b.start(0)
	require.Equal(t, digest, b.machine[0].node.digest)
}

// What differs is found by the digests in the pulses, within seconds, and only that is transferred.
func TestDifferenceIsFoundByDigest(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	for i := range 200 {
		b.do(0, OpPut, fmt.Sprintf("k/%d", i), "v")
	}
	b.run(time.Minute, b.same)
	b.run(5*time.Minute, nil) // comparisons are rare by now.
	pulled := b.machine[1].node.counters.SyncPulled
	for _, path := range []string{"k/17", "k/99"} { // as if a disk had lost them.
		key, _, _ := indexKey(path)
		require.NoError(t, b.machine[1].store.Apply([]Op{{Key: prefixRecord + path}, {Key: key}}))
	}
	b.crash(1)
	b.start(1)
	b.run(15*time.Second, b.same)
	got := b.machine[1].node.counters.SyncPulled - pulled + b.machine[0].node.counters.SyncPushed
	require.LessOrEqual(t, got, uint64(6), "two paths, each perhaps from both sides")
	b.run(10*time.Second, nil)
	require.NotZero(t, b.machine[0].node.Status().Peers[0].LastEqual)
}

// Damage to the index, and rot in a record that nobody reads, are found in passing.
func TestScrub(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	for i := range 100 {
		b.do(0, OpPut, fmt.Sprintf("k/%d", i), "v")
	}
	b.run(time.Minute, b.same)
	m := b.machine[0]
	key, _, _ := indexKey("k/5")
	m.store.m[key] = make([]byte, 24)
	key, _, _ = indexKey("k/6")
	require.NoError(t, m.store.Apply([]Op{{Key: key}}))
	rotten := append([]byte{}, m.store.m[prefixRecord+"k/7"]...)
	rotten[45] ^= 1
	m.store.m[prefixRecord+"k/7"] = rotten
	b.crash(0)
	b.start(0)
	b.run(time.Minute, func() bool {
		_, err := DecodeSlot("k/7", m.store.m[prefixRecord+"k/7"])
		return err == nil
	})
	b.run(time.Minute, nil)
	require.GreaterOrEqual(t, m.node.counters.ScrubRepairs, uint64(3))
	indexFits(t, m)
	indexFits(t, b.machine[1])
	require.Equal(t, m.node.digest, b.machine[1].node.digest)
}
