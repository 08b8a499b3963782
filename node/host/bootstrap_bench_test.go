package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/config"
)

// BenchmarkBootstrap is what clients of two members feel while a third one joins, against before: the 99th percentile
// of PUT and GET over the members, in the core. b.N is the number of keys of 4 KiB that the newcomer has to fetch, but
// one thousand at least; run it with -benchtime=50000x.
func BenchmarkBootstrap(b *testing.B) {
	r := measureBootstrap(b, max(b.N, 1000), 4<<10, 0)
	r.report(b)
}

// BenchmarkBootstrapThrottled is the same at 8 MiB a second.
func BenchmarkBootstrapThrottled(b *testing.B) {
	r := measureBootstrap(b, max(b.N, 1000), 4<<10, 8<<20)
	r.report(b)
}

// The benchmark in small, so that it does not rot.
func TestBootstrapBenchmark(t *testing.T) {
	r := measureBootstrap(t, 300, 1<<10, 1<<20)
	require.NotEmpty(t, r.put.before)
	require.NotEmpty(t, r.put.during)
	require.NotEmpty(t, r.get.during)
	require.GreaterOrEqual(t, r.keys, uint64(300))
}

// feel is how long operations took.
type feel struct{ before, during []time.Duration }

type bootstrapResult struct {
	put, get feel
	keys     uint64
	took     time.Duration
	bytes    int
}

func (r *bootstrapResult) report(b *testing.B) {
	for _, m := range []struct {
		name string
		f    *feel
	}{{"put", &r.put}, {"get", &r.get}} {
		b.ReportMetric(p99(m.f.before), m.name+"-before-p99-ms")
		b.ReportMetric(p99(m.f.during), m.name+"-during-p99-ms")
	}
	b.ReportMetric(float64(r.bytes)/(1<<20)/r.took.Seconds(), "MiB/s")
	b.ReportMetric(r.took.Seconds(), "bootstrap-s")
	b.ReportMetric(0, "ns/op")
}

func p99(list []time.Duration) float64 {
	slices.Sort(list)
	return float64(list[len(list)*99/100].Microseconds()) / 1000
}

// measureBootstrap fills two members, measures them, lets a third one join, and measures them again until it serves.
func measureBootstrap(t testing.TB, keys, bytes int, rate int) *bootstrapResult {
	first := memberHost(t, 0)
	second := memberHost(t, 0, first.Addr())
	hosts := []*Host{first, second}
	awaitMode(t, second)
	value := []byte(strings.Repeat("v", bytes))
	fill(t, hosts, keys, value)
	r := &bootstrapResult{bytes: keys * bytes}
	// Before: as many operations as fit into a second or two, at a steady pace.
	for i := range 1000 {
		r.operate(t, hosts[i%2], i, &r.put.before, &r.get.before, value)
	}
	began := time.Now()
	third := memberHost(t, rate, first.Addr(), second.Addr())
	for i := 0; i < 20 || third.Mode() == node.ModeSyncing; i++ {
		r.operate(t, hosts[i%2], i, &r.put.during, &r.get.during, value)
	}
	r.took = time.Since(began)
	s, err := third.Status(context.Background())
	require.NoError(t, err)
	r.keys = s.Counters.BootstrapKeys
	return r
}

// operate does a put and a get of what is there, one client after the other: what is measured is how long each takes.
func (r *bootstrapResult) operate(t testing.TB, h *Host, i int, put, get *[]time.Duration, value []byte) {
	for _, op := range []struct {
		kind node.OpKind
		list *[]time.Duration
	}{{node.OpPut, put}, {node.OpGet, get}} {
		began := time.Now()
		operation(t, h, op.kind, fmt.Sprintf("k/%06d", i%100), value)
		*op.list = append(*op.list, time.Since(began))
	}
}

func operation(t testing.TB, h *Host, kind node.OpKind, path string, value []byte) {
	req := &node.Request{Op: kind, Level: node.Eventual, Path: path}
	if kind == node.OpPut {
		req.Value = slices.Clone(value)
	}
	resp, err := h.Do(context.Background(), req)
	if err != nil || resp.Code != node.CodeOK && resp.Code != node.CodeCreated {
		t.Errorf("%s %s: %v, %s", kind, path, err, resp.Code)
	}
}

func memberHost(t testing.TB, rate int, seeds ...string) *Host {
	c := testConfig(t, seeds...)
	if rate > 0 {
		c.Replication.BootstrapRate = config.Size(rate)
	}
	h, err := Start(context.Background(), testOptions(c))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Stop(context.Background())) })
	return h
}

func awaitMode(t testing.TB, h *Host) {
	require.Eventually(t, func() bool { return h.Mode() == node.ModeNormal }, patience, time.Millisecond)
}

// fill writes keys through one member and waits until the other has them.
func fill(t testing.TB, hosts []*Host, keys int, value []byte) {
	const writers = 64
	done := make(chan struct{}, writers)
	for w := range writers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := w; i < keys; i += writers {
				operation(t, hosts[0], node.OpPut, fmt.Sprintf("k/%06d", i), value)
			}
		}()
	}
	for range writers {
		<-done
	}
	require.Eventually(t, func() bool {
		s, err := hosts[0].Status(context.Background())
		return err == nil && unacknowledged(&s) == 0
	}, time.Minute, 5*time.Millisecond)
}
