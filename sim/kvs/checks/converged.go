package checks

import (
	"slices"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// convergedCheck judges the final state of a run.
type convergedCheck struct{ check }

func newConvergedCheck(w *world.World) *convergedCheck {
	return &convergedCheck{check{w: w, name: scenarios.Converged.String()}}
}

// Finish implements sim.Checker.
func (c *convergedCheck) Finish() { c.w.Violate(checkConverged(c.w.Evidence())...) }

// checkConverged compares the records of every replica with those of the first, and names each difference.
func checkConverged(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	first := &e.Nodes[0]
	for i := 1; i < len(e.Nodes); i++ {
		other := &e.Nodes[i]
		world.EachPath(first.Records, other.Records, func(path string) {
			a, b := first.Find(path), other.Find(path)
			if a.Version() != b.Version() || a.Tombstone != b.Tombstone || a.ContentType != b.ContentType ||
				a.Expires != b.Expires ||
				a.Origin != b.Origin || string(a.Value) != string(b.Value) ||
				!sameSlot(first.Slot(path), other.Slot(path)) {
				out = append(out, sim.Violation{
					Promise: scenarios.Converged.String(), Node: other.Number, Path: path,
					Detail: "holds " + world.Text(b) + ", but " + sim.NodeName(first.Number) + " holds " +
						world.Text(a),
				})
			}
		})
	}
	return out
}

// sameSlot compares all candidates and votes, and the accepted record with its fields; promises are each member's own,
// and so is whether the slot counts for fast answers.
func sameSlot(a, b *node.Slot) bool {
	x, y := a.Consensus, b.Consensus
	if x == nil {
		x = &node.Consensus{}
	}
	if y == nil {
		y = &node.Consensus{}
	}
	p, q := &x.Record, &y.Record
	if x.Ballot != y.Ballot || !slices.Equal(x.Applied, y.Applied) || p.Version() != q.Version() ||
		p.Tombstone != q.Tombstone || p.Origin != q.Origin ||
		p.ContentType != q.ContentType || p.Expires != q.Expires || string(p.Value) != string(q.Value) {
		return false
	}
	return a.TS == b.TS && slices.Equal(a.Votes, b.Votes) &&
		slices.EqualFunc(a.Candidates, b.Candidates, func(x, y node.Candidate) bool {
			return x.UUID == y.UUID && x.Origin == y.Origin && x.Tombstone == y.Tombstone && x.Expires == y.Expires &&
				x.ContentType == y.ContentType && string(x.Value) == string(y.Value)
		})
}
