package node

import (
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// write puts a slot in the running step's persist, and tells those that keep an index of what is stored.
func (n *Node) write(path string, stored *slot.Stored) contract.PersistID {
	n.HLC.Observe(stored.Version.TS) // what is stored again may be of before a restart, which forgets what others made.
	id := n.WriteRecord(path, stored.Record)
	if schema.IsConfigPath(path) {
		return id
	}
	if stored.Tombstone {
		n.tombstones.List(path)
	}
	n.expiry.Wrote(path, stored)
	n.comparison.Wrote(path, stored)
	return id
}

// erase takes a path out of the store for good, in the running step's persist. Only node/tombstones may do that.
func (n *Node) erase(path string) contract.PersistID {
	id := n.Hold(path, nil)
	n.Changes = append(n.Changes, contract.Change{Key: schema.PrefixRecord + path},
		contract.Change{Key: schema.PrefixTombstone + path})
	n.comparison.Erased(path)
	return id
}
