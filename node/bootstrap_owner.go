package node

import (
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// bootstrapOwner implements bootstrap.Owner for the node.
type bootstrapOwner struct{ *Node }

func (o bootstrapOwner) Expected() int { return o.configuration.Expected() }
func (o bootstrapOwner) SeedsAmong(ids []slot.ID) bool {
	return o.configuration.SeedsAmong(ids)
}
func (o bootstrapOwner) Founder() bool { return o.opts.Founder }
func (o bootstrapOwner) Merge(from *step.Peer, path string, record []byte) (contract.PersistID, error) {
	return o.replication.Merge(from, path, record)
}
func (o bootstrapOwner) Comparing() bool         { return o.comparison.Comparing() }
func (o bootstrapOwner) Compare(with *step.Peer) { o.comparison.Compare(with) }
