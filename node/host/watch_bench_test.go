package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkWatch is what watchers cost: so many streams of one directory, in which one value changes b.N times, each
// time when all of them have had the change before. An operation is a write with its event at every watcher. The
// latency is the time from the begin of a write to its event at a watcher; memory is that of the process, clients
// included. With 8,000 watchers the process has 16,000 open connections: its limit of open files has to be higher,
// with some room.
func BenchmarkWatch(b *testing.B) {
	for _, watchers := range []int{100, 8_000} {
		b.Run(fmt.Sprintf("watchers=%d", watchers), func(b *testing.B) { benchWatch(b, watchers) })
	}
}

var watchedValue = regexp.MustCompile(`"value":"(\d+)"`)

// residentBytes is the memory of this process.
func residentBytes(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(b, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	require.NoError(b, err)
	return pages * int64(os.Getpagesize())
}

func benchWatch(b *testing.B, watchers int) {
	cfg := testConfig(b)
	cfg.Limits.ConnectionsPerAddress, cfg.Limits.Watchers = 0, watchers
	h, err := Start(context.Background(), testOptions(cfg))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, h.Stop(context.Background())) })
	put(b, h.Addr(), "/kv/watched/a", []byte("0"))
	before := residentBytes(b)
	ready := make(chan struct{}, watchers)
	left, over, broken := atomic.Int64{}, make(chan struct{}, 1), make(chan string, watchers)
	var begun, number atomic.Int64 // of the write under way: nanoseconds, and its value.
	took := make([][]time.Duration, watchers)
	for i := range watchers {
		conn, err := net.Dial("tcp", h.Addr())
		require.NoError(b, err)
		b.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprintf(conn, "GET /kv/watched/?watch&values=true HTTP/1.1\r\nHost: %s\r\n\r\n", h.Addr())
		require.NoError(b, err)
		go func() {
			lines, there, had := bufio.NewScanner(conn), false, int64(0)
			for lines.Scan() { // until the connection is closed.
				switch m := watchedValue.FindSubmatch(lines.Bytes()); {
				case !there && bytes.HasPrefix(lines.Bytes(), []byte("event: snapshot-end")):
					there = true
					ready <- struct{}{}
				case there && m != nil:
					n, err := strconv.ParseInt(string(m[1]), 10, 64)
					if err == nil && n > had && n == number.Load() { // an event may come again.
						had = n
						took[i] = append(took[i], time.Duration(time.Now().UnixNano()-begun.Load()))
						if left.Add(-1) == 0 {
							over <- struct{}{}
						}
					}
				}
			}
			broken <- fmt.Sprintf("stream %d ended after the event of write %d", i, had)
		}()
	}
	for range watchers {
		select {
		case <-ready:
		case why := <-broken:
			b.Fatal(why)
		}
	}
	runtime.GC()
	memory := float64(residentBytes(b)-before) / float64(watchers) / 1024
	stop := reportCPU(b)
	b.ResetTimer()
	for n := range b.N { // one after the other: changes that a watcher has not had yet come as one event.
		left.Store(int64(watchers))
		number.Store(int64(n + 1))
		begun.Store(time.Now().UnixNano())
		put(b, h.Addr(), "/kv/watched/a", []byte(strconv.Itoa(n+1)))
		select {
		case <-over:
		case why := <-broken:
			b.Fatal(why)
		}
	}
	b.StopTimer()
	stop()
	b.ReportMetric(memory, "KiB/watcher")
	var all []time.Duration
	for _, t := range took {
		all = append(all, t...)
	}
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}
