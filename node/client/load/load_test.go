package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// memory is a Store that takes a fixed time for each operation.
type memory struct {
	mu      sync.Mutex
	values  map[string]int // path -> version.
	bytes   map[int]int    // length of a value -> writes of it.
	takes   func(op string, n int) time.Duration
	fails   func(op string, n int) error // nil: none.
	ops     map[string]int
	running int
	// stubborn: what was sent is applied, whatever the client waits for.
	stubborn bool
	most     int // running at once.
}

func newMemory(takes time.Duration) *memory {
	return &memory{values: map[string]int{}, bytes: map[int]int{}, ops: map[string]int{},
		takes: func(string, int) time.Duration { return takes }}
}

func (m *memory) do(ctx context.Context, op string, apply func(n int) error) error {
	m.mu.Lock()
	m.ops[op]++
	n := m.ops[op]
	m.running++
	m.most = max(m.most, m.running)
	m.mu.Unlock()
	takes := m.takes(op, n)
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		if m.stubborn {
			time.AfterFunc(takes, func() { m.mu.Lock(); defer m.mu.Unlock(); _ = apply(n) })
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running--
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.fails != nil {
		if err := m.fails(op, n); err != nil {
			return err
		}
	}
	return apply(n)
}

func (m *memory) Get(ctx context.Context, path string, _ node.Level) (v client.Value, err error) {
	err = m.do(ctx, "get", func(int) error {
		version, found := m.values[path]
		if !found {
			return &client.Error{Code: api.NotFound}
		}
		v.ETag = fmt.Sprint(version)
		return nil
	})
	return v, err
}

func (m *memory) Put(ctx context.Context, path string, _ node.Level, body []byte, _ string) (client.Written, error) {
	return client.Written{}, m.do(ctx, "put", func(int) error {
		m.values[path]++
		m.bytes[len(body)]++
		return nil
	})
}

// PutIf cannot see the version in a Condition: it fails each third time as if another client had been faster.
func (m *memory) PutIf(ctx context.Context, path string, _ client.Condition, _ []byte, _ string) (
	client.Written, error) {
	return client.Written{}, m.do(ctx, "cas", func(n int) error {
		if n%3 == 0 {
			return &client.Error{Code: api.Precondition, ETag: fmt.Sprint(m.values[path])}
		}
		m.values[path]++
		return nil
	})
}

func (m *memory) Delete(ctx context.Context, path string, _ node.Level) (client.Written, error) {
	return client.Written{}, m.do(ctx, "delete", func(int) error { delete(m.values, path); return nil })
}

func (m *memory) List(_ context.Context, req node.ListRequest) (l api.Listing, err error) {
	for path := range m.values {
		if strings.HasPrefix(path, req.Directory) {
			l.Entries = append(l.Entries, api.Entry{Path: path})
		}
	}
	return l, nil
}

func options(op Op) Options {
	return Options{Op: op, Level: node.Linearizable, Clients: 4, Keys: 10, Bytes: 13, Duration: 10 * time.Second,
		Reads: 0.5, Seed: 1, Prefix: "bench/"}
}

func TestClosedLoop(t *testing.T) {
	for _, op := range Ops {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(10 * time.Millisecond)
				var told []Progress
				o := options(op)
				o.Progress = func(p Progress) { told = append(told, p) }
				r, err := Run(t.Context(), []Store{m}, o)
				require.NoError(t, err)
				require.Empty(t, m.values, "the keys are gone")
				require.Equal(t, 4, m.most)
				require.InDelta(t, 10, r.Seconds, 0.1)
				require.Zero(t, r.ErrorsInAll)
				require.False(t, r.Interrupted)
				require.NotEmpty(t, told)
				switch op {
				case CAS: // a get, and three attempts for two successes.
					require.InDelta(t, 4000/2.5, r.Operations, 40)
					require.InDelta(t, 1.5, r.AttemptsMean, 0.01)
				case Mixed:
					require.InDelta(t, 2000, m.ops["get"], 200)
					fallthrough
				default:
					require.InDelta(t, 4000, r.Operations, 8)
					require.InDelta(t, 10, r.Latency.P50, 0.02)
					require.InDelta(t, 10, r.Latency.Max, 0.02)
				}
				for length := range m.bytes {
					require.Equal(t, 13, length)
				}
			})
		})
	}
}

// Operations that were due while the store stalled count from the moment at which they were due.
func TestOpenLoopCountsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(0)
		m.takes = func(op string, n int) time.Duration {
			if op == "put" && n == 500 {
				return 2 * time.Second
			}
			return 0
		}
		o := options(Put)
		o.Clients, o.Rate = 1, 100
		r, err := Run(t.Context(), []Store{m}, o)
		require.NoError(t, err)
		require.InDelta(t, 1000, r.Operations, 2)
		require.InDelta(t, 2000, r.Latency.Max, 5)
		require.InDelta(t, 1000, r.Latency.P90, 30, "a fifth of all were due during the stall")
		require.Less(t, r.Latency.P50, 1.0)
	})
}

func TestErrorsAreCountedByCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10 * time.Millisecond)
		m.fails = func(op string, n int) error {
			switch {
			case op != "put":
				return nil
			case n%4 == 0:
				return &client.Error{Code: api.NoQuorum, Outcome: api.NotApplied}
			case n%4 == 1:
				return &client.Error{Code: client.Unreachable, Outcome: api.Unknown}
			}
			return nil
		}
		r, err := Run(t.Context(), []Store{m}, options(Put))
		require.NoError(t, err)
		require.InDelta(t, 2000, r.Operations, 8)
		require.InDelta(t, 1000, r.Errors["no_quorum"], 4)
		require.InDelta(t, 1000, r.Errors["unreachable (outcome unknown)"], 4)
		require.Equal(t, r.Errors["no_quorum"]+r.Errors["unreachable (outcome unknown)"], r.ErrorsInAll)
		require.InDelta(t, 10, r.ErrorsLatency.P99, 0.02)
	})
}

