package host

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// The benchmarks over HTTP use 64 kept-alive connections and 256-byte values; client and server share the machine. Read
// them beside their two measures: a bare fiber echo, and what the disk does in fsyncs.
const benchConnections = 64

// benchHTTP lets 64 connections send what fill makes of the numbers 1, 2, 3, ...
func benchHTTP(b *testing.B, addr string, fill func(r *fasthttp.Request, n uint64), want func(status int) bool) {
	b.Helper()
	client := &fasthttp.HostClient{Addr: addr, MaxConns: 4 * benchConnections}
	defer client.CloseIdleConnections()
	var n atomic.Uint64
	b.SetParallelism(benchConnections / 2) // times GOMAXPROCS, two on the machine of reference.
	b.ReportAllocs()
	defer reportCPU(b)()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		for pb.Next() {
			req.Reset()
			resp.Reset()
			req.Header.SetHost(addr)
			fill(req, n.Add(1))
			if err := client.Do(req, resp); err != nil || !want(resp.StatusCode()) {
				b.Errorf("%d %v", resp.StatusCode(), err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// reportCPU has the benchmark report, when the function that it returns is called, the processor time of this process
// since then, for each operation, clients included. It is steadier than time where others use the machine as well.
func reportCPU(b *testing.B) (done func()) {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Nanoseconds())/float64(b.N)/1000, "cpu-us/op") }
}

func written(status int) bool { return status == 201 || status == 204 }
func found(status int) bool   { return status == 200 }

// BenchmarkHTTPPut is a durable write of one node, as a client sees it.
func BenchmarkHTTPPut(b *testing.B) { benchHTTPPut(b, benchHost(b)) }

// BenchmarkHTTPPutRecorded is the same with a flight recorder of 64 MiB.
func BenchmarkHTTPPutRecorded(b *testing.B) {
	cfg := testConfig(b)
	cfg.Recorder.RingBytesMax = 64 << 20
	benchHTTPPut(b, benchHostOf(b, cfg))
}

func benchHTTPPut(b *testing.B, h *Host) {
	b.Helper()
	value := make([]byte, 256)
	benchHTTP(b, h.Addr(), func(r *fasthttp.Request, n uint64) {
		r.Header.SetMethod("PUT")
		r.SetRequestURI(fmt.Sprintf("/kv/bench/%d", n%100_000))
		r.SetBodyRaw(value)
	}, written)
}

// BenchmarkHTTPGet is an eventual read of one node, as a client sees it.
func BenchmarkHTTPGet(b *testing.B) {
	h := benchHost(b)
	const keys = 1000
	for i := range keys {
		put(b, h.Addr(), fmt.Sprintf("/kv/bench/%d", i), make([]byte, 256))
	}
	benchHTTP(b, h.Addr(), func(r *fasthttp.Request, n uint64) {
		r.SetRequestURI(fmt.Sprintf("/kv/bench/%d", n%keys))
	}, found)
}

func put(b *testing.B, addr, uri string, value []byte) {
	b.Helper()
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod("PUT")
	req.SetRequestURI("http://" + addr + uri)
	req.SetBodyRaw(value)
	require.NoError(b, fasthttp.Do(req, resp))
	require.True(b, written(resp.StatusCode()))
}

// BenchmarkFiberEcho is the measure: fiber with nothing behind it.
func BenchmarkFiberEcho(b *testing.B) { benchEcho(b, nil) }

// BenchmarkFiberEchoHeaders is the same with the headers of a value.
func BenchmarkFiberEchoHeaders(b *testing.B) {
	benchEcho(b, [][2]string{
		{"Kvs-Node", "n1"}, {"Kvs-Consistency", "eventual"}, {"Kvs-Timestamp", "1700000000000.00001"},
		{"ETag", `"18bcfe5680000001-000102030405060708090a0b0c0d0e0f"`}, {"Cache-Control", "no-cache"},
		{"Content-Type", "application/octet-stream"}, {"X-Content-Type-Options", "nosniff"},
		{"Content-Security-Policy", "sandbox"},
	})
}

func benchEcho(b *testing.B, headers [][2]string) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	body := make([]byte, 256)
	app.Get("/kv/*", func(c *fiber.Ctx) error {
		for _, h := range headers {
			c.Set(h[0], h[1])
		}
		return c.Send(body)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	done := make(chan error, 1)
	go func() { done <- app.Listener(l) }()
	b.Cleanup(func() {
		require.NoError(b, app.Shutdown())
		require.NoError(b, <-done)
	})
	benchHTTP(b, l.Addr().String(), func(r *fasthttp.Request, n uint64) {
		r.SetRequestURI(fmt.Sprintf("/kv/bench/%d", n%1000))
	}, found)
}

// BenchmarkFsync is the other measure: appends of 512 bytes, each with its own fsync.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	require.NoError(b, err)
	defer func() { require.NoError(b, f.Close()) }()
	block := make([]byte, 512)
	for b.Loop() {
		_, err := f.Write(block)
		require.NoError(b, err)
		require.NoError(b, f.Sync())
	}
}
