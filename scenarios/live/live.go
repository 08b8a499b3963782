package live

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/scenarios"
	"kvs/sim/scenario"
)

// Target is a real cluster. Endpoints are the addresses for clients, by node.
type Target interface {
	chaos.Target
	Endpoints() []string
}

// Options of Run. All before TLS are required.
type Options struct {
	World    string // process, docker or urls.
	Seed     uint64 // draws the workload.
	Scenario scenario.Scenario
	Target   Target
	Progress func(line string)

	TLS   *tls.Config // of the clients; nil: no TLS.
	Token string      // which clients show; empty: none.

	Commit string // of the code under test, for the history; empty: the version that the first node reports.
	// Failures are nodes that ended by themselves. If there are any, the run does not wait for members any longer. It
	// may be nil.
	Failures func() error
	// Prefix comes before every path: in a cluster with other data, a directory of its own that ends in a slash. The
	// run's data there is deleted at its end.
	Prefix string
	// Store is what runs on the target if it is not kvs, and how it is judged; nil: kvs.
	Store *Store
}

// Result is the outcome of a run.
type Result struct {
	Seed                uint64
	World, Scenario     string
	Void                string   // why it was not judged to the end; empty: it was.
	Violations          []string // each begins with its promise and a colon.
	Unjudged            []string // promises that clients cannot see.
	Operations          int
	OK, Failed, Unknown int
	Faults              int
	Settled             bool
	SettledIn           time.Duration
	History             *linearize.History
	Linearized          *linearize.Result // nil: the scenario has no promise about it.
}

// startPatience is how long the members may take to find each other before the run begins.
const startPatience = time.Minute

// tellEvery is the time between two lines of progress.
const tellEvery = 5 * time.Second

// run is what the runs of all stores have: clients that work for a time, faults meanwhile, and a history.
type run struct {
	o        Options
	own      *scenarios.Sections // of the scenario.
	recorder *linearize.Shared
	mu       sync.Mutex
	result   *Result
	system   system
}

// system is what a run does in its own way for each store.
type system interface {
	// client returns what does the operations of a client, one at a time, and records them.
	client(number int) func(ctx context.Context, op scenarios.Op)
	// wiped is called when nodes have lost their disks.
	wiped(nodes []int)
	// calm is called when the faults are over.
	calm()
}

// Run runs the scenario and judges it. After an error it was not judged completely: the result has everything up to
// then, with the history, and is nil if no client has worked.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	var telling sync.Mutex // the caller's Progress need not be safe for concurrent use.
	say := o.Progress
	o.Progress = func(line string) {
		telling.Lock()
		defer telling.Unlock()
		say(line)
	}
	common := &run{o: o, own: scenarios.Of(&o.Scenario),
		result: &Result{Seed: o.Seed, World: o.World, Scenario: o.Scenario.Name}}
	if o.Store != nil {
		return runStore(ctx, common)
	}
	return runKVS(ctx, common)
}

// header is that of the history.
func (r *run) header(promises []linearize.Promise) linearize.Header {
	s := &r.o.Scenario
	h := linearize.Header{
		World: r.o.World, Seed: r.o.Seed, Scenario: s.Name, Commit: r.o.Commit, Plan: s.Plan.String(),
		Promises: promises, Started: time.Now().UTC().Format(time.RFC3339),
	}
	for n := 1; n <= s.Nodes; n++ {
		h.Nodes = append(h.Nodes, fmt.Sprintf("n%d", n))
	}
	return h
}

// record begins the history.
func (r *run) record(h linearize.Header) {
	begin := time.Now()
	r.recorder = linearize.NewShared(h, func() int64 { return int64(time.Since(begin)) })
}

