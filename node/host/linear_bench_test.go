package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"kvs/node"
	"kvs/node/swim"
)

// BenchmarkLinearizable are linearizable operations over HTTP on three members, each with its own disk folder; clients
// and members share the machine. Client i talks to member i mod 3 over a connection of its own, and every client has
// one operation at a time. Values have 256 bytes unless the name says otherwise. A compare-and-set wants the ETag that
// its client saw there last: with many paths, which are the client's own, that is the one that is there; on a hot path
// another client may have been faster.
//
// Beside the time it reports what the members counted: round trips of all members' proposers, and fsyncs of all three
// members together, per operation. ok-%, 412-% and 409-% are how operations ended. 503-% were tried again, by then
// mostly writes that were overtaken after they had been proposed, so that nobody can tell whether they got in; the
// times are those of the last attempts. Everything else is an error.
func BenchmarkLinearizable(b *testing.B) {
	hosts := linearCluster(b)
	for _, l := range linearLoads {
		b.Run(l.name(), func(b *testing.B) {
			defer reportCPU(b)()
			l.run(b, hosts, b.N, b.ReportMetric)
		})
	}
}

// linearLoad is one line of the table.
type linearLoad struct {
	op      string // put, get or cas.
	clients int
	hot     bool // one path for all clients.
	bytes   int  // of a value.
}

var linearLoads = []linearLoad{
	{"put", 1, false, 256}, {"put", 64, false, 256}, {"put", 1, true, 256}, {"put", 64, true, 256},
	{"get", 1, false, 256}, {"get", 64, false, 256}, {"get", 1, true, 256}, {"get", 64, true, 256},
	{"cas", 1, false, 256}, {"cas", 64, false, 256}, {"cas", 1, true, 256}, {"cas", 64, true, 256},
	// the latter on new paths, if there are fewer operations than paths.
	{"put", 1, true, 1 << 20}, {"put", 1, false, 1 << 20},
}

// linearPaths is how many paths there are when there are many.
const linearPaths = 1024

func (l *linearLoad) name() string {
	paths := "many"
	if l.hot {
		paths = "hot"
	}
	return fmt.Sprintf("%s/clients=%d/paths=%s/bytes=%d", l.op, l.clients, paths, l.bytes)
}

// path of a client's i-th operation. With many paths each client has its own.
func (l *linearLoad) path(client, i int) string {
	if l.hot {
		return fmt.Sprintf("/kv/bench/%d-hot", l.bytes)
	}
	return fmt.Sprintf("/kv/bench/%d/%d", client, i%(linearPaths/l.clients))
}

// linearTally is what one client saw, or all of them together.
type linearTally struct {
	took                        []time.Duration
	ok, refused, lost, repeated int // of the operations: done, 412, 409; and those sent again after a 503.
}

// run lets the clients do n operations together, and reports what came of them.
func (l *linearLoad) run(tb testing.TB, hosts []*Host, n int, report func(value float64, unit string)) linearTally {
	tb.Helper()
	clients := make([]*linearClient, l.clients)
	for i := range clients {
		addr := hosts[i%len(hosts)].Addr()
		clients[i] = &linearClient{load: l, number: i, host: addr, etags: map[string]string{},
			http: &fasthttp.HostClient{Addr: addr, MaxConns: 1}}
		defer clients[i].http.CloseIdleConnections()
	}
	if l.op != "put" {
		l.each(tb, clients, func(c *linearClient) error { return c.prime(n) })
	}
	tripsBefore, fsyncsBefore := counted(tb, hosts)
	var next atomic.Int64
	if b, timed := tb.(*testing.B); timed {
		b.ResetTimer()
	}
	began := time.Now()
	l.each(tb, clients, func(c *linearClient) error {
		for turn := 0; next.Add(1) <= int64(n); turn++ {
			if err := c.operate(turn); err != nil {
				return err
			}
		}
		return nil
	})
	elapsed := time.Since(began)
	if b, timed := tb.(*testing.B); timed {
		b.StopTimer()
	}
	var all linearTally
	for _, c := range clients {
		all.took = append(all.took, c.tally.took...)
		all.ok += c.tally.ok
		all.refused += c.tally.refused
		all.lost += c.tally.lost
		all.repeated += c.tally.repeated
	}
	trips, fsyncs := counted(tb, hosts)
	slices.Sort(all.took)
	per := func(count float64) float64 { return count / float64(n) }
	report(float64(n)/elapsed.Seconds(), "op/s")
	report(float64(all.took[len(all.took)/2].Microseconds())/1000, "p50-ms")
	report(float64(all.took[len(all.took)*99/100].Microseconds())/1000, "p99-ms")
	report(per(trips-tripsBefore), "trips/op")
	report(per(fsyncs-fsyncsBefore), "fsyncs/op")
	report(100*per(float64(all.ok)), "ok-%")
	if l.op == "cas" {
		report(100*per(float64(all.refused)), "412-%")
	}
	report(100*per(float64(all.lost)), "409-%")
	report(100*per(float64(all.repeated)), "503-%")
	return all
}

