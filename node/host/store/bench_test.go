package store

import (
	"fmt"
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
	count := 0
	require.NoError(t, s.ScanKeys("r/bench/", "", func(string) bool { count++; return true }))
	require.Equal(t, 1000, count)
}
