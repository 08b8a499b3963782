package sim

import (
	"kvs/linearize"
	"time"
)

// This file is for tests of systems and of their checkers, which need access in the middle of a run.

// RunUntil runs all events before a virtual time, which is the present time then.
func (w *World) RunUntil(at time.Duration) {
	for w.agenda.len() > 0 && w.agenda.first().at < at {
		e := w.agenda.pop()
		w.now = e.at
		w.happen(e)
	}
	w.now = at
}

// Still drops all future events: only the test's own actions happen from then on.
func (w *World) Still() { w.agenda = agenda{} }

// TakeViolations returns the violations so far, and clears them.
func (w *World) TakeViolations() []Violation {
	list := w.violations
	w.violations = nil
	return list
}

// History ends the history, as the end of the run does, and returns it.
func (w *World) History() *linearize.History { return w.recorder.Finish(int64(w.now)) }

// Queue puts a persist into the queue of a disk, as a step does.
func (r *Replica) Queue(p Persist) { r.disk.Queue(p) }

// Durable raises the event that a persist has become durable, whatever is on the disk.
func (w *World) Durable(r *Replica, p *Persist) { w.durable(r, p) }

// Say carries out sends as if the machine of r had returned them.
func (w *World) Say(r *Replica, sends ...Send) {
	w.eff.Reset()
	w.eff.Sends = append(w.eff.Sends, sends...)
	w.carryOut(r, nil)
}

// Missing describes what is still missing at the end of the run; empty: nothing.
func (w *World) Missing() string { return w.unsettled() }

// Crashes counts those of the plan, and those of them that cut persists in flight.
func (w *World) Crashes() (all, torn int) { return w.stats.crashes, w.stats.torn }
