package node

import (
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// comparisonOwner implements comparison.Owner for the node.
type comparisonOwner struct{ *Node }

func (o comparisonOwner) Quiet() bool { return o.bootstrap.Quiet() }

func (o comparisonOwner) Absent(p *step.Peer) bool { return o.bootstrap.Absent(p) }

func (o comparisonOwner) Compared(with slot.ID, whole, differs bool) {
	o.bootstrap.Compared(with, whole, differs)
}

func (o comparisonOwner) Remake(path string, was slot.Version) bool {
	return o.tombstones.Remake(path, was)
}

func (o comparisonOwner) Enqueue(to *step.Peer, e wire.Entry) { o.replication.Enqueue(to, e) }

func (o comparisonOwner) Waits(p *step.Peer) bool { return o.replication.Waits(p) }
