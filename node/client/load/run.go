package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"kvs/node/api"
	"kvs/node/client"
)

const (
	contentType      = "application/octet-stream"
	progressInterval = time.Second
	latencyMax       = 10 * time.Minute // what took longer counts as this.
	significant      = 3                // decimal digits of a latency.
	loadErrorsMax    = 100              // of the making of keys, before it is given up.
)

// run is one call of Run.
type run struct {
	Options
	stores []Store
	report *Report
	made   []atomic.Bool // by key: it may exist.
}

// crew is the clients of one phase.
type crew struct {
	phase   Phase
	total   int64
	started time.Time
	until   time.Time // zero: the phase ends when its work is done.
	done    atomic.Int64
	errors  atomic.Int64
}

// hire runs work for each client and returns when all have ended; meanwhile it tells how far they are.
func (r *run) hire(c *crew, work func(client int)) {
	c.started = time.Now()
	var all sync.WaitGroup
	for i := range r.Clients {
		all.Go(func() { work(i) })
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	last, lastAt := int64(0), c.started
	for {
		select {
		case <-ended:
			return
		case now := <-ticker.C:
			if r.Progress == nil {
				continue
			}
			done := c.done.Load()
			p := Progress{
				Phase: c.phase, Done: done, Total: c.total, Errors: c.errors.Load(), Elapsed: now.Sub(c.started),
				LastSecond: float64(done-last) / now.Sub(lastAt).Seconds(),
			}
			if !c.until.IsZero() {
				p.Left = max(c.until.Sub(now), 0)
			}
			last, lastAt = done, now
			r.Progress(p)
		}
	}
}

// each calls do for every key once, spread over the clients, until do has failed for too many or ctx ends.
func (r *run) each(ctx context.Context, phase Phase, keys int, do func(s Store, key int) error) error {
	c := &crew{phase: phase, total: int64(keys)}
	var next atomic.Int64
	var mu sync.Mutex
	var first error
	r.hire(c, func(client int) {
		s := r.stores[client%len(r.stores)]
		for ctx.Err() == nil && c.errors.Load() < loadErrorsMax {
			key := int(next.Add(1)) - 1
			if key >= keys {
				return
			}
			if err := do(s, key); err != nil {
				c.errors.Add(1)
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
			}
			c.done.Add(1)
		}
	})
	if n := c.errors.Load(); n > 0 {
		return fmt.Errorf("%s: %d of %d operations failed, the first one: %w", phase, n, c.done.Load(), first)
	}
	return ctx.Err()
}

// load makes the keys that a measurement wants to find.
func (r *run) load(ctx context.Context) error {
	if r.Op == Put {
		return nil
	}
	began := time.Now()
	err := r.each(ctx, Loading, r.Keys, func(s Store, key int) error {
		r.made[key].Store(true)
		// what is under way at an interrupt ends first: else it could come after the removal of its key.
		_, err := s.Put(context.WithoutCancel(ctx), r.key(key), r.Level,
			r.value(rand.New(rand.NewPCG(r.Seed, uint64(key))), uint64(key)), contentType)
		return err
	})
	r.report.LoadSeconds = time.Since(began).Seconds()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("interrupted while the keys were made: nothing was measured: %w", err)
	}
	return err
}

// clean removes the keys.
func (r *run) clean(ctx context.Context) error {
	if r.Keep {
		return nil
	}
	var made []int
	for key := range r.made {
		if r.made[key].Load() {
			made = append(made, key)
		}
	}
	err := r.each(ctx, Cleaning, len(made), func(s Store, i int) error {
		_, err := s.Delete(ctx, r.key(made[i]), r.Level)
		return err
	})
	if err != nil {
		return fmt.Errorf("keys are left below %s: %w", r.Prefix, err)
	}
	return nil
}

// value is the number that makes it unlike all others, and noise, which no store can compress.
func (r *run) value(draw *rand.Rand, number uint64) []byte {
	b := make([]byte, (r.Bytes+7)&^7)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], draw.Uint64())
	}
	if len(b) > 0 {
		binary.LittleEndian.PutUint64(b, number)
	}
	return b[:r.Bytes]
}

