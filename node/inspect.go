package node

import (
	"encoding/binary"

	"kvs/node/contract"
)

// What simulators and explorers see of a node, and people who ask what holds things up. Nothing in the core reads it.

// OpenOperations lists what is under way, in the order in which it began, for people who ask what holds things up. It
// is as large as that: ask rarely.
func (n *Node) OpenOperations() []contract.OpenOperation {
	out := n.quorum.AppendOpen(n.register.AppendOpen(nil))
	if c, open := n.configuration.OpenChange(); open {
		out = append(out, contract.OpenOperation{
			Request: c.Request, Op: c.Op, Level: contract.Linearizable, Path: c.Path,
			Waits: "voters to catch up with the configuration", Members: c.Missing,
		})
	}
	return out
}

// AppendOperationState appends an unambiguous form of everything in memory that the further course of linearizable
// operations depends on: those under way, whose turn it is, the clock, the configuration. Together with the store, what
// waits for the disk and the messages on their way it is the state of an explorer. Left out: when timers are due, the
// names of exchanges to come, and whatever is not about operations.
func (n *Node) AppendOperationState(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, n.Epoch())
	b = binary.LittleEndian.AppendUint64(b, n.CaughtUp)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.HLC.Last()))
	return n.register.AppendState(b)
}
