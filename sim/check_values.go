package sim

import (
	"fmt"
	"strings"

	"kvs/node"
	"kvs/scenarios"
)

// readValue checks the value that a client was shown: somebody has written it to this path, and was not told that it
// certainly did not happen.
func (w *world) readValue(c *client, label string, a *answer) {
	wr, wrong := w.ledger.source(c.op.Path, a.value)
	if wrong != "" {
		w.violate(Violation{Promise: promiseKnownValues, Node: c.op.Node, Path: c.op.Path, Detail: wrong})
		return
	}
	if proposals := w.sc.Workload.Mixed && strings.HasPrefix(c.op.Path, scenarios.MixedDir) && c.op.Level != node.Linearizable; !proposals {
		wr.seen = true // else it may be what was proposed and never agreed on: see README, "Mixing levels".
	}
}

// checkKnownValues looks at the values that are there in the end, and at refused writes that somebody has seen.
func checkKnownValues(e *Evidence) []Violation {
	var out []Violation
	for i := range e.Nodes {
		for _, r := range e.Nodes[i].Records {
			detail := ""
			if r.Record.Live() {
				wr, wrong := e.ledger.source(r.Path, r.Record.Value)
				detail = wrong
				if wrong == "" && wr.fate == fateRefused {
					detail = fmt.Sprintf("holds %s, whose put was refused", describe(r.Record))
				}
			} else if !deleteIsKnown(e.ledger, r) {
				detail = fmt.Sprintf("holds %s, which no delete can have made", describe(r.Record))
			}
			if detail != "" {
				out = append(out, Violation{Promise: promiseKnownValues, Node: e.Nodes[i].Number, Path: r.Path, Detail: detail})
			}
		}
	}
	for i := range e.ledger.writes {
		if wr := &e.ledger.writes[i]; wr.seen && wr.fate == fateRefused {
			out = append(out, Violation{
				Promise: promiseKnownValues, Path: wr.path,
				Detail: fmt.Sprintf("client %d was told that its put of %q did not happen, but another has read it", wr.client, clip(wr.value)),
			})
		}
	}
	return out
}

// deleteIsKnown reports whether some delete, or the end of some value's life, can have made a tombstone, or a compare-and-set that names
// a version and found nothing: it writes that there is nothing, so that an earlier attempt of its own cannot get in any more.
func deleteIsKnown(l *ledger, r PathRecord) bool {
	if of, is := r.Record.Ending(); is {
		return l.mayEnd(r.Path, of)
	}
	chosen := r.Slot.Consensus != nil && r.Slot.Consensus.Record.Version() == r.Record.Version()
	if chosen && l.mayEndChosen(r.Path, r.Record.TS) {
		return true
	}
	for _, i := range l.of(r.Path) {
		wr := &l.writes[i]
		if wr.delete && (wr.fate == fateAcknowledged && wr.version == r.Record.Version() || wr.fate == fateUnknown || wr.fate == fateOpen) {
			return true
		}
		if chosen && wr.named && wr.fate != fateAcknowledged {
			return true
		}
	}
	return false
}
