package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

const (
	writersPerLevel = 2
	counters        = 4 // paths that compare-and-set counts up.
	countersWriters = 2
	attemptTimeout  = 5 * time.Second
)

// work is the writers and what they know of their writes.
type work struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	acked    map[string]string // path to version, each path is written once.
	counted  [counters]int     // increments that were acknowledged,
	doubtful [counters]int     // and that may have happened.
	unknown  int
	refused  int
}

// startWork starts writers at all levels through all nodes.
func startWork(endpoints []string, seed uint64) *work {
	ctx, cancel := context.WithCancel(context.Background())
	w := &work{cancel: cancel, acked: map[string]string{}}
	number := uint64(0)
	start := func(run func(ctx context.Context, c *client.Client, draw *rand.Rand, name string)) {
		number++
		draw, name := rand.New(rand.NewPCG(seed, number)), fmt.Sprintf("w%d", number)
		at := int(number) % len(endpoints)
		o := client.DefaultOptions(append(append([]string(nil), endpoints[at:]...), endpoints[:at]...)...)
		o.AttemptTimeout = attemptTimeout
		c, err := client.New(o)
		if err != nil {
			panic("storm: " + err.Error()) // the endpoints are our own.
		}
		w.done.Go(func() {
			defer c.Close()
			for ctx.Err() == nil {
				run(ctx, c, draw, name)
				wait(ctx, writePause)
			}
		})
	}
	for _, level := range []node.Level{node.Eventual, node.Quorum, node.Linearizable} {
		for range writersPerLevel {
			n := 0
			start(func(ctx context.Context, c *client.Client, draw *rand.Rand, name string) {
				n++
				w.put(ctx, c, draw, fmt.Sprintf("storm/%s/%s/%03d/%06d", level, name, n/1000, n), level)
			})
		}
	}
	for range countersWriters {
		start(w.count)
	}
	return w
}

// stop ends the writers and returns when the last one has its answer.
func (w *work) stop() {
	w.cancel()
	w.done.Wait()
}

func (w *work) put(ctx context.Context, c *client.Client, draw *rand.Rand, path string, level node.Level) {
	body := make([]byte, 16+draw.IntN(1000))
	copy(body, path)
	written, err := c.Put(ctx, path, level, body, "text/plain")
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.acked[path] = written.ETag
		return
	}
	w.failed(err)
}

// failed counts a write that was not acknowledged, and reports whether it may have happened. The caller holds mu.
func (w *work) failed(err error) (doubtful bool) {
	var e *client.Error
	if errors.As(err, &e) && e.Outcome == api.NotApplied {
		w.refused++
		return false
	}
	w.unknown++
	return true
}

func counterPath(i int) string { return fmt.Sprintf("storm/counter/%d", i) }

// count adds one to a counter by compare-and-set.
func (w *work) count(ctx context.Context, c *client.Client, draw *rand.Rand, _ string) {
	i := draw.IntN(counters)
	cond, n := client.IfAbsent(), 0
	v, err := c.Get(ctx, counterPath(i), node.Linearizable)
	switch {
	case err == nil:
		if n, err = strconv.Atoi(string(v.Body)); err != nil {
			panic(fmt.Sprintf("%s holds %q", counterPath(i), v.Body)) // nothing else is written there.
		}
		cond = client.IfVersion(v.ETag)
	case !client.IsNotFound(err):
		return
	}
	_, err = c.PutIf(ctx, counterPath(i), cond, strconv.AppendInt(nil, int64(n+1), 10), "text/plain")
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.counted[i]++
		return
	}
	if w.failed(err) {
		w.doubtful[i]++
	}
}