// each lets all clients do something at once, and ends the benchmark if one cannot: it would have measured nothing.
func (l *linearLoad) each(tb testing.TB, clients []*linearClient, do func(c *linearClient) error) {
	tb.Helper()
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { errs[i] = do(c) })
	}
	wg.Wait()
	require.NoError(tb, errors.Join(errs...))
}

// prime writes what the client's first n operations will want to find, and notes the ETags.
func (c *linearClient) prime(n int) error {
	load := *c.load
	defer func(l *linearLoad) { c.load, c.tally = l, linearTally{} }(c.load)
	load.op, c.load = "put", &load
	paths := linearPaths / load.clients
	if load.hot {
		paths = 1
	}
	for turn := range min(paths, n) {
		if err := c.operate(turn); err != nil {
			return err
		}
	}
	return nil
}

// linearClient has one operation at a time.
type linearClient struct {
	load   *linearLoad
	number int
	host   string
	http   *fasthttp.HostClient
	etags  map[string]string // what it saw where.
	tally  linearTally
}

// operate does one operation, and does it again while the answer is that it cannot be served, which ends.
func (c *linearClient) operate(turn int) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	path := c.load.path(c.number, turn)
	req.SetRequestURI("http://" + c.host + path + "?consistency=linearizable")
	if c.load.op != "get" {
		req.Header.SetMethod(fasthttp.MethodPut)
		req.SetBodyRaw(make([]byte, c.load.bytes))
	}
	if c.load.op == "cas" {
		req.Header.Set("If-Match", cmp.Or(c.etags[path], `"none"`))
	}
	deadline := time.Now().Add(patience)
	for {
		began := time.Now()
		if err := c.http.Do(req, resp); err != nil {
			return err
		}
		took := time.Since(began)
		switch status := resp.StatusCode(); status {
		case 200, 201, 204:
			c.tally.ok++
		case 412:
			c.tally.refused++
		case 409:
			c.tally.lost++
		case 503:
			if time.Now().After(deadline) {
				return fmt.Errorf("%s %s is not served: %s", c.load.op, path, resp.Body())
			}
			c.tally.repeated++
			continue
		default:
			return fmt.Errorf("%s %s: %d %s", c.load.op, path, status, resp.Body())
		}
		c.tally.took = append(c.tally.took, took)
		if etag := resp.Header.Peek("ETag"); len(etag) > 0 {
			c.etags[path] = string(etag)
		}
		return nil
	}
}

// counted is what the members have counted so far: round trips of linearizable operations, and fsyncs.
func counted(tb testing.TB, hosts []*Host) (trips, fsyncs float64) {
	tb.Helper()
	for _, h := range hosts {
		s, err := h.Status(context.Background())
		require.NoError(tb, err)
		trips += float64(s.Counters.RoundLooks + s.Counters.RoundPrepares + s.Counters.RoundAccepts)
		text, err := h.metrics.Text()
		require.NoError(tb, err)
		_, after, ok := bytes.Cut(text, []byte("\nkvs_persist_duration_seconds_count "))
		require.True(tb, ok)
		line, _, _ := bytes.Cut(after, []byte("\n"))
		count, err := strconv.ParseFloat(string(line), 64)
		require.NoError(tb, err)
		fsyncs += count
	}
	return trips, fsyncs
}

// linearCluster is a cluster of three voters that serves linearizable operations on every member.
func linearCluster(tb testing.TB) []*Host {
	tb.Helper()
	const members = 3
	hosts := make([]*Host, members)
	for i := range hosts {
		var seeds []string
		if i > 0 {
			seeds = []string{hosts[0].Addr()}
		}
		c := testConfig(tb, seeds...)
		c.ExpectedMembers = members
		h, err := Start(context.Background(), testOptions(c))
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, h.Stop(context.Background())) })
		hosts[i] = h
	}
	for _, h := range hosts {
		require.Eventually(tb, func() bool {
			s, err := h.Status(context.Background())
			alive := 0
			for _, m := range s.Members {
				if m.State == swim.Alive {
					alive++
				}
			}
			return err == nil && alive == members && s.Mode == node.ModeNormal && s.Config != nil &&
				len(s.Config.Voters) == members
		}, patience, time.Millisecond)
	}
	return hosts
}

// The loads run a little with the tests, so that they do not rot: every operation is answered, and costs what it must
// at the least.
func TestLinearizableLoads(t *testing.T) {
	hosts := linearCluster(t)
	for _, l := range linearLoads {
		t.Run(l.name(), func(t *testing.T) {
			l.clients = min(l.clients, 4)
			const n = 12
			figures := map[string]float64{}
			tally := l.run(t, hosts, n, func(value float64, unit string) { figures[unit] = value })
			require.Equal(t, n, tally.ok+tally.refused+tally.lost)
			require.Len(t, tally.took, n)
			least := 1.0
			if l.hot && l.op != "get" { // one round may carry a write of each client.
				least /= float64(l.clients)
			}
			require.GreaterOrEqual(t, figures["trips/op"], least)
			if l.op != "cas" || !l.hot { // there each may have been overtaken.
				require.Positive(t, tally.ok)
			}
		})
	}
}
