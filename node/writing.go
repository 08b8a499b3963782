package node

import (
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// write puts a slot in the running step's persist, and updates the indexes.
func (n *Node) write(path string, stored *slot.Stored) contract.PersistID {
	// a slot that is stored again may be from before a restart, which loses the timestamps of other members.
	n.HLC.Observe(stored.Version.TS)
	absent := n.Absent(path)
	id := n.WriteRecord(path, stored.Record)
	if schema.IsConfigPath(path) {
		return id
	}
	if stored.Tombstone {
		n.tombstones.List(path, stored.Record)
	}
	n.expiry.Wrote(path, stored)
	if n.comparison.Wrote(path, stored, absent) {
		n.changelog.Wrote(path)
	}
	return id
}

// erase takes a path out of the store for good, in the running step's persist. Only node/tombstones may use it.
func (n *Node) erase(path string) contract.PersistID {
	id := n.Hold(path, nil)
	n.Changes = append(n.Changes, contract.Change{Key: schema.PrefixRecord + path},
		contract.Change{Key: schema.PrefixTombstone + path})
	n.comparison.Erased(path)
	return id
}
