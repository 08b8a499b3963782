package checks

import (
	"fmt"
	"strings"

	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// valuesCheck checks the values of reads, and those in the final state.
type valuesCheck struct{ check }

func newValuesCheck(w *world.World) *valuesCheck {
	return &valuesCheck{check{w, promiseKnownValues, sim.Events(sim.EventReplied, sim.EventAnswered)}}
}

// Observe implements sim.Checker.
func (c *valuesCheck) Observe(e *sim.Event) {
	if e.Kind == sim.EventAnswered {
		k, _ := e.Answer.Body.(*world.Answer)
		if of := e.Caller.Client.(*world.Client); k != nil && e.Answer.Status == linearize.OK &&
			(of.Op.Kind == scenarios.OpGet || k.Refused) && k.Found {
			c.read(of, e.Answer.Value)
		}
		return
	}
	k, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
	if k.Write == world.NoWrite && k.Shows(resp) && (resp.Code == node.CodeNotFound) == resp.Record.Live() {
		c.bad(e.Replica.Number, k.Request.Path, "answers %s and %s", resp.Code, world.Text(resp.Record))
	}
}

// Finish implements sim.Checker.
func (c *valuesCheck) Finish() { c.w.Violate(checkKnownValues(c.w.Evidence())...) }

// read checks the value of a client's read: a client has written it to this path, and its write was not refused.
func (c *valuesCheck) read(of *world.Client, value []byte) {
	w := c.w
	wr, wrong := w.Ledger.Source(of.Op.Path, value)
	if wrong != "" {
		c.bad(of.Op.Node, of.Op.Path, "%s", wrong)
		return
	}
	if proposals := w.Own.Workload.Mixed && strings.HasPrefix(of.Op.Path, scenarios.MixedDir) &&
		of.Op.Level != node.Linearizable; !proposals {
		// otherwise it may have been proposed and never chosen: see docs/explanation/consistency.md, "Mixed levels".
		wr.Seen = true
	}
}

// checkKnownValues checks the values in the final state, and refused writes that a client has read.
func checkKnownValues(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for i := range e.Nodes {
		for _, r := range e.Nodes[i].Records {
			detail := ""
			if r.Record.Live() {
				wr, wrong := e.Ledger.Source(r.Path, r.Record.Value)
				detail = wrong
				if wrong == "" && wr.Fate == ledger.Refused {
					detail = fmt.Sprintf("holds %s, whose put was refused", world.Text(r.Record))
				}
			} else if !deleteIsKnown(e.Ledger, r) {
				detail = fmt.Sprintf("holds %s, which no delete can have made", world.Text(r.Record))
			}
			if detail != "" {
				out = append(out, sim.Violation{Promise: promiseKnownValues, Node: e.Nodes[i].Number, Path: r.Path,
					Detail: detail})
			}
		}
	}
	for i := range e.Ledger.Writes {
		if wr := &e.Ledger.Writes[i]; wr.Seen && wr.Fate == ledger.Refused {
			out = append(out, sim.Violation{
				Promise: promiseKnownValues, Path: wr.Path,
				Detail: fmt.Sprintf("client %d was told that its put of %q did not happen, but another has read it",
					wr.Client, ledger.Clip(wr.Value)),
			})
		}
	}
	return out
}

// deleteIsKnown reports whether a delete, the end of a value, or a compare-and-set that names a version and found
// nothing can have made a tombstone: such a compare-and-set writes a tombstone, so that an earlier attempt of its own
// can no longer succeed.
func deleteIsKnown(l *ledger.Ledger, r world.PathRecord) bool {
	if of, is := r.Record.Ending(); is {
		return l.MayEnd(r.Path, of)
	}
	chosen := r.Slot.Consensus != nil && r.Slot.Consensus.Record.Version() == r.Record.Version()
	if chosen && l.MayEndChosen(r.Path, r.Record.TS) {
		return true
	}
	for _, i := range l.Of(r.Path) {
		wr := &l.Writes[i]
		if wr.Delete && (wr.Fate == ledger.Acknowledged && wr.Version == r.Record.Version() ||
			wr.Fate == ledger.Unknown || wr.Fate == ledger.Open) {
			return true
		}
		if chosen && wr.Named && wr.Fate != ledger.Acknowledged {
			return true
		}
	}
	return false
}
