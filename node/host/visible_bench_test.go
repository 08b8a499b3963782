package host

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"kvs/node"
	"kvs/node/swim"
)

// BenchmarkVisibleEverywhere is the time from the moment in which a client sends an eventual write to one of three
// members until a client that asks again and again has seen it at all of them. Everything goes over HTTP on loopback,
// and every member makes it durable before it shows it: three fsyncs one after the other are the floor
// (BenchmarkFsync).
func BenchmarkVisibleEverywhere(b *testing.B) { benchVisible(b, 1) }

// BenchmarkVisibleEverywhereBusy is the same with 16 clients that write at once.
func BenchmarkVisibleEverywhereBusy(b *testing.B) { benchVisible(b, 16) }

func benchVisible(b *testing.B, writers int) {
	hosts := benchCluster(b, 3)
	value := make([]byte, 256)
	var mu sync.Mutex
	var visible, acknowledged []time.Duration
	var n atomic.Int64
	var wg sync.WaitGroup
	defer reportCPU(b)()
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for i := int(n.Add(1)); i <= b.N; i = int(n.Add(1)) {
				uri := fmt.Sprintf("/kv/bench/%d", i)
				from := time.Now()
				put(b, hosts[i%len(hosts)].Addr(), uri, value)
				ack := time.Since(from)
				for k := 1; k < len(hosts); k++ { // the wait for one overlaps that for the next.
					awaitValue(b, hosts[(i+k)%len(hosts)].Addr(), uri)
				}
				all := time.Since(from)
				mu.Lock()
				acknowledged, visible = append(acknowledged, ack), append(visible, all)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if b.Failed() {
		return // a writer that gave up has measured nothing.
	}
	for name, list := range map[string][]time.Duration{"ack": acknowledged, "visible": visible} {
		slices.Sort(list)
		for _, p := range []int{50, 99} {
			b.ReportMetric(float64(list[len(list)*p/100].Microseconds())/1000, fmt.Sprintf("%s-p%d-ms", name, p))
		}
	}
}

// benchCluster is a cluster of n members that know each other.
func benchCluster(b *testing.B, n int) []*Host {
	b.Helper()
	var hosts []*Host
	for i := range n {
		var seeds []string
		if i > 0 {
			seeds = []string{hosts[0].Addr()}
		}
		h, err := Start(context.Background(), testOptions(testConfig(b, seeds...)))
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, h.Stop(context.Background())) })
		hosts = append(hosts, h)
	}
	for _, h := range hosts {
		require.Eventually(b, func() bool {
			s, err := h.Status(context.Background())
			alive := 0
			for _, m := range s.Members {
				if m.State == swim.Alive {
					alive++
				}
			}
			return err == nil && alive == n && s.Mode == node.ModeNormal // a newcomer may still be on its way to serve.
		}, patience, time.Millisecond)
	}
	return hosts
}

// awaitValue asks one member until it has the value.
func awaitValue(b *testing.B, addr, uri string) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + addr + uri)
	deadline := time.Now().Add(patience)
	for {
		if err := fasthttp.Do(req, resp); err != nil {
			b.Error(err)
			return
		}
		if found(resp.StatusCode()) {
			return
		}
		if time.Now().After(deadline) {
			b.Errorf("%s is not visible at %s", uri, addr)
			return
		}
	}
}
