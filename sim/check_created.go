package sim

import (
	"fmt"
	"slices"

	"kvs/node"
	"kvs/scenarios"
)

// A put is answered with 201 when its path showed nothing before, and with 204 otherwise.
//
// At the eventual and the quorum level that is about the member that was asked, in the moment in which it was. At the linearizable level
// it is about the write before in the one order there is, which is that of the versions: so it can be told where the outcome of all writes on
// a path is known.

// shows reports whether a path shows a value at a replica, with what is still on its way to the disk; known is false when it cannot be read.
func (r *replica) shows(path string) (live, known bool) {
	encoded, found := []byte(nil), false
	for i := len(r.disk.waiting) - 1; i >= 0 && !found; i-- {
		ops := r.disk.waiting[i].Ops
		for k := len(ops) - 1; k >= 0 && !found; k-- {
			if ops[k].Key == recordPrefix+path {
				encoded, found = ops[k].Value, true
			}
		}
	}
	if !found {
		b, _, err := r.disk.store.Get(recordPrefix + path)
		if err != nil {
			return false, false
		}
		encoded = b
	}
	if encoded == nil {
		return false, true
	}
	slot, err := node.DecodeSlot(path, encoded)
	if err != nil || r.electorate == nil {
		return false, false
	}
	shown := r.electorate.Visible(&slot)
	return shown.Live(), true
}

// checkCreated looks at the answer to a put that a member decided alone, and keeps that of another one for checkCreations.
func (w *world) checkCreated(r *replica, c *call, resp *node.Response) {
	created := resp.Code == node.CodeCreated
	switch {
	case c.request.Kind != scenarios.OpPut && c.request.Kind != scenarios.OpCAS:
	case resp.Level == node.Linearizable:
		if c.key.IsZero() { // else it may be the answer to an earlier attempt.
			w.ledger.writes[c.write].told, w.ledger.writes[c.write].created = true, created
		}
	case c.showsKnown && c.shows == created:
		w.violate(Violation{Promise: promiseKnownValues, Node: r.number, Path: c.request.Path,
			Detail: fmt.Sprintf("answers a put with %s, and showed a value before: %t", resp.Code, c.shows)})
	}
}

// checkCreations goes through the linearizable paths.
func (w *world) checkCreations() (out []Violation) {
	for i := range w.ledger.paths {
		p := &w.ledger.paths[i]
		workload := &w.sc.Workload
		if workload.PathLevel(p.path) != node.Linearizable || workload.Mixed && p.path[:min(len(p.path), len(scenarios.LinearizableDir))] != scenarios.LinearizableDir {
			continue
		}
		if wrong, before := w.ledger.wrongCreation(p.writes); wrong != nil {
			out = append(out, Violation{Promise: promiseKnownValues, Node: wrong.node, Path: p.path,
				Detail: fmt.Sprintf("the put of version %s was answered as created: %t; the write before it %s", wrong.version.ETag(), wrong.created, before)})
		}
	}
	return out
}

// wrongCreation returns a put that was told the wrong thing, and what the write before it was; nothing when all were told right, or nobody knows.
func (l *ledger) wrongCreation(writes []int32) (wrong *write, before string) {
	var known []*write
	for _, i := range writes {
		switch wr := &l.writes[i]; {
		case wr.nothing:
		case wr.fate == fateUnknown || wr.fate == fateOpen || wr.lost || wr.ttl > 0:
			return nil, "" // what it did, and when it ended, may be between any two.
		case wr.fate == fateAcknowledged:
			known = append(known, wr)
		}
	}
	slices.SortFunc(known, func(a, b *write) int { return a.version.Compare(b.version) })
	for i, wr := range known {
		live := i > 0 && !known[i-1].delete
		if !wr.told || wr.created != live {
			continue
		}
		if i == 0 {
			return wr, "does not exist"
		}
		return wr, "is version " + known[i-1].version.ETag() + ", a delete: " + fmt.Sprint(known[i-1].delete)
	}
	return nil, ""
}