// worker is one client of the measurement.
type worker struct {
	*run
	store    Store
	draw     *rand.Rand
	latency  *hdrhistogram.Histogram // in microseconds, of what succeeded.
	failed   *hdrhistogram.Histogram // the same, of what did not.
	errors   map[string]int64
	attempts int64
	number   uint64
}

// measure runs the operations.
func (r *run) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.Duration)
	defer cancel()
	c := &crew{phase: Measuring, until: time.Now().Add(r.Duration)}
	workers := make([]*worker, r.Clients)
	for i := range workers {
		workers[i] = &worker{
			run: r, store: r.stores[i%len(r.stores)], draw: rand.New(rand.NewPCG(r.Seed, uint64(i))),
			number:  uint64(i) << 40,
			latency: newHistogram(), failed: newHistogram(), errors: map[string]int64{},
		}
	}
	var next atomic.Int64
	r.hire(c, func(client int) { workers[client].work(ctx, c, &next) })
	r.report.Interrupted = !errors.Is(ctx.Err(), context.DeadlineExceeded)
	r.report.fill(workers, c.done.Load()-c.errors.Load(), min(time.Since(c.started), r.Duration))
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, latencyMax.Microseconds(), significant)
}

// work runs operations until ctx ends. The one that runs then goes on to its own end, so that no write is still under
// way when the keys are removed. It counts with its latency and its error, since one that hangs would show nowhere
// else, but not in the operations a second.
func (w *worker) work(ctx context.Context, c *crew, next *atomic.Int64) {
	for {
		due := time.Now()
		if w.Rate > 0 {
			due = c.started.Add(time.Duration(float64(next.Add(1)-1) / w.Rate * float64(time.Second)))
			if !waitUntil(ctx, due) {
				return
			}
		}
		err := w.one(ctx, context.WithoutCancel(ctx))
		if errors.Is(err, errGivenUp) {
			return
		}
		inTime := ctx.Err() == nil
		took := max(min(time.Since(due), latencyMax).Microseconds(), 1)
		h := w.latency
		if err != nil {
			h = w.failed
			w.errors[codeOf(err)]++
		}
		_ = h.RecordValue(took) // it lies within the histogram's bounds.
		if !inTime {
			return
		}
		if err != nil {
			c.errors.Add(1)
		}
		c.done.Add(1)
	}
}

// errGivenUp is a compare-and-set that had not succeeded when the measurement ended.
var errGivenUp = errors.New("the measurement has ended")

// waitUntil returns false when ctx ended first.
func waitUntil(ctx context.Context, at time.Time) bool {
	wait := time.Until(at)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// one runs an operation, whose requests have ctx. Until says when a compare-and-set is not tried again.
func (w *worker) one(until, ctx context.Context) error {
	key := w.draw.IntN(w.Keys)
	path := w.key(key)
	w.number++
	switch {
	case w.Op == Get, w.Op == Mixed && w.draw.Float64() < w.Reads:
		w.attempts++
		_, err := w.store.Get(ctx, path, w.Level)
		return err
	case w.Op == CAS:
		return w.compareAndSet(until, ctx, path)
	}
	w.attempts++
	w.made[key].Store(true)
	_, err := w.store.Put(ctx, path, w.Level, w.value(w.draw, w.number), contentType)
	return err
}

// compareAndSet reads the version and replaces it, until no other client has come between.
func (w *worker) compareAndSet(until, ctx context.Context, path string) error {
	v, err := w.store.Get(ctx, path, w.Level)
	if err != nil {
		w.attempts++
		return err
	}
	body := w.value(w.draw, w.number)
	for etag := v.ETag; until.Err() == nil; {
		w.attempts++
		_, err := w.store.PutIf(ctx, path, client.IfVersion(etag), body, contentType)
		var refused *client.Error
		switch {
		case errors.As(err, &refused) && refused.Code == api.Precondition && refused.ETag != "":
			etag = refused.ETag
		case errors.As(err, &refused) && refused.Code == api.ConflictRetry:
			// it was not applied, see the code's description.
		default:
			return err
		}
	}
	return errGivenUp
}

// codeOf is the name under which an error is counted.
func codeOf(err error) string {
	var e *client.Error
	if !errors.As(err, &e) {
		return "other"
	}
	code := string(e.Code)
	if e.Outcome == api.Unknown {
		code += " (outcome unknown)"
	}
	return code
}
