package node

import (
	"kvs/node/contract"
	"kvs/node/slot"
)

// tombstonesOwner implements tombstones.Owner for the node.
type tombstonesOwner struct{ *Node }

func (o tombstonesOwner) MembersExpected() int { return o.configuration.Expected() }

func (o tombstonesOwner) Write(path string, stored slot.Stored) contract.PersistID {
	return o.write(path, &stored)
}

func (o tombstonesOwner) Erase(path string) { o.erase(path) }

func (o tombstonesOwner) Settle(path string) { o.register.Absorb(path) }
