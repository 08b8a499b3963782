package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"kvs/linearize"
	"kvs/scenarios"
)

// Options of Run.
type Options struct {
	Seed     uint64
	Scenario *scenarios.Scenario // drawn: see Draw.
	Commit   string              // goes into the history's header. Default: none.
	Record   *Recording          // is filled with what happens. Default: nothing is recorded.
	Trace    func(line string)   // hears of everything that happens. Default: nobody does.
	Coverage *Coverage           // takes in the situations that the run comes through. Default: nothing does.
}

// Result is how a run ended.
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
	Messages   uint64 // sent.
	Lost       uint64 // of them.
	Conflicts  int    // timestamps that two writes of one path claimed.
	Ended      int    // tombstones dropped, on all disks together.
	Joined     int    // newcomers that pulled data until they were in step.
	Resumed    int    // starts of newcomers that went on where they had stopped.
	OK         uint64 // operations by what the client learnt.
	Failed     uint64
	Unknown    uint64
	Trace      string // hash over everything that happened.
	Stack      string // of the panic that ended the run, if one did.

	History    *linearize.History
	Linearized *linearize.Result // nil: the scenario expects nothing about it.
}

// Draw makes of a scenario the one that a seed stands for. A scenario that is drawn already stays as it is.
func Draw(seed uint64, s scenarios.Scenario) scenarios.Scenario {
	const streamDraw = 0x64726177 // used for nothing else: a drawn scenario run with the same seed is the same run.
	d := scenarios.Draw(rand.New(rand.NewPCG(splitMix(seed), splitMix(seed^splitMix(streamDraw)))), s)
	d.Seed = seed
	return d
}

// Run lets one world live and judges it. A panic inside the node is a violation like others.
func Run(o Options) (*Result, error) {
	if err := o.Scenario.Validate(); err != nil {
		return nil, err
	}
	if !o.Scenario.Drawn() {
		return nil, fmt.Errorf("scenario %q: it is not drawn; call Draw first", o.Scenario.Name)
	}
	w := newWorld(o)
	stack := w.liveOrPanic()
	res := &Result{
		Seed: o.Seed, Scenario: o.Scenario.Name, Operations: w.operations, Simulated: w.now, Settled: w.settled,
		Events: w.stats.events, Faults: w.stats.faults, Messages: w.stats.sent, Lost: w.stats.lost,
		OK: w.stats.answers[linearize.OK], Failed: w.stats.answers[linearize.Fail], Unknown: w.stats.answers[linearize.Info],
		Joined: w.joins.joined, Resumed: w.joins.resumed, Conflicts: len(w.conflict.conflicts), Ended: w.ends.count, Trace: w.trace.String(), Stack: stack,
	}
	if w.settled {
		res.SettledIn = w.now - w.recovered
	}
	for i := range w.clients {
		if c := &w.clients[i]; !c.probe && !c.scripted {
			res.Begun = append(res.Begun, int(c.count))
		}
	}
	res.History = w.recorder.Finish(int64(w.now))
	w.withEnds(res.History)
	if stack == "" {
		w.violate(w.evidence().judge()...)
		w.violate(w.checkLosers()...)
		w.violate(w.checkCreations()...)
		w.judgeHistory(res)
	}
	w.gather()
	res.Violations = w.violations
	return res, nil
}

// liveOrPanic runs the world and returns the stack of the panic that ended it, if one did.
func (w *world) liveOrPanic() (stack string) {
	defer func() {
		if p := recover(); p != nil {
			w.gather()
			stack = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			w.violate(Violation{Promise: promisePanic, Detail: fmt.Sprint(p)})
		}
	}()
	w.live()
	return ""
}

// judgeHistory asks porcupine, when the scenario expects anything of it.
func (w *world) judgeHistory(res *Result) {
	must, mustNot := w.sc.Expects(scenarios.Linearizable), w.sc.Expects(scenarios.NotLinearizable)
	if !must && !mustNot {
		return
	}
	res.Linearized = linearize.Check(res.History, linearize.Options{Prefix: w.sc.Workload.LinearizablePrefix()})
	promise, want := scenarios.Linearizable, linearize.Linearizable
	if mustNot {
		promise, want = scenarios.NotLinearizable, linearize.Violation
	}
	if got := res.Linearized.Verdict; got != want {
		w.violate(Violation{Promise: promise.String(), Path: offendingPath(res.Linearized),
			Detail: fmt.Sprintf("the history of %d operations is judged: %s", len(res.History.Ops), got)})
	}
}

func offendingPath(r *linearize.Result) string {
	if r.Offending < 0 {
		return ""
	}
	return r.Keys[r.Offending].Path
}

// Verdict is "ok", or the broken promises.
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
	return fmt.Sprintf("seed=%d scenario=%s verdict=%s operations=%d ok=%d failed=%d unknown=%d simulated=%s settled=%s events=%d messages=%d lost=%d conflicts=%d joined=%d ended=%d faults=%d trace=%s",
		r.Seed, r.Scenario, r.Verdict(), r.Operations, r.OK, r.Failed, r.Unknown, seconds(r.Simulated), settled, r.Events, r.Messages, r.Lost, r.Conflicts, r.Joined, r.Ended, r.Faults, r.Trace)
}

// seconds prints a time with three decimals.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d.%03ds", d/time.Second, d%time.Second/time.Millisecond)
}
