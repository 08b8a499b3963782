package checks

import (
	"fmt"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
)

// resurrectionCheck judges the final state of a run.
type resurrectionCheck struct{ check }

func newResurrectionCheck(w *world.World) *resurrectionCheck {
	return &resurrectionCheck{check{w: w, name: scenarios.NoResurrection.String()}}
}

// Finish implements sim.Checker.
func (c *resurrectionCheck) Finish() { c.w.Violate(checkResurrection(c.w.Evidence())...) }

// checkResurrection checks the paths whose highest acknowledged version is a tombstone. A value there must be of a put
// that the deletion did not cover: one of unknown fate, or one that was acknowledged under exactly the version that
// shows (by a disk that was wiped since). A put that was acknowledged under another version, or was refused, is
// resurrected.
func checkResurrection(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for _, p := range e.Ledger.Paths {
		top := e.Ledger.Highest(p.Writes)
		if top == nil || !top.Delete {
			continue
		}
		for i := range e.Nodes {
			held := e.Nodes[i].Find(p.Path)
			if !held.Live() {
				continue
			}
			wr, wrong := e.Ledger.Source(p.Path, held.Value)
			if wrong != "" {
				continue // the check of known values reports it.
			}
			fine := wr.Fate == ledger.Unknown || wr.Fate == ledger.Open || wr.Fate == ledger.Acknowledged &&
				wr.Version == held.Version()
			if fine && (held.TS > top.Version.TS || held.TS == top.Version.TS &&
				besides(e.Nodes[i].Slot(p.Path), top.Version)) {
				continue
			}
			out = append(out, sim.Violation{
				Promise: scenarios.NoResurrection.String(), Node: e.Nodes[i].Number, Path: p.Path,
				Detail: fmt.Sprintf("shows %s, whose put was %s, although it was deleted with version %s",
					world.Text(held), wr.Fate, top.Version.ETag()),
			})
		}
	}
	return out
}

// besides reports whether a slot that shows another write with the timestamp of a delete has both: as candidates of
// a conflict, or each in one half, of which the consensus half shows.
func besides(s *node.Slot, deleted node.Version) bool {
	return s.Conflict() || s.Consensus != nil && s.Consensus.Record.TS == deleted.TS && s.Holds(deleted)
}
