package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kvs/linearize"
	"kvs/scenarios"
	"kvs/scenarios/live/driver"
	"kvs/sim/scenario"
)

// Store is another store than kvs, or kvs without what only kvs has: its clients know it by a driver, and it is judged
// by the promises that make sense for any store.
type Store struct {
	Driver driver.Driver
	// Promises are what is judged, in place of what the scenario expects of kvs: Linearizable, NoLostWrite, Converged.
	Promises []scenario.Promise
	// Ready returns nil when all nodes are ready, as far as it can be seen without the driver. It may be nil.
	Ready       func(ctx context.Context) error
	ReadyWithin time.Duration
	// Attend works beside the nodes until ctx ends, as what replaces a primary does. It may be nil.
	Attend func(ctx context.Context)
}

// storePromises are those that can be judged of any store.
var storePromises = []scenario.Promise{scenarios.Linearizable, scenarios.NoLostWrite, scenarios.Converged}

// OnlyKVS is why a scenario is not for another store; empty: it is.
//
// Lines about kvs' own nodes say nothing about others and are left out: clocks, tuning and disk; a level, a retry under
// a key, and listings.
func OnlyKVS(s *scenario.Scenario) string {
	own, usual := scenarios.Of(s), scenarios.NewSections()
	switch {
	case own.Workload.Mixed:
		return "level=mixed: the levels are those of kvs; choose a scenario with one level"
	case own.Workload.TTLMax > 0:
		return "ttl: values that expire are judged of kvs alone; take it out"
	case own.Workload.Watchers > 0:
		return "watchers: clients that watch are those of kvs; take it out"
	case own.Voters != usual.Voters:
		return "voters: they are those of kvs; take the line out"
	}
	return ""
}

// storeRun is a run of another store.
type storeRun struct {
	*run
	store *Store
	sent  map[string]int // by label: the bytes of each value that was sent.
	// those of all workers, after the one of no node: see closeAll.
	opened []driver.Client
}

// readyPath is read until every node answers. Nothing is ever written there.
const readyPath = "kvsim-ready"

// runStore runs a scenario on another store.
func runStore(ctx context.Context, common *run) (*Result, error) {
	r := &storeRun{run: common, store: common.o.Store, sent: map[string]int{}, opened: []driver.Client{nil}}
	r.system = r
	if why := OnlyKVS(&r.o.Scenario); why != "" {
		return nil, fmt.Errorf("scenario %q: %s", r.o.Scenario.Name, why)
	}
	attending, dismiss := context.WithCancel(ctx)
	var attended sync.WaitGroup
	defer attended.Wait()
	defer dismiss()
	if r.store.Attend != nil {
		attended.Go(func() { r.store.Attend(attending) })
	}
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	var promised []linearize.Promise
	for _, p := range r.store.Promises {
		promised = append(promised, linearize.Promise{Name: p.String()})
	}
	r.record(r.header(promised))
	err := r.safety(ctx)
	closeAll(r.opened)
	var final map[string]content
	if err == nil {
		final, err = r.settle(ctx)
	}
	r.result.History = r.recorder.Finish()
	if err != nil {
		r.result.Void = err.Error()
		return r.result, err
	}
	r.judge(final)
	return r.result, nil
}

// ready waits until all nodes are ready: each answers a read.
func (r *storeRun) ready(ctx context.Context) error {
	r.o.Progress("waiting for the nodes to be ready")
	ctx, cancel := context.WithTimeout(ctx, r.store.ReadyWithin)
	defer cancel()
	clients, err := r.open()
	if err != nil {
		return err
	}
	defer closeAll(clients)
	var last error
	for {
		err := r.look(ctx, clients)
		if err == nil {
			return nil
		}
		if r.o.Failures != nil {
			if dead := r.o.Failures(); dead != nil {
				return dead
			}
		}
		if ctx.Err() == nil || last == nil {
			last = err // not that of a look which the deadline cut short.
		}
		if pause(ctx, lookEvery) != nil {
			return fmt.Errorf("the nodes are not ready after %s: %w; look into their logs", r.store.ReadyWithin, last)
		}
	}
}

// look returns nil if all nodes are ready now.
func (r *storeRun) look(ctx context.Context, clients []driver.Client) error {
	ctx, cancel := context.WithTimeout(ctx, r.own.Workload.Timeout)
	defer cancel()
	if r.store.Ready != nil {
		if err := r.store.Ready(ctx); err != nil {
			return err
		}
	}
	if p, ok := r.store.Driver.(driver.Preparer); ok {
		if err := p.Prepare(ctx, r.o.Target.Endpoints()); err != nil {
			return err
		}
	}
	return r.serving(ctx, clients)
}

// serving returns nil if each node answers a read, or says that another one does.
func (r *storeRun) serving(ctx context.Context, clients []driver.Client) error {
	for n := 1; n < len(clients); n++ {
		if _, err := clients[n].Get(ctx, readyPath); err != nil && !errors.Is(err, driver.ErrElsewhere) {
			return fmt.Errorf("n%d does not answer a read: %w", n, err)
		}
	}
	return nil
}

// open opens a client of each node, by node.
func (r *storeRun) open() ([]driver.Client, error) {
	clients := []driver.Client{nil}
	for _, e := range r.o.Target.Endpoints() {
		c, err := r.store.Driver.Open(e)
		if err != nil {
			closeAll(clients)
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func closeAll(clients []driver.Client) {
	for _, c := range clients[1:] {
		c.Close()
	}
}

func (r *storeRun) wiped([]int) {} // Store.Runs of the targets has no such fault.

func (r *storeRun) calm() {}
