package node

import "kvs/node/slot"

// expiryOwner implements expiry.Owner for the node.
type expiryOwner struct{ *Node }

func (o expiryOwner) Syncing() bool { return o.bootstrap.Syncing() }

func (o expiryOwner) Write(path string, stored slot.Stored) { o.write(path, &stored) }

func (o expiryOwner) Replicate(path string, record []byte) { o.replication.Replicate(path, record) }

func (o expiryOwner) EndChosen(path string, version slot.Version) bool {
	return o.register.End(path, version)
}
