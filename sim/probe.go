package sim

import (
	"kvs/linearize"
	"time"
)

// This file is for tests of systems and of their checkers, which want to stand in the middle of a run.

// RunUntil lets everything happen that is to happen before a virtual time, which is the present one then.
func (w *World) RunUntil(at time.Duration) {
	for w.agenda.len() > 0 && w.agenda.items[0].at < at {
		e := w.agenda.pop()
		w.now = e.at
		w.happen(e)
	}
	w.now = at
}

// Still forgets everything that is to happen: nothing happens any more but what the test does.
func (w *World) Still() { w.agenda = agenda{} }

// TakeViolations returns what has been found so far, and forgets it.
func (w *World) TakeViolations() []Violation {
	list := w.violations
	w.violations = nil
	return list
}

// History ends the history, as the end of the run does, and returns it.
func (w *World) History() *linearize.History { return w.recorder.Finish(int64(w.now)) }

// Queue puts a persist into the queue of a disk, as a step does.
func (r *Replica) Queue(p Persist) { r.disk.Queue(p) }

// Durable tells everybody of a persist as of one that has become durable, whatever is on the disk.
func (w *World) Durable(r *Replica, p *Persist) { w.durable(r, p) }

// Say carries effects out as if the machine of r had asked for them.
func (w *World) Say(r *Replica, sends ...Send) {
	w.eff.Reset()
	w.eff.Sends = append(w.eff.Sends, sends...)
	w.carryOut(r, nil)
}

// Missing says what is still missing at the end of the run; empty: nothing.
func (w *World) Missing() string { return w.unsettled() }

// Crashes counts those of the plan, and those of them that cut persists in flight.
func (w *World) Crashes() (all, torn int) { return w.stats.crashes, w.stats.torn }
