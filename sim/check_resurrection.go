package sim

import (
	"fmt"

	"kvs/node"
	"kvs/scenarios"
)

// checkResurrection looks at the paths whose highest acknowledged version is a tombstone. What shows there must come from
// a put that nobody can have seen deleted: one whose fate is unknown, or one that was acknowledged under just the version that
// shows (by a disk that was wiped since). A put that was acknowledged under another version, or was refused, is back from
// the dead.
func checkResurrection(e *Evidence) []Violation {
	var out []Violation
	for _, p := range e.ledger.paths {
		top := e.ledger.highest(p.writes)
		if top == nil || !top.delete {
			continue
		}
		for i := range e.Nodes {
			held := e.Nodes[i].find(p.path)
			if !held.Live() {
				continue
			}
			wr, wrong := e.ledger.source(p.path, held.Value)
			if wrong != "" {
				continue // checkKnownValues says so.
			}
			fine := wr.fate == fateUnknown || wr.fate == fateOpen || wr.fate == fateAcknowledged && wr.version == held.Version()
			if fine && (held.TS > top.version.TS || held.TS == top.version.TS && besides(e.Nodes[i].slot(p.path), top.version)) {
				continue
			}
			out = append(out, Violation{
				Promise: scenarios.NoResurrection.String(), Node: e.Nodes[i].Number, Path: p.path,
				Detail: fmt.Sprintf("shows %s, whose put was %s, although it was deleted with version %s", describe(held), wr.fate, top.version.ETag()),
			})
		}
	}
	return out
}

// besides reports whether a slot that shows another write with the timestamp of a delete has both: as candidates of a conflict, or each in one
// half, of which the consensus half shows.
func besides(s *node.Slot, deleted node.Version) bool {
	return s.Conflict() || s.Consensus != nil && s.Consensus.Record.TS == deleted.TS && s.Holds(deleted)
}
