package node

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// replicationOwner implements replication.Owner for the node.
type replicationOwner struct{ *Node }

func (o replicationOwner) Write(path string, stored slot.Stored) contract.PersistID {
	return o.write(path, &stored)
}

func (o replicationOwner) RefuseBuried(from *step.Peer, path string, in *slot.Slot) bool {
	return o.tombstones.RefuseBuried(from, path, in)
}

func (o replicationOwner) Left(path string) slot.Slot { return o.tombstones.Left(path) }

func (o replicationOwner) Fence() slot.Timestamp { return o.tombstones.Fence() }

func (o replicationOwner) ConflictChanged(path string, s *slot.Slot) { o.conflicts.Changed(path, s) }

func (o replicationOwner) CompareSoon() { o.comparison.QueueDropped() }

func (o replicationOwner) LeftOut() { o.bootstrap.LookAgain() }

func (o replicationOwner) MemberName(id slot.ID) string { return o.membership.MemberName(id) }
