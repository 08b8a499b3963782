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
)

// newWorker is a client of two nodes that answer as handler does.
func newWorker(t *testing.T, s scenarios.Scenario, handler http.HandlerFunc) *worker {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r := newRunner()
	r.o.Scenario, r.clients, r.labels = s, []*client.Client{nil}, map[string]string{}
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
	return &worker{runner: r, process: r.recorder.NewProcess(), number: 1, rng: rand.New(rand.NewPCG(1, 1)), known: map[string]seen{}}
}

// A write of unknown outcome is tried again under its key, when the scenario says so, and its value lives as long as that says.
func TestWritesAreTriedAgainUnderTheirKey(t *testing.T) {
	for _, test := range []struct {
		retry              int64
		lost               int // answers before the first that arrives; negative: the attempt after so many is certainly not done.
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
		s.Workload.Level, s.Workload.Retry = node.Linearizable, test.retry
		w := newWorker(t, s, func(rw http.ResponseWriter, req *http.Request) {
			keys, lives = append(keys, req.Header.Get(api.HeaderIdempotencyKey)), append(lives, req.Header.Get(api.HeaderTTL))
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
		w.operate(t.Context(), scenarios.Op{Kind: scenarios.OpPut, Path: "a", Value: []byte("c1.1.."), Level: node.Linearizable, Node: 1, TTL: 1500 * time.Millisecond})
		require.Len(t, keys, test.tries, "%+v", test)
		for i := range keys {
			require.Equal(t, keys[0], keys[i])
			require.Equal(t, test.retry > 0, keys[i] != "")
			require.Equal(t, "1.5s", lives[i])
		}
		require.Equal(t, []int{test.ok, test.failed, test.unsure, 1}, []int{w.result.OK, w.result.Failed, w.result.Unknown, w.result.Operations}, "%+v", test)
		require.Equal(t, test.unsure > 0, w.records["a"].putUnknown)
	}
}
