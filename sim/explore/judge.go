package explore

import (
	"fmt"

	"kvs/linearize"
	"kvs/node"
)

// The history gives chained operations intervals one after the other, and lets all others last from the beginning to the end: that
// is all that a schedule says about them, whichever of the orders that differ in nothing else it is.
const (
	chainGap   = 10
	closingAt  = 1_000_000
	closingGap = 10
)

// judge reads every path at every node, with everything delivered, and returns what is wrong with the history; empty: nothing.
func (w *world) judge() string {
	h := &linearize.History{}
	for i := 1; i <= w.scope.Nodes; i++ {
		h.Header.Nodes = append(h.Header.Nodes, fmt.Sprintf("n%d", i))
	}
	chain := int64(0)
	for k := range w.scope.Ops {
		if !w.calls[k].sent {
			continue
		}
		op := w.record(k)
		linked := w.scope.Ops[k].After || k+1 < len(w.scope.Ops) && w.scope.Ops[k+1].After
		if linked {
			op.Invoke = 1 + chain*chainGap
			if op.Status == linearize.OK || op.Status == linearize.Fail {
				op.Return = op.Invoke + chainGap/2
			}
			chain++
		}
		h.Ops = append(h.Ops, op)
	}
	h.Ops = append(h.Ops, w.closingReads()...)
	sortOps(h.Ops)
	if err := h.Validate(); err != nil {
		return "the history is impossible: " + err.Error()
	}
	res := linearize.Check(h, linearize.Options{})
	if res.Verdict == linearize.Linearizable {
		return ""
	}
	if res.Offending < 0 {
		return res.Problem
	}
	return fmt.Sprintf("%s: %s", res.Verdict, res.Keys[res.Offending].Evidence.Text)
}

// record is operation k as its client saw it.
func (w *world) record(k int) linearize.Op {
	o, c := &w.scope.Ops[k], &w.calls[k]
	op := linearize.Op{
		Process: k, Node: fmt.Sprintf("n%d", o.Node), Kind: o.Kind, Path: o.Path, Level: node.Linearizable.String(),
		Invoke: 1, Return: closingAt - 1, Status: linearize.OK,
	}
	if o.Kind == linearize.Put || o.Kind == createKind {
		op.Input = label(k)
	}
	op.ExpectAbsent = o.Kind == createKind
	r := &c.response
	switch {
	case !c.over:
		op.Status, op.Return, op.Error = linearize.Info, linearize.Never, "no answer"
	case r.Code == node.CodePrecondition:
	case r.Code == node.CodeOK || r.Code == node.CodeCreated || r.Code == node.CodeNotFound && o.Kind == linearize.Get:
		op.Applied = o.Kind == createKind
		if o.Kind == linearize.Get {
			op.Found, op.Output = r.Record.Live(), string(r.Record.Value)
		}
	case r.Outcome == node.OutcomeUnknown && o.Kind != linearize.Get:
		op.Status, op.Return, op.Error = linearize.Info, linearize.Never, r.Detail
	default:
		op.Status, op.Error = linearize.Fail, r.Code.String()+": "+r.Detail
	}
	return op
}

// closingReads are linearizable reads at all nodes, one after the other, of every path.
func (w *world) closingReads() (out []linearize.Op) {
	at := int64(closingAt)
	id := uint64(len(w.scope.Ops))
	seen := map[string]bool{}
	for k := range w.scope.Ops {
		path := w.scope.Ops[k].Path
		if seen[path] {
			continue
		}
		seen[path] = true
		for i := 1; i <= w.scope.Nodes; i++ {
			id++
			op := linearize.Op{Process: int(id) + opsMax, Node: fmt.Sprintf("n%d", i), Kind: linearize.Get, Path: path, Level: node.Linearizable.String(), Invoke: at, Return: at + closingGap/2}
			r, ok := w.closingRead(i, id, path)
			at += closingGap
			switch {
			case ok && (r.Code == node.CodeOK || r.Code == node.CodeNotFound):
				op.Status, op.Found, op.Output = linearize.OK, r.Record.Live(), string(r.Record.Value)
			default:
				op.Status, op.Error = linearize.Fail, r.Code.String()+": "+r.Detail
			}
			out = append(out, op)
		}
	}
	return out
}

func (w *world) closingRead(i int, id uint64, path string) (node.Response, bool) {
	w.meeting = true // upkeep runs again, disks are done at once.
	for k := 1; k <= w.scope.Nodes; k++ {
		w.sync(k)
	}
	w.input(i, &node.Request{ID: id + 1, Op: node.OpGet, Level: node.Linearizable, Path: path})
	for range closingMax {
		w.deliverAll(true)
		if r, ok := w.answers[id+1]; ok {
			return r, true
		}
		w.passTime()
	}
	return node.Response{Detail: "no answer"}, false
}