func TestNothingOfOthersIsTouched(t *testing.T) {
	m := newMemory(0)
	m.values["bench/x"] = 1
	r, err := Run(t.Context(), []Store{m}, options(Put))
	require.ErrorIs(t, err, ErrPrefixInUse)
	require.Nil(t, r)
	require.Empty(t, m.ops)
}

// An interrupt ends the measurement early; the report and the removal of the keys follow all the same.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10 * time.Millisecond)
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, interrupt)
		r, err := Run(ctx, []Store{m}, options(Put))
		require.NoError(t, err)
		require.True(t, r.Interrupted)
		require.InDelta(t, 2, r.Seconds, 0.1)
		require.Empty(t, m.values)
	})
}

// An operation that hangs until after the end of the measurement shows, with its latency and its error, and leaves the
// operations a second as they are.
func TestWhatHangsAtTheEndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(0)
		m.takes = func(op string, n int) time.Duration {
			if op == "put" && n == 7 {
				return 15 * time.Second
			}
			return 10 * time.Millisecond
		}
		m.fails = func(op string, n int) error {
			if op == "put" && n == 7 {
				return &client.Error{Code: api.NoQuorum, Outcome: api.Unknown}
			}
			return nil
		}
		r, err := Run(t.Context(), []Store{m}, options(Put))
		require.NoError(t, err)
		require.InDelta(t, 10, r.Seconds, 0.001)
		require.InDelta(t, 300, r.PerSecond, 2)
		require.Equal(t, map[string]int64{"no_quorum (outcome unknown)": 1}, r.Errors)
		require.InDelta(t, 15_000, r.ErrorsLatency.Max, 10)
	})
}

// An interrupt while the keys are made leaves none, and says so.
func TestInterruptWhileKeysAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(300 * time.Millisecond)
		m.stubborn = true
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, interrupt)
		r, err := Run(ctx, []Store{m}, options(Get))
		require.Nil(t, r)
		require.ErrorContains(t, err, "interrupted while the keys were made")
		<-time.After(time.Minute)
		require.Empty(t, m.values)
	})
}

// A write that is under way when the time is over has ended before the keys are removed: nothing is left.
func TestNoWriteOutlivesTheRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(0)
		m.takes = func(op string, _ int) time.Duration {
			if op == "put" {
				return 3 * time.Second
			}
			return time.Millisecond
		}
		m.stubborn = true
		r, err := Run(t.Context(), []Store{m}, options(Put))
		require.NoError(t, err)
		require.EqualValues(t, 4*4, r.Operations)
		require.InDelta(t, 4*3/10., r.PerSecond, 0.01)
		<-time.After(time.Minute)
		require.Empty(t, m.values)
	})
}

// When the keys cannot be made there is nothing to measure; what was made is removed.
func TestLoadFails(t *testing.T) {
	m := newMemory(0)
	m.fails = func(op string, n int) error {
		if op == "put" && n == 7 {
			return errors.New("disk full")
		}
		return nil
	}
	r, err := Run(t.Context(), []Store{m}, options(Get))
	require.ErrorContains(t, err, "loading: 1 of 10 operations failed, the first one: disk full")
	require.Nil(t, r)
	require.Empty(t, m.values)
}

func TestCleaningFails(t *testing.T) {
	m := newMemory(0)
	m.fails = func(op string, n int) error {
		if op == "delete" {
			return errors.New("gone")
		}
		return nil
	}
	o := options(Put)
	o.Duration = 10 * time.Millisecond
	r, err := Run(t.Context(), []Store{m}, o)
	// How many keys there are depends on how fast the machine is.
	require.Regexp(t, `keys are left below bench/: cleaning: \d+ of \d+ operations failed, the first one: gone`,
		err.Error())
	require.NotNil(t, r)
}

func TestOptionsAreChecked(t *testing.T) {
	for want, spoil := range map[string]func(*Options){
		"operation":      func(o *Options) { o.Op = "scan" },
		"clients":        func(o *Options) { o.Clients = 0 },
		"keys":           func(o *Options) { o.Keys = 0 },
		"bytes":          func(o *Options) { o.Bytes = -1 },
		"duration":       func(o *Options) { o.Duration = 0 },
		"rate":           func(o *Options) { o.Rate = -1 },
		"reads":          func(o *Options) { o.Reads = 1.1 },
		"linearizable":   func(o *Options) { o.Op, o.Level = CAS, node.Eventual },
		"slash":          func(o *Options) { o.Prefix = "bench" },
		"prefix \"a//\"": func(o *Options) { o.Prefix = "a//" },
	} {
		o := options(Put)
		spoil(&o)
		_, err := Run(t.Context(), []Store{newMemory(0)}, o)
		require.ErrorContains(t, err, want)
	}
}

func TestReportIsStableJSON(t *testing.T) {
	b, err := json.Marshal(Report{Errors: map[string]int64{"no_quorum": 1}, ErrorsLatency: &Latency{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"op":"","consistency":"","clients":0,"keys":0,
		"value_bytes":0,"seconds":0,"interrupted":false,
		"operations":0,"operations_per_second":0,"errors":0,
		"latency_ms":{"min":0,"mean":0,"p50":0,"p90":0,"p99":0,"p99_9":0,"max":0},
		"errors_latency_ms":{"min":0,"mean":0,"p50":0,"p90":0,"p99":0,"p99_9":0,"max":0},
		"errors_by_code":{"no_quorum":1}}`, string(b))
}
