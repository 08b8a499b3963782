package checks

import (
	"fmt"
	"slices"
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
		if of, _ := e.Caller.Client.(*world.Client); k != nil && e.Answer.Status == linearize.OK &&
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

// deleteIsKnown reports whether a delete, the end of a value, or a compare-and-set that requires a value and found
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
		if chosen && wr.WantsValue && wr.Fate != ledger.Acknowledged {
			return true
		}
	}
	return false
}

// A put is answered with 201 when its path showed nothing before, and with 204 otherwise.
//
// At the eventual and the quorum level the state of the asked member counts, when it was asked. At the linearizable
// level the former write in the order of versions counts: so it can be judged where the outcome of all writes on a path
// is known.

// createdCheck checks the answers to puts.
type createdCheck struct{ check }

func newCreatedCheck(w *world.World) *createdCheck {
	return &createdCheck{check{w, promiseKnownValues, sim.Events(sim.EventReplied)}}
}

// Observe implements sim.Checker.
func (k *createdCheck) Observe(e *sim.Event) {
	c, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
	if c.Acknowledged(resp) {
		k.answered(k.w.Of(e.Replica), c, resp)
	}
}

// Finish implements sim.Checker.
func (k *createdCheck) Finish() { k.w.Violate(k.creations()...) }

// answered checks the answer to a put that a member decided alone, and keeps other answers for creations.
func (k *createdCheck) answered(r *world.Replica, c *world.Call, resp *node.Response) {
	created := resp.Code == node.CodeCreated
	switch {
	case c.WantsAny() && created:
		k.bad(r.Number, c.Request.Path, "answers a put that requires a value with %s", resp.Code)
	case c.Request.Kind != scenarios.OpPut && c.Request.Kind != scenarios.OpCAS:
	case resp.Level == node.Linearizable:
		if c.Key.IsZero() && !resp.CreationUnknown { // otherwise it may be the answer to an earlier attempt.
			wr := &k.w.Ledger.Writes[c.Write]
			wr.Told, wr.Created = true, created
		}
	case c.ShownKnown && c.Shown == created:
		k.bad(r.Number, c.Request.Path, "answers a put with %s, and showed a value before: %t", resp.Code, c.Shown)
	}
}

// creations goes through the linearizable paths.
func (k *createdCheck) creations() (out []sim.Violation) {
	w := k.w
	for i := range w.Ledger.Paths {
		p := &w.Ledger.Paths[i]
		workload := &w.Own.Workload
		if workload.PathLevel(p.Path) != node.Linearizable || workload.Mixed &&
			p.Path[:min(len(p.Path), len(scenarios.LinearizableDir))] != scenarios.LinearizableDir {
			continue
		}
		if wrong, before := wrongCreation(&w.Ledger, p.Writes); wrong != nil {
			out = append(out, sim.Violation{Promise: promiseKnownValues, Node: wrong.Node, Path: p.Path,
				Detail: fmt.Sprintf("the put of version %s was answered as created: %t; the write before it %s",
					wrong.Version.ETag(), wrong.Created, before)})
		}
	}
	return out
}

// wrongCreation returns a put with a wrong answer, and the write before it; nil when all answers were right, or that is
// not known.
func wrongCreation(l *ledger.Ledger, writes []int32) (wrong *ledger.Write, before string) {
	var known []*ledger.Write
	for _, i := range writes {
		switch wr := &l.Writes[i]; {
		case wr.Nothing:
		case wr.Fate == ledger.Unknown || wr.Fate == ledger.Open || wr.Lost || wr.TTL > 0:
			return nil, "" // its effect may be between any two others.
		case wr.Fate == ledger.Acknowledged:
			known = append(known, wr)
		}
	}
	slices.SortFunc(known, func(a, b *ledger.Write) int { return a.Version.Compare(b.Version) })
	for i, wr := range known {
		live := i > 0 && !known[i-1].Delete
		if !wr.Told || wr.Created != live {
			continue
		}
		if i == 0 {
			return wr, "does not exist"
		}
		return wr, "is version " + known[i-1].Version.ETag() + ", a delete: " + fmt.Sprint(known[i-1].Delete)
	}
	return nil, ""
}
