package node

import (
	"encoding/binary"

	"kvs/node/contract"
)

// What simulators, explorers and operators see of a node's state. The core does not use it.

// OpenOperations lists the operations under way, in the order in which they began, so that operators see what they wait
// for. The list is as long as there are operations: call it rarely.
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

// AppendOperationState appends an unambiguous encoding of the state in memory that the further course of linearizable
// operations depends on: the operations under way, whose turn it is, the clock, the configuration. Together with the
// store, the pending persists and the messages in flight it is the state of an explorer. Left out are the times of
// timers, the numbers of future exchanges, and state that does not concern operations.
func (n *Node) AppendOperationState(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, n.Epoch())
	b = binary.LittleEndian.AppendUint64(b, n.CaughtUp)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.HLC.Last()))
	return n.register.AppendState(b)
}

// SetLogLevel sets the level below which no lines are made, between two steps.
func (n *Node) SetLogLevel(level contract.LogLevel) { n.LogLevel = level }
