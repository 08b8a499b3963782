package sim

import (
	"fmt"
	"math"
	"time"

	"kvs/sim/scenario"
)

// walk is a crash at one persist of one node: see scenario.Disk.
type walk struct {
	node    int // zero: there is none.
	persist int // it crashes with this one, counted from 1 over all runs of its process.
	keep    bool
	seen    []int // persists so far, by number of the replica.
	down    bool
}

const walkRestart = 300 * time.Millisecond

func newWalk(seed uint64, sc *scenario.Scenario) walk {
	if !sc.Disk.Walk {
		return walk{}
	}
	n, persist, keep := walkOf(seed, sc.Nodes)
	return walk{node: n, persist: persist, keep: keep, seen: make([]int, sc.Nodes+1)}
}

// walkOf is the crash of a seed.
func walkOf(seed uint64, nodes int) (node, persist int, keep bool) {
	i := int((seed - 1) & math.MaxInt64) // the seed 0 is the last one.
	return 1 + i%nodes, 1 + i/nodes/2, i/nodes%2 == 1
}

// WalkPersists runs a walk without a crash, and returns how many persists each node made in it. Every run of the walk
// equals this one up to its crash: so these are all the persists at which a crash is possible.
func WalkPersists(system System, s scenario.Scenario) ([]int, error) {
	if !s.Disk.Walk {
		return nil, fmt.Errorf("scenario %q is no walk: its disks do not say walk=yes", s.Name)
	}
	const beyond = 1 << 60 // there are not so many persists.
	d := Draw(beyond, s)
	if err := d.Validate(); err != nil {
		return nil, err
	}
	w := NewWorld(Options{System: system, Seed: beyond, Scenario: &d})
	if stack := w.liveOrPanic(); stack != "" {
		return nil, fmt.Errorf("the run without a crash: %s", stack)
	}
	return w.walk.seen[1:], nil
}

// InWalk reports whether the crash of a seed is within these numbers of persists.
func InWalk(seed uint64, persists []int) bool {
	n, persist, _ := walkOf(seed, len(persists))
	return persist <= persists[n-1]
}

// walkStep counts the persists; at the persist of the walk its node crashes before the next event.
func (w *World) walkStep(r *Replica) {
	k := &w.walk
	if k.node == 0 {
		return
	}
	if k.seen[r.Number]++; r.Number == k.node && k.seen[r.Number] == k.persist {
		w.at(w.now, entry{kind: entryWalk})
	}
}

// walkOn crashes the node, and then starts it again.
func (w *World) walkOn() {
	k, r := &w.walk, &w.replicas[w.walk.node]
	if k.down {
		if k.down = false; r.machine == nil {
			w.start(r)
		}
		return
	}
	if r.machine == nil || r.paused {
		return
	}
	r.disk.KeepAtCrash = -1
	if k.keep {
		r.disk.KeepAtCrash = 1
	}
	w.crash(r)
	r.disk.KeepAtCrash = 0
	w.stats.faults++
	k.down = true
	w.at(w.now+walkRestart, entry{kind: entryWalk})
}
