package node

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// quorumOwner implements quorum.Owner for the node.
type quorumOwner struct {
	*Node
	step.Voters
}

func (o quorumOwner) Retirement() string { return o.membership.Retirement() }

func (o quorumOwner) Complete() bool { return o.bootstrap.Complete() }

func (o quorumOwner) Write(path string, stored slot.Stored) contract.PersistID {
	return o.write(path, &stored)
}

func (o quorumOwner) Left(path string) slot.Slot { return o.tombstones.Left(path) }

func (o quorumOwner) MergeShown(from *step.Peer, path string, record []byte) (step.Merged, error) {
	return o.replication.MergeShown(from, path, record)
}

func (o quorumOwner) Replicate(path string, record []byte) { o.replication.Replicate(path, record) }

func (o quorumOwner) Enqueue(to *step.Peer, e wire.Entry) { o.replication.Enqueue(to, e) }
