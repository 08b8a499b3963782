package checks

import (
	"fmt"
	"slices"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

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
	case c.Request.Kind != scenarios.OpPut && c.Request.Kind != scenarios.OpCAS:
	case resp.Level == node.Linearizable:
		if c.Key.IsZero() { // otherwise it may be the answer to an earlier attempt.
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
