package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"kvs/linearize"
	"kvs/sim/hash"
	"kvs/sim/scenario"
)

// Options of Run.
type Options struct {
	System   System
	Seed     uint64
	Scenario *scenario.Scenario // drawn: see Draw.
	Commit   string             // goes into the history's header. Default: none.
	Record   *Recording         // is filled with the events. Default: no recording.
	Trace    func(line string)  // is called for every event. Default: no call.
}

// Result is the outcome of a run.
type Result struct {
	Seed       uint64
	Scenario   string
	Violations []Violation
	Operations int           // of the clients, lists included.
	Begun      []int         // of each client, from the first on.
	Simulated  time.Duration // virtual time in all.
	Settled    bool
	SettledIn  time.Duration // virtual time from the end of the faults until everything had finished and agreed.
	Events     uint64
	Faults     int
	Messages   uint64  // sent.
	Lost       uint64  // of them.
	Counts     []Count // the system's counters.
	OK         uint64  // operations by their outcome for the client.
	Failed     uint64
	Unknown    uint64
	Trace      string // hash over everything that happened.
	Stack      string // of the panic that ended the run, if one did.

	History    *linearize.History
	Linearized *linearize.Result // nil: the scenario has no promise about it.
}

// Draw draws the scenario of a seed. A scenario that is drawn already stays as it is.
func Draw(seed uint64, s scenario.Scenario) scenario.Scenario {
	const streamDraw = 0x64726177 // used for nothing else: a drawn scenario run with the same seed is the same run.
	d := scenario.Draw(rand.New(rand.NewPCG(hash.SplitMix(seed), hash.SplitMix(seed^hash.SplitMix(streamDraw)))), s)
	d.Seed = seed
	return d
}

// Run runs one world and judges it. A panic inside of a machine is a violation like others.
func Run(o Options) (*Result, error) {
	if o.System == nil {
		return nil, errors.New("sim: no system to run: set Options.System")
	}
	if err := o.Scenario.Validate(); err != nil {
		return nil, err
	}
	if !o.Scenario.Drawn() {
		return nil, fmt.Errorf("scenario %q: it is not drawn; call Draw first", o.Scenario.Name)
	}
	return NewWorld(o).Run(), nil
}

// Run runs the world to its end and judges it. It may be called once.
func (w *World) Run() *Result {
	stack := w.liveOrPanic()
	res := &Result{
		Seed: w.runSeed, Scenario: w.sc.Name, Operations: w.operations, Simulated: w.now, Settled: w.settled,
		Events: w.stats.events, Faults: w.stats.faults, Messages: w.stats.sent, Lost: w.stats.lost,
		OK: w.stats.answers[linearize.OK], Failed: w.stats.answers[linearize.Fail],
		Unknown: w.stats.answers[linearize.Info],
		Trace:   w.hash.String(), Stack: stack,
	}
	if w.hooks.counter != nil {
		res.Counts = w.hooks.counter.Counts()
	}
	if w.settled {
		res.SettledIn = w.now - w.recovered
	}
	for _, c := range w.callers {
		if c.role == RoleLoad {
			res.Begun = append(res.Begun, int(c.count))
		}
	}
	res.History = w.recorder.Finish(int64(w.now))
	if w.hooks.historian != nil {
		w.hooks.historian.Complete(res.History)
	}
	if stack == "" {
		w.Finish()
		w.judgeHistory(res)
	}
	res.Violations = w.violations
	return res
}

// liveOrPanic runs the world and returns the stack of the panic that ended it, if one did.
func (w *World) liveOrPanic() (stack string) {
	defer func() {
		if p := recover(); p != nil {
			stack = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			w.Violate(Violation{Promise: PromisePanic, Detail: fmt.Sprint(p)})
		}
	}()
	w.live()
	return ""
}

// Finish makes the checkers judge the final state. Run calls it.
func (w *World) Finish() {
	if !w.settled && w.sc.Expects(scenario.Finished) {
		w.Violate(Violation{Promise: scenario.Finished.String(),
			Detail: fmt.Sprintf("%s after the faults ended it is not over: %s\n  %s",
				w.sc.Settle, w.unsettled(), w.holdup(w.all()))})
	}
	for _, c := range w.bus.checkers {
		c.Finish()
	}
}

// judgeHistory judges the history, if the scenario has a promise about it.
func (w *World) judgeHistory(res *Result) {
	must, mustNot := w.sc.Expects(scenario.Linearizable), w.sc.Expects(scenario.NotLinearizable)
	if !must && !mustNot {
		return
	}
	if w.hooks.historian != nil {
		res.Linearized = w.hooks.historian.Judge(res.History)
	} else {
		res.Linearized = linearize.Check(res.History, linearize.Options{})
	}
	promise, want := scenario.Linearizable, linearize.Linearizable
	if mustNot {
		promise, want = scenario.NotLinearizable, linearize.Violation
	}
	if got := res.Linearized.Verdict; got != want {
		w.Violate(Violation{Promise: promise.String(), Path: offendingPath(res.Linearized),
			Detail: fmt.Sprintf("the history of %d operations is judged: %s", len(res.History.Ops), got)})
	}
}

func offendingPath(r *linearize.Result) string {
	if r.Offending < 0 {
		return ""
	}
	return r.Keys[r.Offending].Path
}

// Count is the number with a name that the system counted; zero if there is none.
func (r *Result) Count(name string) int {
	for _, c := range r.Counts {
		if c.Name == name {
			return c.N
		}
	}
	return 0
}

// Verdict is "ok", or the names of the broken promises.
func (r *Result) Verdict() string {
	if len(r.Violations) == 0 {
		return "ok"
	}
	out := ""
	for i, v := range r.Violations {
		first := true
		for _, earlier := range r.Violations[:i] {
			first = first && earlier.Promise != v.Promise
		}
		if first && out != "" {
			out += ","
		}
		if first {
			out += v.Promise
		}
	}
	return out
}

// String is the line that ends a run, for scripts to read. Fields may be added before the last one.
func (r *Result) String() string {
	settled := "never"
	if r.Settled {
		settled = seconds(r.SettledIn)
	}
	var counts strings.Builder
	for _, c := range r.Counts {
		fmt.Fprintf(&counts, "%s=%d ", c.Name, c.N)
	}
	return fmt.Sprintf("seed=%d scenario=%s verdict=%s operations=%d ok=%d failed=%d unknown=%d "+
		"simulated=%s settled=%s ",
		r.Seed, r.Scenario, r.Verdict(), r.Operations, r.OK, r.Failed, r.Unknown, seconds(r.Simulated), settled) +
		fmt.Sprintf("events=%d messages=%d lost=%d %sfaults=%d trace=%s",
			r.Events, r.Messages, r.Lost, counts.String(), r.Faults, r.Trace)
}

// seconds prints a time with three decimals.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d.%03ds", d/time.Second, d%time.Second/time.Millisecond)
}
