package host

import (
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/config"
)

// BenchmarkDurablePut is a write through the loop and the committer, without HTTP: 64 clients, 256-byte values.
func BenchmarkDurablePut(b *testing.B) {
	h := benchHost(b)
	value := make([]byte, 256)
	var n atomic.Uint64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := &node.Request{Op: node.OpPut, Level: node.Eventual, Path: fmt.Sprintf("bench/%d", n.Add(1)%100_000),
				Value: value}
			if resp, err := h.Do(context.Background(), r); err != nil || resp.Code > node.CodeCreated {
				b.Errorf("%v %v", resp.Code, err)
				return
			}
		}
	})
}

// BenchmarkEventualGet is a read beside the loop.
func BenchmarkEventualGet(b *testing.B) {
	h := benchHost(b)
	_, err := h.Do(context.Background(),
		&node.Request{Op: node.OpPut, Level: node.Eventual, Path: "a", Value: make([]byte, 256)})
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if r, err := h.View().Get("a"); err != nil || !r.Live() {
				b.Errorf("%v %v", r.Live(), err)
				return
			}
		}
	})
}

func benchHost(b *testing.B) *Host {
	b.Helper()
	return benchHostOf(b, testConfig(b))
}

func benchHostOf(b *testing.B, cfg *config.Config) *Host {
	b.Helper()
	h, err := Start(context.Background(), testOptions(cfg))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, h.Stop(context.Background())) })
	return h
}

// The benchmarks run a little with the tests, so that they do not rot.
func TestBenchmarksRun(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime")
	before := benchtime.Value.String()
	require.NoError(t, benchtime.Value.Set("5x"))
	defer func() { require.NoError(t, benchtime.Value.Set(before)) }()
	for _, bench := range []func(*testing.B){
		BenchmarkDurablePut, BenchmarkEventualGet, BenchmarkHTTPPut, BenchmarkHTTPPutRecorded, BenchmarkHTTPGet,
		BenchmarkFiberEcho,
		BenchmarkFsync, BenchmarkVisibleEverywhere,
	} {
		require.Equal(t, 5, testing.Benchmark(bench).N)
	}
}
