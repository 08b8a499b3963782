package store

import (
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// BenchmarkGroups measures durable groups of changes with values of 256 bytes: changes a second, and the CPU that one
// costs, which is the steadier figure.
func BenchmarkGroups(b *testing.B) {
	for _, size := range []int{1, 8, 32, 128} {
		for _, keys := range []int{10_000, 1_000_000} {
			b.Run(fmt.Sprintf("group=%d/keys=%d", size, keys), func(b *testing.B) {
				s := openT(b, DefaultOptions(b.TempDir(), quiet()))
				n := 0
				b.ReportAllocs()
				b.ResetTimer()
				before := cpu(b)
				for range b.N {
					require.NoError(b, s.Apply(group(&n, size, keys)))
				}
				b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "changes/s")
				b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N*size), "us-CPU/change")
			})
		}
	}
}

// BenchmarkLoad measures what a value of 256 bytes under a new path costs, with its entry in the index, when paths come
// in their order, as kvs import brings them: CPU, and bytes that are written to files for each byte of the changes.
// With -benchtime 500000x the levels of Badger have their sizes.
func BenchmarkLoad(b *testing.B) {
	const size = 256 // changes in a batch.
	s := openT(b, DefaultOptions(b.TempDir(), quiet()))
	b.ResetTimer()
	before, wrote := cpu(b), fileBytes(b)
	bytes := 0
	for n := 0; n < b.N; {
		changes := newPaths(&n, size)
		for i := range changes {
			bytes += len(changes[i].Key) + len(changes[i].Value)
		}
		require.NoError(b, s.Apply(changes))
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N), "us-CPU/value")
	b.ReportMetric(float64(fileBytes(b)-wrote)/float64(bytes), "written/byte")
}

// newPaths is the next changes of a load: the record of each path, and its entry in the index, which is in the order of
// a hash.
func newPaths(n *int, size int) []node.Change {
	changes := make([]node.Change, 0, size)
	for len(changes) < size {
		path := fmt.Sprintf("kvs-bench-0123456789/%08d", *n)
		hash := crc32.ChecksumIEEE([]byte(path)) & 0xffff
		changes = append(changes, node.Change{Key: "r/" + path, Value: make([]byte, 310)},
			node.Change{Key: fmt.Sprintf("h/%04x%s", hash, path), Value: make([]byte, 24)})
		*n++
	}
	return changes
}

// fileBytes is what this process has written with system calls, which what goes to mapped files is not.
func fileBytes(b *testing.B) (bytes int64) {
	io, err := os.ReadFile("/proc/self/io")
	require.NoError(b, err)
	for line := range strings.Lines(string(io)) {
		if _, err := fmt.Sscanf(line, "wchar: %d", &bytes); err == nil {
			return bytes
		}
	}
	b.Fatal("no wchar")
	return 0
}

// group is the next changes of a run that goes over so many keys again and again, in no order.
func group(n *int, size, keys int) []node.Change {
	changes := make([]node.Change, size)
	for i := range changes {
		*n++
		changes[i] = node.Change{Key: fmt.Sprintf("r/bench/%08d", *n*7919%keys), Value: make([]byte, 256)}
	}
	return changes
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The benchmark does not rot.
func TestGroups(t *testing.T) {
	s := openT(t, testOptions(t.TempDir()))
	n := 0
	for range 100 {
		require.NoError(t, s.Apply(group(&n, 32, 1000)))
	}
	paths := 0
	require.NoError(t, s.Apply(newPaths(&paths, 32)))
	require.Equal(t, 16, paths)
	count := 0
	require.NoError(t, s.ScanKeys("r/bench/", "", func(string) bool { count++; return true }))
	require.Equal(t, 1000, count)
}
