package sim

import (
	"fmt"

	"kvs/scenarios"
)

// checkLostWrites looks for every acknowledged write at every replica: a higher timestamp beats it, and of equal ones all stay
// in the slot, whichever wins. Writes whose last copy was lost with its disk are nobody's promise: an eventual write is durable at
// one member, and spreads in the background. What comes before a tombstone that all members have had is gone with it.
func checkLostWrites(e *Evidence) []Violation {
	var out []Violation
	for _, p := range e.ledger.paths {
		top := e.ledger.highest(p.writes)
		if top == nil {
			continue
		}
		for _, index := range p.writes {
			wr := &e.ledger.writes[index]
			if wr.fate == fateAcknowledged && !wr.lost && wr.version.TS == top.version.TS && e.collected[wr.path] < wr.version.TS {
				out = append(out, lostAt(e, wr)...)
			}
		}
	}
	return out
}

func lostAt(e *Evidence, wr *write) (out []Violation) {
	for i := range e.Nodes {
		slot := e.Nodes[i].slot(wr.path)
		if ended := e.Nodes[i].ended[wr.path]; !slot.Exists() {
			slot = &ended // what was dropped counts as there: it shows the same.
		}
		if slot.Top() > wr.version.TS || slot.Holds(wr.version) {
			continue
		}
		out = append(out, Violation{
			Promise: scenarios.NoLostWrite.String(), Node: e.Nodes[i].Number, Path: wr.path,
			Detail: fmt.Sprintf("holds %s, but client %d was promised version %s by n%d", describe(e.Nodes[i].find(wr.path)), wr.client, wr.version.ETag(), wr.node),
		})
	}
	return out
}
