package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"kvs/chaos"
	"kvs/sim/scenario"
)

// The core is what TigerBeetle's simulator calls so (docs/about/vopr.md, "liveness mode"): after the faults a majority
// of the nodes is healed for good, all others stay broken, and the majority alone has to finish all operations. This
// finds a protocol that waits for a node that may never come back; it would not show when all nodes return.

// core is the state of that phase.
type core struct {
	nodes []int // sorted.
	until time.Duration
}

// fateOfOthers is the fate of a node outside the core.
type fateOfOthers int

const (
	otherCrashed fateOfOthers = iota // it is down.
	otherCut                         // it runs, and its messages are lost in both directions.
	otherMute                        // it receives, and its messages are lost.
	otherDeaf                        // it sends, and receives nothing.
	otherFates
)

// beginCore heals a random majority for good, and returns false when no majority is a valid core.
func (w *World) beginCore() bool {
	rng := w.derive(streamCore)
	nodes := w.drawCore(rng)
	if nodes == nil {
		return false
	}
	w.core = &core{nodes: nodes, until: w.now + w.sc.Core}
	w.setPhase(PhaseCore)
	apply := func(f chaos.Fault) {
		if err := w.Apply(f); err != nil {
			panic("sim: " + err.Error())
		}
	}
	apply(chaos.Fault{Kind: chaos.Heal})
	for n := 1; n <= w.nodes; n++ {
		if slices.Contains(nodes, n) {
			w.repair(&w.replicas[n])
			continue
		}
		others := slices.Delete(all(w.nodes), n-1, n)
		switch fateOfOthers(rng.IntN(int(otherFates))) {
		case otherCrashed:
			if w.replicas[n].machine != nil {
				apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{n}})
			}
			continue
		case otherCut:
			apply(chaos.Fault{Kind: chaos.Cut, From: []int{n}, To: others})
			apply(chaos.Fault{Kind: chaos.Cut, From: others, To: []int{n}})
		case otherMute:
			apply(chaos.Fault{Kind: chaos.Cut, From: []int{n}, To: others})
		case otherDeaf:
			apply(chaos.Fault{Kind: chaos.Cut, From: others, To: []int{n}})
		}
	}
	w.cluster.Probe(nodes)
	w.at(w.now+verifyEvery, entry{kind: entryVerify})
	return true
}

func all(nodes int) (out []int) {
	for n := range nodes {
		out = append(out, n+1)
	}
	return out
}

// drawCore draws a majority of the nodes that is enough for the cluster: see CoreChooser. None: there is no such
// majority.
func (w *World) drawCore(rng *rand.Rand) []int {
	if w.hooks.core != nil && !w.hooks.core.MayBegin() {
		return nil
	}
	var nodes []int
	for _, i := range rng.Perm(w.nodes) {
		nodes = append(nodes, i+1)
		if len(nodes) > w.nodes/2 && (w.hooks.core == nil || w.hooks.core.MayBeCore(nodes)) && rng.IntN(3) > 0 {
			break
		}
	}
	slices.Sort(nodes)
	return nodes
}

// Core are the numbers of the replicas of the core, sorted; none when it is not its phase.
func (w *World) Core() []int {
	if w.core == nil {
		return nil
	}
	return w.core.nodes
}

// coreUnsettled describes what the core still has to do; empty: nothing.
func (w *World) coreUnsettled() string {
	for _, c := range w.callers {
		if slices.Contains(w.core.nodes, c.node) && (c.busy || c.role != RoleLoad && !c.done) {
			return c.waits()
		}
	}
	for _, n := range w.core.nodes {
		if left := w.replicas[n].unsettled(); left != "" {
			return left
		}
	}
	return w.cluster.Unsettled(w.core.nodes)
}

// verifyCore ends the phase when the core has done everything, or when its time is up.
func (w *World) verifyCore() {
	left := w.coreUnsettled()
	if left != "" && w.now < w.core.until {
		w.at(w.now+verifyEvery, entry{kind: entryVerify})
		return
	}
	if left != "" {
		w.Violate(Violation{Promise: scenario.Finished.String(),
			Detail: fmt.Sprintf("%s after the faults ended for %s, a majority, it is not over there: %s\n  %s",
				chaos.FormatDuration(w.sc.Core), chaos.FormatNodes(w.core.nodes), left, w.holdup(w.core.nodes))})
	}
	w.core = nil
	w.beginLiveness()
}
