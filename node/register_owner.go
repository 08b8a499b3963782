package node

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// registerOwner implements register.Owner for the node.
type registerOwner struct {
	*Node
	step.Voters
}

func (o registerOwner) ConfigDecided(path string, resp *contract.Response) {
	o.configuration.Decided(path, resp)
}

func (o registerOwner) Write(path string, stored slot.Stored) contract.PersistID {
	return o.write(path, &stored)
}

func (o registerOwner) Chosen(path string, s *slot.Slot) { o.conflicts.Chosen(path, s) }

func (o registerOwner) UnlistTombstone(path string) { o.tombstones.Unlist(path) }

func (o registerOwner) Left(path string) slot.Slot { return o.tombstones.Left(path) }

func (o registerOwner) Fence() slot.Timestamp { return o.tombstones.Fence() }

func (o registerOwner) HasPassed(id slot.ID) bool { return o.configuration.HasPassed(id) }

func (o registerOwner) AskPassed() { o.configuration.AskPassed() }

func (o registerOwner) Strong(path string) bool { return o.configuration.Strong(path) }

func (o registerOwner) Declines(op contract.OpKind) bool {
	if o.syncing() {
		return true
	}
	_, _, refused := o.modes.RefusesWrite(op)
	return refused && op != contract.OpGet
}

func (o registerOwner) Enqueue(to *step.Peer, e wire.Entry) { o.replication.Enqueue(to, e) }
