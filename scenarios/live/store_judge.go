package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"kvs/linearize"
	"kvs/scenarios"
	"kvs/scenarios/live/driver"
)

// content is what a path holds in the end.
type content struct {
	found bool
	label string
}

var errApart = errors.New("the nodes hold different values")

// settle waits until all nodes serve and show the same, and reads every path at every node once more, which goes into
// the history. It returns what all nodes show; nil: they never agreed.
func (r *storeRun) settle(ctx context.Context) (map[string]content, error) {
	r.o.Progress("waiting for the nodes to agree")
	clients, err := r.open()
	if err != nil {
		return nil, err
	}
	defer closeAll(clients)
	begin, paths := time.Now(), scenarios.Paths(r.own.Workload.Keys)
	within, cancel := context.WithTimeout(ctx, r.o.Scenario.Settle)
	defer cancel()
	for {
		_, now := r.compare(within, clients, paths, false)
		if now == nil || within.Err() == nil || err == nil {
			err = now // and not that of a look which the deadline cut short.
		}
		if now == nil || pause(within, lookEvery) != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r.result.Settled, r.result.SettledIn = err == nil, time.Since(begin)
	final, last := r.compare(ctx, clients, paths, true)
	switch {
	case err == nil && last == nil:
		return final, nil
	case err == nil:
		err = last
	}
	if errors.Is(err, errApart) {
		r.storeViolation(scenarios.Converged, fmt.Sprintf("after %s: %v", r.o.Scenario.Settle, err))
	} else {
		r.violate(scenarios.Finished, fmt.Sprintf("%s after the faults: %v", r.o.Scenario.Settle, err))
	}
	return nil, nil
}

// compare reads all paths at all nodes that serve reads, and returns what they show; errApart: they differ. With record
// set, the reads go into the history.
func (r *storeRun) compare(ctx context.Context, clients []driver.Client, paths []string, record bool) (
	map[string]content, error) {
	shown, failed := make([]map[string]content, len(clients)), make([]error, len(clients))
	var reading sync.WaitGroup
	for n := 1; n < len(clients); n++ {
		reading.Go(func() { shown[n], failed[n] = r.readAll(ctx, n, clients[n], paths, record) })
	}
	reading.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	first := 0
	for n := 1; n < len(clients); n++ {
		switch {
		case shown[n] == nil: // it serves no reads.
		case first == 0:
			first = n
		case !maps.Equal(shown[first], shown[n]):
			return nil, fmt.Errorf("n%d and n%d: %w%s", first, n, errApart, difference(shown[first], shown[n]))
		}
	}
	if first == 0 {
		return nil, errors.New("no node serves reads")
	}
	return shown[first], nil
}

// difference is an example of what differs.
func difference(a, b map[string]content) string {
	for _, p := range slices.Sorted(maps.Keys(a)) {
		if a[p] != b[p] {
			return fmt.Sprintf(": %s is %s and %s", p, a[p], b[p])
		}
	}
	return ""
}

// String is the content for people.
func (c content) String() string {
	if !c.found {
		return "absent"
	}
	return fmt.Sprintf("%q", c.label)
}

// readAll reads all paths at one node; nil: another node serves reads.
func (r *storeRun) readAll(ctx context.Context, n int, c driver.Client, paths []string, record bool) (
	map[string]content, error) {
	shown := map[string]content{}
	process := 0
	if record {
		process = r.recorder.NewProcess()
	}
	for _, p := range paths {
		var h linearize.Handle
		if record {
			h = r.recorder.Invoke(process, linearize.Op{Node: fmt.Sprintf("n%d", n), Kind: linearize.Get, Path: p})
		}
		within, cancel := context.WithTimeout(ctx, r.own.Workload.Timeout)
		v, err := c.Get(within, p)
		cancel()
		if record && err == nil {
			r.seen(p, v)
			r.recorder.OK(h, answered(v))
		} else if record {
			r.recorder.Fail(h, err.Error())
		}
		switch {
		case errors.Is(err, driver.ErrElsewhere):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("n%d does not answer a read: %w", n, err)
		}
		a := answered(v)
		shown[p] = content{a.Found, a.Output}
	}
	return shown, nil
}

// storeViolation records a violation of a promise, if it is one that the store makes.
func (r *storeRun) storeViolation(p fmt.Stringer, detail string) {
	for _, made := range r.store.Promises {
		if made.String() == p.String() {
			r.violate(p, detail)
		}
	}
}

// judge judges the history. Final is what all nodes show in the end; nil: they do not agree.
func (r *storeRun) judge(final map[string]content) {
	r.o.Progress("judging the history")
	if wrong := lost(r.result.History, final); wrong != "" {
		r.storeViolation(scenarios.NoLostWrite, wrong)
	}
	if !slices.Contains(r.store.Promises, scenarios.Linearizable) {
		return
	}
	r.result.Linearized = linearize.Check(r.result.History, linearize.Options{})
	if r.result.Linearized.Verdict != linearize.Linearizable || r.result.Linearized.Nothing != "" {
		r.violate(scenarios.Linearizable, "the history is judged: "+r.result.Linearized.Summary())
	}
}

// lost finds acknowledged writes that are gone: what a path holds in the end was written, or deleted, by an operation
// that had ended before the lost one was sent. Then the lost one came after it in any order, and should be there. A
// write of unknown outcome has no end, and proves nothing. It is empty if there is none.
func lost(h *linearize.History, final map[string]content) (wrong string) {
	ops := map[string][]*linearize.Op{}
	for i := range h.Ops {
		o := &h.Ops[i]
		ops[o.Path] = append(ops[o.Path], o)
	}
	writes, paths := 0, 0
	for _, p := range slices.Sorted(maps.Keys(final)) {
		end, from := lastWriteOf(ops[p], final[p])
		if !from {
			continue // it holds what no client has written: the judge of the history says so.
		}
		var gone []*linearize.Op
		for _, o := range ops[p] {
			if acknowledged(o) && o.Invoke > end {
				gone = append(gone, o)
			}
		}
		if len(gone) == 0 {
			continue
		}
		if paths++; paths <= lostShownMax {
			wrong += fmt.Sprintf("; %s is %s in the end, as it was before `%s` at %s was sent", p, final[p], gone[0],
				gone[0].Node)
		}
		writes += len(gone)
	}
	if paths == 0 {
		return ""
	}
	return fmt.Sprintf("%d acknowledged writes to %d of %d paths are lost%s", writes, paths, len(final), wrong)
}

// lostShownMax bounds the paths with lost writes that are named.
const lostShownMax = 3

// lastWriteOf is when the last operation that may have made a path what it is had ended: Never if that is not known.
// A path is absent before the first one.
func lastWriteOf(ops []*linearize.Op, is content) (end int64, from bool) {
	end, from = -1, !is.found
	for _, o := range ops {
		makes := isDelete(o) && !is.found || isWrite(o) && is.found && o.Input == is.label
		if makes && (acknowledged(o) || o.Status == linearize.Info || o.Status == linearize.Open) {
			end, from = max(end, o.Return), true
		}
	}
	return end, from
}

func isWrite(o *linearize.Op) bool { return o.Kind == linearize.Put || o.Kind == linearize.CAS }
func isDelete(o *linearize.Op) bool {
	return o.Kind == linearize.Delete || o.Kind == linearize.CASDelete
}

// acknowledged reports whether an operation changed its path, and its client knows.
func acknowledged(o *linearize.Op) bool {
	conditional := o.Kind == linearize.CAS || o.Kind == linearize.CASDelete
	return o.Status == linearize.OK && (isWrite(o) || isDelete(o)) && (!conditional || o.Applied)
}
