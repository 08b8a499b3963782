package sim

import (
	"slices"
	"strings"

	"kvs/node"
	"kvs/scenarios"
)

// checkConverged compares the records of every replica with those of the first, and names each difference.
func checkConverged(e *Evidence) []Violation {
	var out []Violation
	first := &e.Nodes[0]
	for i := 1; i < len(e.Nodes); i++ {
		other := &e.Nodes[i]
		eachPath(first.Records, other.Records, func(path string) {
			a, b := first.find(path), other.find(path)
			if a.Version() != b.Version() || a.Tombstone != b.Tombstone || a.ContentType != b.ContentType || a.Expires != b.Expires ||
				a.Origin != b.Origin || string(a.Value) != string(b.Value) || !sameSlot(first.slot(path), other.slot(path)) {
				out = append(out, Violation{
					Promise: scenarios.Converged.String(), Node: other.Number, Path: path,
					Detail: "holds " + describe(b) + ", but " + nodeName(first.Number) + " holds " + describe(a),
				})
			}
		})
	}
	return out
}

// sameSlot compares all candidates and votes, and the accepted record with all that goes with it; promises are each member's own, and
// so is whether it counts for fast answers.
func sameSlot(a, b *node.Slot) bool {
	x, y := a.Consensus, b.Consensus
	if x == nil {
		x = &node.Consensus{}
	}
	if y == nil {
		y = &node.Consensus{}
	}
	p, q := &x.Record, &y.Record
	if x.Ballot != y.Ballot || !slices.Equal(x.Applied, y.Applied) || p.Version() != q.Version() || p.Tombstone != q.Tombstone || p.Origin != q.Origin ||
		p.ContentType != q.ContentType || p.Expires != q.Expires || string(p.Value) != string(q.Value) {
		return false
	}
	return a.TS == b.TS && slices.Equal(a.Votes, b.Votes) && slices.EqualFunc(a.Candidates, b.Candidates, func(x, y node.Candidate) bool {
		return x.UUID == y.UUID && x.Origin == y.Origin && x.Tombstone == y.Tombstone && x.Expires == y.Expires && x.ContentType == y.ContentType && string(x.Value) == string(y.Value)
	})
}

// eachPath calls fn for every path in either of two sorted lists, once.
func eachPath(a, b []PathRecord, fn func(path string)) {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && strings.Compare(a[i].Path, b[j].Path) < 0:
			fn(a[i].Path)
			i++
		case i == len(a) || a[i].Path != b[j].Path:
			fn(b[j].Path)
			j++
		default:
			fn(a[i].Path)
			i, j = i+1, j+1
		}
	}
}
