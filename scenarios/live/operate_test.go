package live

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/scenarios"
	"kvs/sim/scenario"
)

// newWorker is a client of two nodes that answer as handler does.
func newWorker(t *testing.T, s scenario.Scenario, handler http.HandlerFunc) *worker {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r := newRunner()
	r.o.Scenario, r.own, r.clients = s, scenarios.Of(&s), []*client.Client{nil}
	r.operator = &operator{runner: r}
	r.recorder = linearize.NewShared(linearize.Header{World: "test"}, func() int64 { return time.Now().UnixNano() })
	for range 2 {
		options := client.DefaultOptions(server.Listener.Addr().String())
		options.AttemptsMax = 1
		c, err := client.New(options)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		r.clients = append(r.clients, c)
	}
	return &worker{runner: r, process: r.recorder.NewProcess(), number: 1, rng: rand.New(rand.NewPCG(1, 1)),
		known: map[string]seen{}}
}

// A write of unknown outcome is tried again under its key, when the scenario says so, and its value lives as long as
// that says.
func TestWritesAreTriedAgainUnderTheirKey(t *testing.T) {
	for _, test := range []struct {
		retry int64
		// answers before the first that arrives; negative: the attempt after so many is certainly not done.
		lost               int
		tries              int
		ok, failed, unsure int
	}{
		{0, 1, 1, 0, 0, 1},
		{chaos.PPMAll, 0, 1, 1, 0, 0},
		{chaos.PPMAll, 2, 3, 1, 0, 0},
		{chaos.PPMAll, attemptsMax, attemptsMax, 0, 0, 1},
		{chaos.PPMAll, -1, 2, 0, 0, 1}, // the first may have done it.
	} {
		var keys, lives []string
		s := scenarios.Default()
		own := scenarios.Of(&s)
		own.Workload.Level, own.Workload.Retry = node.Linearizable, test.retry
		w := newWorker(t, s, func(rw http.ResponseWriter, req *http.Request) {
			keys, lives = append(keys, req.Header.Get(api.HeaderIdempotencyKey)),
				append(lives, req.Header.Get(api.HeaderTTL))
			switch {
			case len(keys) <= max(test.lost, -test.lost):
				rw.Header().Set("Content-Type", "application/problem+json")
				rw.WriteHeader(http.StatusServiceUnavailable)
				_, _ = rw.Write([]byte(`{"code":"no_quorum","outcome":"unknown"}`))
			case test.lost < 0:
				rw.Header().Set("Content-Type", "application/problem+json")
				rw.WriteHeader(http.StatusServiceUnavailable)
				_, _ = rw.Write([]byte(`{"code":"no_quorum","outcome":"not_applied"}`))
			default:
				rw.Header().Set("ETag", `"e1"`)
				rw.Header().Set(api.HeaderTimestamp, "1700000000000.00005")
				rw.WriteHeader(http.StatusNoContent)
			}
		})
		w.operate(t.Context(), scenarios.Op{Kind: scenarios.OpPut, Path: "a", Value: []byte("c1.1.."),
			Level: node.Linearizable, Node: 1, TTL: 1500 * time.Millisecond})
		require.Len(t, keys, test.tries, "%+v", test)
		for i := range keys {
			require.Equal(t, keys[0], keys[i])
			require.Equal(t, test.retry > 0, keys[i] != "")
			require.Equal(t, "1.5s", lives[i])
		}
		require.Equal(t, []int{test.ok, test.failed, test.unsure, 1},
			[]int{w.result.OK, w.result.Failed, w.result.Unknown, w.result.Operations}, "%+v", test)
		require.Equal(t, test.unsure > 0, w.records["a"].putUnknown)
	}
}

// Clients know what they have written: anything else in an answer is a violation, at every level.
func TestWrongValuesAreSeen(t *testing.T) {
	put := scenarios.Op{Kind: scenarios.OpPut, Path: "a", Value: []byte("c1.1....")}
	other := scenarios.Op{Kind: scenarios.OpPut, Path: "b", Value: []byte("c1.2....")}
	get := scenarios.Op{Kind: scenarios.OpGet, Path: "a"}
	list := scenarios.Op{Kind: scenarios.OpList, Recursive: true}
	eight := `{"entries":[{"path":"a","etag":"e1","bytes":8}]}`
	for name, test := range map[string]struct {
		ops    []scenarios.Op
		says   string // status 200 with this body, and the ETag "e1" of gets and puts.
		refuse bool   // puts are, certainly.
		wrong  string
	}{
		"as written":  {[]scenarios.Op{put, get}, "c1.1....", false, ""},
		"other bytes": {[]scenarios.Op{put, get}, "c1.9....", false, `"c1.9", which no client has written`},
		"those of another path": {[]scenarios.Op{put, other, get}, "c1.2....", false,
			`"c1.2", which no client has written`},
		"cut short": {[]scenarios.Op{put, get}, "c1.1..", false, `6 bytes of "c1.1", which had 8`},
		"another under its version": {[]scenarios.Op{put, {Kind: scenarios.OpPut, Path: "a", Value: []byte("c1.3")}},
			"", false, `version e1 is "c1.3", and was "c1.1"`},
		"a refused one":             {[]scenarios.Op{put, get}, "c1.1....", true, "was refused as not done"},
		"listed":                    {[]scenarios.Op{put, list}, eight, false, ""},
		"listed under another path": {[]scenarios.Op{other, list}, eight, false, "a, which no client has written"},
		"listed with another size": {[]scenarios.Op{put, list}, `{"entries":[{"path":"a","etag":"e1","bytes":7}]}`,
			false, "7 bytes at a"},
		"listed twice": {[]scenarios.Op{put, list}, `{"entries":[{"path":"a"},{"path":"a"}]}`, false,
			"a after a"},
		"listed elsewhere": {[]scenarios.Op{put, {Kind: scenarios.OpList, Path: "b/"}}, eight, false,
			`the listing of "b/" shows a`},
		"a directory of nothing": {[]scenarios.Op{put, {Kind: scenarios.OpList}},
			`{"entries":[{"path":"b/","directory":true}]}`, false, "below which no client"},
		"too deep": {[]scenarios.Op{put, {Kind: scenarios.OpList}},
			`{"entries":[{"path":"a/b/c","bytes":7}]}`, false, "shows a/b/c"},
	} {
		w := newWorker(t, scenarios.Default(), func(rw http.ResponseWriter, req *http.Request) {
			rw.Header().Set("ETag", `"e1"`)
			rw.Header().Set(api.HeaderTimestamp, "1700000000000.00005")
			switch {
			case req.Method == http.MethodPut && test.refuse:
				rw.Header().Set("Content-Type", "application/problem+json")
				rw.WriteHeader(http.StatusServiceUnavailable)
				_, _ = rw.Write([]byte(`{"code":"read_only","outcome":"not_applied"}`))
			case req.Method == http.MethodPut:
				rw.WriteHeader(http.StatusNoContent)
			default:
				_, _ = rw.Write([]byte(test.says))
			}
		})
		for _, op := range test.ops {
			op.Node, op.Level = 1, node.Eventual
			w.operate(t.Context(), op)
		}
		all := append(w.result.Violations, w.values.refusedButSeen()...)
		if test.wrong == "" {
			require.Empty(t, all, name)
			continue
		}
		require.Len(t, all, 1, name)
		require.Contains(t, all[0], test.wrong, name)
	}
}
