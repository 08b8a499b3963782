package checks

import (
	"fmt"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
)

// lostWriteCheck judges the final state of a run.
type lostWriteCheck struct{ check }

func newLostWriteCheck(w *world.World) *lostWriteCheck {
	return &lostWriteCheck{check{w: w, name: scenarios.NoLostWrite.String()}}
}

// Finish implements sim.Checker.
func (c *lostWriteCheck) Finish() { c.w.Violate(checkLostWrites(c.w.Evidence())...) }

// checkLostWrites looks for every acknowledged write at every replica: a higher timestamp replaces it, and candidates
// with equal timestamps all stay in the slot, whichever wins. No promise covers writes whose last copy was lost with
// its disk: an eventual write is durable at one member, and spreads in the background. Versions before a collected
// tombstone are gone with it.
func checkLostWrites(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for _, p := range e.Ledger.Paths {
		top := e.Ledger.Highest(p.Writes)
		if top == nil {
			continue
		}
		for _, index := range p.Writes {
			wr := &e.Ledger.Writes[index]
			if wr.Fate == ledger.Acknowledged && !wr.Lost && wr.Version.TS == top.Version.TS &&
				e.Collected[wr.Path] < wr.Version.TS {
				out = append(out, lostAt(e, wr)...)
			}
		}
	}
	return out
}

func lostAt(e *world.Evidence, wr *ledger.Write) (out []sim.Violation) {
	for i := range e.Nodes {
		slot := e.Nodes[i].Slot(wr.Path)
		if ended := e.Nodes[i].Ended[wr.Path]; !slot.Exists() {
			slot = &ended // a dropped tombstone counts as present: it shows the same.
		}
		if slot.Top() > wr.Version.TS || slot.Holds(wr.Version) {
			continue
		}
		out = append(out, sim.Violation{
			Promise: scenarios.NoLostWrite.String(), Node: e.Nodes[i].Number, Path: wr.Path,
			Detail: fmt.Sprintf("holds %s, but client %d was promised version %s by n%d",
				world.Text(e.Nodes[i].Find(wr.Path)), wr.Client, wr.Version.ETag(), wr.Node),
		})
	}
	return out
}