// check reports why the scenario cannot run against the target.
func (o *Options) check() error {
	s := &o.Scenario
	if err := s.Validate(); err != nil {
		return err
	}
	if !s.Drawn() || s.Nodes != o.Target.Nodes() || len(o.Target.Endpoints()) != s.Nodes {
		return fmt.Errorf("scenario %q: it must be drawn and have as many nodes as the target: %d", s.Name,
			o.Target.Nodes())
	}
	if o.Store != nil {
		for _, p := range o.Store.Promises {
			if !slices.Contains(storePromises, p) {
				return fmt.Errorf("promise %q: of another store than kvs it cannot be judged", p)
			}
		}
	}
	if why := OnlySimulated(s); why != "" {
		return fmt.Errorf("scenario %q: %s", s.Name, why)
	}
	return chaos.CheckSupported(s.Plan, o.Target)
}

// safety runs the clients and the faults.
func (r *run) safety(ctx context.Context) error {
	s := &r.o.Scenario
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := time.Now().Add(s.Duration)
	r.o.Progress(fmt.Sprintf("%d clients work for %s", s.Clients, s.Duration))
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { defer wg.Done(); r.tell(ctx, end) }()
	for n := 1; n <= s.Clients; n++ {
		wg.Add(1)
		go func() { defer wg.Done(); r.work(ctx, n, end) }()
	}
	err := r.nemesis(ctx, end)
	r.system.calm()
	if err != nil {
		cancel()
	}
	wg.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// tell reports the progress of the clients at intervals.
func (r *run) tell(ctx context.Context, end time.Time) {
	for time.Until(end) > tellEvery && pause(ctx, tellEvery) == nil {
		r.mu.Lock()
		line := fmt.Sprintf("%s left: %d operations, %d refused, %d unknown", time.Until(end).Round(time.Second),
			r.result.Operations, r.result.Failed, r.result.Unknown)
		r.mu.Unlock()
		r.o.Progress(line)
	}
}

// nemesis applies the plan, each fault at its time.
func (r *run) nemesis(ctx context.Context, end time.Time) error {
	begin := end.Add(-r.o.Scenario.Duration)
	for _, e := range r.o.Scenario.Plan.Events {
		if err := pause(ctx, time.Until(begin.Add(e.At))); err != nil {
			return err
		}
		r.o.Progress(e.String())
		if err := r.o.Target.Apply(e.Fault); err != nil {
			return fmt.Errorf("`%s` is not in force, the run is void: %w", e, err)
		}
		if e.Kind == chaos.Wipe {
			r.system.wiped(e.Nodes)
		}
		r.result.Faults++
	}
	if err := pause(ctx, time.Until(end)); err != nil {
		return err
	}
	if !r.o.Target.Supports(chaos.Recover) {
		return nil
	}
	r.o.Progress("recover")
	return r.o.Target.Apply(chaos.Fault{Kind: chaos.Recover})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// work is one client: one operation at a time until the end.
func (r *run) work(ctx context.Context, number int, end time.Time) {
	s := &r.o.Scenario
	g := scenarios.NewGenerator(rand.New(rand.NewPCG(r.o.Seed, uint64(number))), r.own.Workload, s.Nodes, number)
	operate, began := r.system.client(number), end.Add(-s.Duration)
	for {
		op := g.Next(time.Since(began))
		if pause(ctx, op.Think) != nil || !time.Now().Before(end) {
			return
		}
		operate(ctx, op)
	}
}

// Verdict is "ok", or the broken promises, or "void".
func (r *Result) Verdict() string {
	if len(r.Violations) == 0 && r.Void != "" {
		return "void"
	}
	if len(r.Violations) == 0 {
		return "ok"
	}
	var out []string
	seen := map[string]bool{}
	for _, v := range r.Violations {
		p, _, _ := strings.Cut(v, ":")
		if !seen[p] {
			out = append(out, p)
		}
		seen[p] = true
	}
	return strings.Join(out, ",")
}

// String is the line that ends a run, with the words of the simulator's.
func (r *Result) String() string {
	settled := "never"
	if r.Settled {
		settled = fmt.Sprintf("%.3fs", r.SettledIn.Seconds())
	}
	return fmt.Sprintf("seed=%d scenario=%s verdict=%s operations=%d ok=%d failed=%d unknown=%d settled=%s "+
		"faults=%d target=%s",
		r.Seed, r.Scenario, r.Verdict(), r.Operations, r.OK, r.Failed, r.Unknown, settled, r.Faults, r.World)
}
