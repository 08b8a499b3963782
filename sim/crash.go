package sim

import (
	"time"

	"kvs/chaos"
)

const (
	busyFactor   = 10 // how much likelier a crash is with persists in flight: see scenario.Disk.
	busyTriesMax = 100
	busyStepMax  = 20 * time.Millisecond
)

// crashFor is a crash of the plan.
func (w *World) crashFor(r *Replica) {
	if w.sc.Disk.Busy {
		w.crashBusy(r)
		return
	}
	w.crashCounted(r)
}

func (w *World) crashCounted(r *Replica) {
	w.stats.crashes++
	if len(r.disk.Waiting) > 0 {
		w.stats.torn++
	}
	w.crash(r)
}

// crashBusy checks one moment after another, and rarely crashes at a moment without persists in flight.
func (w *World) crashBusy(r *Replica) {
	r.doomed++
	if len(r.disk.Waiting) > 0 || r.doomed > busyTriesMax || w.rng.IntN(busyFactor) == 0 {
		w.crashCounted(r)
		return
	}
	w.at(w.now+chaos.DrawDuration(w.rng, 0, busyStepMax), entry{kind: entryCrash, node: uint8(r.Number), run: r.run})
}

// meetDoom carries out a pending crash, before another event reaches the process.
func (w *World) meetDoom(r *Replica) {
	if r.doomed > 0 {
		w.crashCounted(r)
	}
}
