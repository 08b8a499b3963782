package sim

import (
	"time"

	"kvs/scenarios"
)

// walk is a crash at one persist of one node: see scenarios.Disk.
type walk struct {
	node    int // zero: there is none.
	persist int // it crashes with this one, counted from 1 over all runs of its process.
	keep    bool
	seen    int
	down    bool
}

const walkRestart = 300 * time.Millisecond

func newWalk(seed uint64, sc *scenarios.Scenario) walk {
	if !sc.Disk.Walk {
		return walk{}
	}
	i := int(seed - 1)
	return walk{node: 1 + i%sc.Nodes, keep: i/sc.Nodes%2 == 1, persist: 1 + i/sc.Nodes/2}
}

// walkStep counts the persists of the node in question; at the right one it goes down before anything else happens.
func (w *world) walkStep(r *replica) {
	k := &w.walk
	if r.number != k.node {
		return
	}
	if k.seen++; k.seen == k.persist {
		w.at(w.now, event{kind: eventWalk})
	}
}

// walkOn takes the node down, and then up again.
func (w *world) walkOn() {
	k, r := &w.walk, &w.replicas[w.walk.node]
	if k.down {
		if k.down = false; r.node == nil {
			w.start(r)
		}
		return
	}
	if r.node == nil || r.paused {
		return
	}
	r.disk.keepAtCrash = -1
	if k.keep {
		r.disk.keepAtCrash = 1
	}
	w.crash(r)
	r.disk.keepAtCrash = 0
	w.stats.faults++
	k.down = true
	w.at(w.now+walkRestart, event{kind: eventWalk})
}
