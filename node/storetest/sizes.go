package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/slot"
)

// largeSizes surround the limits that a store below may have.
var largeSizes = []int{64 << 10, 256<<10 - 1, 512 << 10, 512<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3 << 20,
	slot.RecordBytesMax}

func testLargeValues(t *testing.T, disk Disk, s *subject) {
	check := func(seed byte) {
		t.Helper()
		i := 0
		require.NoError(t, s.store.Scan("v/", "", func(key string, value []byte) bool {
			require.Equal(t, fmt.Sprintf("v/%d", i), key)
			require.True(t, string(value) == large(largeSizes[i], seed), "key %s: got %s", key, short(string(value)))
			i++
			return true
		}))
		require.Equal(t, len(largeSizes), i)
		for i, n := range largeSizes {
			s.wantValue(fmt.Sprintf("v/%d", i), large(n, seed))
		}
	}
	for seed := range byte(2) {
		for i, n := range largeSizes {
			s.apply(put(fmt.Sprintf("v/%d", i), large(n, seed)))
		}
		check(seed)
	}
	s.reopen(disk)
	check(1)

	// Large to smaller, to empty, to nothing, and back: nothing of the former value shows.
	last := fmt.Sprintf("v/%d", len(largeSizes)-1)
	for i, n := range []int{2 << 20, 600 << 10, 0, 10, 5 << 20} {
		s.apply(put(last, large(n, byte(i))))
		s.wantValue(last, large(n, byte(i)))
	}
	s.apply(del(last), put("v/0", "small again"))
	s.wantAbsent(last)
	s.wantValue("v/0", "small again")
	require.Len(t, s.keys("", ""), len(largeSizes)-1)
	s.reopen(disk)
	s.wantAbsent(last)
	require.Len(t, s.keys("", ""), len(largeSizes)-1)
}

// One record of the largest size and small operations around it fit one Apply.
func testLargeBatch(t *testing.T, disk Disk, s *subject) {
	s.apply(put("p", "before"), put("q", "before"))
	changes := []node.Change{put("big", "overwritten within the batch"), del("p"),
		put("big", large(slot.RecordBytesMax, 7))}
	total := len("big") + slot.RecordBytesMax
	for i := 0; total < BatchBytesMin-200; i++ {
		change := put(fmt.Sprintf("small/%05d", i), "some hundred bytes: "+large(90, byte(i)))
		total += len(change.Key) + len(change.Value)
		changes = append(changes, change)
	}
	s.apply(changes...)
	s.wantValue("big", large(slot.RecordBytesMax, 7))
	s.wantAbsent("p")
	require.Len(t, s.keys("", ""), len(changes)-3+2)
	s.reopen(disk)
	s.wantValue("big", large(slot.RecordBytesMax, 7))
	require.Len(t, s.keys("", ""), len(changes)-3+2)
}

// Many tiny operations in one Apply: stores below count entries, not only bytes.
func testManyOps(t *testing.T, disk Disk, s *subject) {
	const count = 15_000
	changes := make([]node.Change, 0, count)
	for i := range count {
		changes = append(changes, put(fmt.Sprintf("%06d", i), "v"))
	}
	s.apply(changes...)
	require.Len(t, s.keys("", ""), count)
	for i := range changes {
		changes[i].Value = nil
	}
	s.apply(append(changes, put("rest", "x"))...)
	require.Equal(t, []string{"rest"}, s.keys("", ""))
	s.reopen(disk)
	require.Equal(t, []string{"rest"}, s.keys("", ""))
}

func testValuesStay(t *testing.T, disk Disk, s *subject) {
	sizes := []int{1, 100, 100 << 10, 2 << 20}
	held := make([][]byte, len(sizes))
	for i, n := range sizes {
		s.apply(put(fmt.Sprint(i), large(n, 1)))
		held[i], _ = s.get(fmt.Sprint(i))
	}
	for round := range byte(8) { // more than a small memtable holds, so that a store with tables has to rewrite them.
		for i, n := range sizes {
			s.apply(put(fmt.Sprint(i), large(n, round+2)))
		}
	}
	s.apply(del("0"), del("1"), del("2"), del("3"))
	s.reopen(disk)
	for i, n := range sizes {
		require.True(t, string(held[i]) == large(n, 1), "the value that Get returned has changed (%d bytes)", n)
	}
}

func testNotRetained(t *testing.T, disk Disk, s *subject) {
	for _, n := range []int{5, 3000, 2 << 20} {
		key := fmt.Sprint(n)
		buf := []byte(large(n, 1))
		changes := []node.Change{{Key: key, Value: buf}}
		require.NoError(t, s.store.Apply(changes))
		clear(buf)
		changes[0] = put("reused", "slice of operations")
		s.wantValue(key, large(n, 1))
		s.reopen(disk)
		s.wantValue(key, large(n, 1))
	}
	s.wantAbsent("reused")
}
