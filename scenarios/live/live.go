package live

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node/client"
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

// runner is one run.
type runner struct {
	o        Options
	own      *scenarios.Sections // of the scenario.
	clients  []*client.Client    // by node, [0] unused.
	recorder *linearize.Shared
	mu       sync.Mutex
	records  map[string]*record // by path.
	values   values
	keyed    keyedWrites
	result   *Result
	operator *operator
}

// Run runs the scenario and judges it. After an error it was not judged completely: the result has everything up to
// then, with the history, and is nil if no client has worked.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &o.Scenario
	var telling sync.Mutex // the caller's Progress need not be safe for concurrent use.
	say := o.Progress
	o.Progress = func(line string) {
		telling.Lock()
		defer telling.Unlock()
		say(line)
	}
	r := &runner{o: o, own: scenarios.Of(&o.Scenario), clients: []*client.Client{nil}, records: map[string]*record{},
		values: newValues()}
	r.result = &Result{Seed: o.Seed, World: o.World, Scenario: s.Name}
	header := linearize.Header{
		World: o.World, Seed: o.Seed, Scenario: s.Name, Commit: o.Commit, Plan: s.Plan.String(), Promises: r.promises(),
		Started: time.Now().UTC().Format(time.RFC3339),
	}
	for i, e := range o.Target.Endpoints() {
		options := client.DefaultOptions(e)
		options.TLS, options.Token = o.TLS, o.Token
		options.AttemptsMax, options.AttemptTimeout = 1, r.own.Workload.Timeout
		c, err := client.New(options)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		r.clients = append(r.clients, c)
		header.Nodes = append(header.Nodes, fmt.Sprintf("n%d", i+1))
	}
	if o.Prefix != "" { // members that ran before this run: one that does not answer now is not starting.
		if err := r.answer(ctx); err != nil {
			return nil, err
		}
	}
	o.Progress("waiting for the members to find each other")
	if _, err := r.await(ctx, startPatience, nil); err != nil {
		return nil, fmt.Errorf("the cluster did not come together: %w; look into the nodes' logs", err)
	}
	if err := r.agreeOnPolicy(ctx); err != nil {
		return nil, err
	}
	version, err := r.identify(ctx)
	if err != nil {
		return nil, err
	}
	if header.Commit == "" {
		header.Commit = version
	}
	begin := time.Now()
	r.recorder = linearize.NewShared(header, func() int64 { return int64(time.Since(begin)) })
	r.operator = &operator{runner: r, rng: rand.New(rand.NewPCG(o.Seed, streamOperator)),
		ids: make([]string, len(r.clients))}
	r.operator.look(ctx)
	working, dismiss := context.WithCancel(ctx)
	var operating sync.WaitGroup
	operating.Go(func() { r.operator.operate(working) })
	defer operating.Wait()
	defer dismiss()
	defer r.tidy(ctx)
	err = r.safety(ctx)
	r.result.History = r.recorder.Finish()
	if err == nil {
		err = r.judge(ctx)
	}
	if err != nil {
		r.result.Void = err.Error()
	}
	return r.result, err
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
	if why := OnlySimulated(s); why != "" {
		return fmt.Errorf("scenario %q: %s", s.Name, why)
	}
	return chaos.CheckSupported(s.Plan, o.Target)
}

// identify checks that the endpoints are those of different members, and returns the version of the first.
func (r *runner) identify(ctx context.Context) (version string, err error) {
	numbers := map[string]int{}
	for n := len(r.clients) - 1; n >= 1; n-- {
		st, err := r.clients[n].Status(ctx)
		if err != nil {
			return "", err
		}
		if other := numbers[st.ID]; other != 0 {
			return "", fmt.Errorf("the endpoints of n%d and n%d are the same member; name each member once", n, other)
		}
		numbers[st.ID], version = n, st.Version
	}
	return version, nil
}

// tidyPatience is how long the deletion of what a run has written may take.
const tidyPatience = 20 * time.Second

// tidy deletes the run's data in a cluster with other data, also when the run was interrupted.
func (r *runner) tidy(ctx context.Context) {
	if r.o.Prefix == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyPatience)
	defer cancel()
	var paths []string
	for p := range r.records {
		paths = append(paths, p)
	}
	for n := 1; n < len(r.clients); n++ {
		paths = append(paths, r.probePath(n))
	}
	for _, p := range paths {
		if _, err := r.clients[1].Delete(ctx, p, r.own.Workload.PathLevel(strings.TrimPrefix(p, r.o.Prefix))); err !=
			nil {
			r.o.Progress(fmt.Sprintf("what was written below %s could not be deleted: %v; delete it by hand",
				r.o.Prefix, err))
			return
		}
	}
	r.o.Progress("deleted what was written below " + r.o.Prefix)
}

// safety runs the clients and the faults.
func (r *runner) safety(ctx context.Context) error {
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
	r.operator.calm.Store(true)
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
func (r *runner) tell(ctx context.Context, end time.Time) {
	for time.Until(end) > tellEvery && pause(ctx, tellEvery) == nil {
		r.mu.Lock()
		line := fmt.Sprintf("%s left: %d operations, %d refused, %d unknown", time.Until(end).Round(time.Second),
			r.result.Operations, r.result.Failed, r.result.Unknown)
		r.mu.Unlock()
		r.o.Progress(line)
	}
}

// nemesis applies the plan, each fault at its time.
func (r *runner) nemesis(ctx context.Context, end time.Time) error {
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
			r.operator.wiped(e.Nodes)
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
func (r *runner) work(ctx context.Context, number int, end time.Time) {
	s := &r.o.Scenario
	g := scenarios.NewGenerator(rand.New(rand.NewPCG(r.o.Seed, uint64(number))), r.own.Workload, s.Nodes, number)
	w := worker{
		runner: r, process: r.recorder.NewProcess(), known: map[string]seen{},
		number: number, rng: rand.New(rand.NewPCG(r.o.Seed, streamRetries+uint64(number))),
	}
	for {
		op := g.Next()
		if pause(ctx, op.Think) != nil || !time.Now().Before(end) {
			return
		}
		w.operate(ctx, op)
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
