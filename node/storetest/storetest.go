// Package storetest is the contract of node.Store as a test suite: what a node relies on, checked against Badger and
// against the simulator's store alike.
//
// It does not test features of one store (marker files, bit-rot); those tests are beside the stores.
//
// Begin with Run, which needs a Factory. Differential drives two stores with one random history and compares what they
// show.
package storetest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/slot"
)

// BatchBytesMin is what every store takes in one Apply, keys and values together: one record of the largest size, and
// room for the small operations that go with it. A store may refuse larger batches, with an error and without applying
// anything. A writer that groups batches stays below this.
const BatchBytesMin = slot.RecordBytesMax + 64<<10

// KeyBytesMin is the length of key that every store takes: the longest path and what the node puts before it.
const KeyBytesMin = 1100

// Disk is one place where a store keeps its data: opened, closed, opened again.
type Disk interface {
	// Open returns the store with all that was applied before. The suite closes it before it opens it again.
	Open(t testing.TB) node.Store
}

// Crasher is a Disk that can lose its process.
type Crasher interface {
	Disk
	// Crash takes the disk away from the open store as a crash does: without Close. The store is not used afterwards.
	Crash(t testing.TB)
}

// Failer is a Disk that can break.
type Failer interface {
	Disk
	// FailNext makes the next Apply of the open store fail.
	FailNext(t testing.TB)
}

// Factory makes fresh empty disks.
type Factory struct {
	New func(t testing.TB) Disk

	// SingleThreaded says that the stores belong to a world with one thread, so that the promises about concurrent use
	// do not concern them.
	SingleThreaded bool
}

// Run checks the whole contract. Tests that need a Crasher or a Failer are skipped where the disk is none.
func Run(t *testing.T, f Factory) {
	tests := []struct {
		name string
		test func(t *testing.T, disk Disk, s *subject)
	}{
		{"Absent", testAbsent},
		{"PutOverwriteDelete", testPutOverwriteDelete},
		{"EmptyBatch", testEmptyBatch},
		{"LaterOpWins", testLaterOpWins},
		{"EmptyValueIsAValue", testEmptyValue},
		{"ScanOrder", testScanOrder},
		{"ScanBounds", testScanBounds},
		{"ScanStops", testScanStops},
		{"ScanSkipsDeleted", testScanSkipsDeleted},
		{"LongKeys", testLongKeys},
		{"LargeValues", testLargeValues},
		{"LargeBatch", testLargeBatch},
		{"ManyOps", testManyOps},
		{"ValuesStay", testValuesStay},
		{"ValuesAreNotRetained", testNotRetained},
		{"Reopen", testReopen},
		{"Crash", testCrash},
		{"FailedApply", testFailedApply},
		{"Closed", testClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			disk := f.New(t)
			test.test(t, disk, open(t, disk))
		})
	}
	t.Run("Concurrent", func(t *testing.T) {
		if f.SingleThreaded {
			t.Skip("not applicable: this store belongs to a world with one thread")
		}
		disk := f.New(t)
		testConcurrent(t, open(t, disk))
	})
}

// subject is a store under test with the errors checked.
type subject struct {
	t     testing.TB
	store node.Store
}

func open(t testing.TB, disk Disk) *subject {
	s := &subject{t, disk.Open(t)}
	t.Cleanup(func() { _ = s.store.Close() }) // closing twice is harmless, and the test may have done it.
	return s
}

// reopen closes s and opens its disk again.
func (s *subject) reopen(disk Disk) {
	s.t.Helper()
	require.NoError(s.t, s.store.Close())
	s.store = disk.Open(s.t)
}

func put(key, value string) node.Change { return node.Change{Key: key, Value: []byte(value)} }
func del(key string) node.Change        { return node.Change{Key: key} }

func (s *subject) apply(changes ...node.Change) {
	s.t.Helper()
	require.NoError(s.t, s.store.Apply(changes))
}

func (s *subject) get(key string) ([]byte, bool) {
	s.t.Helper()
	value, found, err := s.store.Get(key)
	require.NoError(s.t, err)
	return value, found
}

func (s *subject) wantValue(key, want string) {
	s.t.Helper()
	value, found := s.get(key)
	require.True(s.t, found, "key %s is absent", short(key))
	// Compared as a bool: a difference of 8 MiB is not worth printing.
	require.True(s.t, string(value) == want, "key %s: got %s, want %s", short(key), short(string(value)), short(want))
}

func (s *subject) wantAbsent(key string) {
	s.t.Helper()
	value, found := s.get(key)
	require.False(s.t, found, "key %s has value %s", short(key), short(string(value)))
	require.Nil(s.t, value)
}

// keys is what a scan shows.
func (s *subject) keys(prefix, from string) []string {
	s.t.Helper()
	keys := []string{}
	require.NoError(s.t, s.store.Scan(prefix, from, func(key string, _ []byte) bool {
		keys = append(keys, key)
		return true
	}))
	return keys
}

// content is everything in the store, one "key=value" a line.
func (s *subject) content() []string {
	s.t.Helper()
	lines := []string{}
	require.NoError(s.t, s.store.Scan("", "", func(key string, value []byte) bool {
		lines = append(lines, short(key)+"="+short(string(value)))
		return true
	}))
	return lines
}

// short prints a key or value; a long one by its beginning, length and a sum.
func short(s string) string {
	if len(s) <= 40 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q...(%d bytes, sum %08x)", s[:16], len(s), crc32.ChecksumIEEE([]byte(s)))
}

// large is n bytes that differ from one seed to the next, and from one place to another: no two words of it are the
// same, so that parts that changed places show. All are cut from one string, which is made once.
func large(n int, seed byte) string {
	at := int(seed) * seedStride
	return largeSource()[at : at+n]
}

const seedStride = 1009

var largeSource = sync.OnceValue(func() string {
	b := make([]byte, 0, slot.RecordBytesMax+256*seedStride+8)
	for i := uint64(1); len(b) < cap(b)-8; i++ {
		b = binary.LittleEndian.AppendUint64(b, i*0x9e3779b97f4a7c15)
	}
	return string(b)
})
