// Package asked judges what members ask each other for: newcomers for data, comparisons for what is newer elsewhere. A
// request that is left out or comes too early shows in no outcome for long, so the checkers look at the messages. They
// are two of the checkers of package checks, where their tests are.
package asked

import (
	"fmt"

	"kvs/node"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// check is the common part of both checkers.
type check struct {
	w    *world.World
	name string
}

// Name implements sim.Checker.
func (c *check) Name() string { return c.name }

// Events implements sim.Checker.
func (c *check) Events() sim.EventSet { return sim.Events(sim.EventStarted, sim.EventStepped) }

// Finish implements sim.Checker: nothing is judged at the end.
func (c *check) Finish() {}

// bad reports that the promise breaks at a node, and on a path if there is one.
func (c *check) bad(node int, path, format string, args ...any) {
	c.w.Violate(sim.Violation{Promise: c.name, Node: node, Path: path, Detail: fmt.Sprintf(format, args...)})
}

// isKind reports whether a message is of a kind, if it is intact.
func isKind(data []byte, k wire.Kind) bool {
	return len(data) >= wire.EnvelopeBytes && wire.Kind(data[1]) == k
}

// read takes the message out of a frame of its kind, if it is intact. Callers ask isKind first: nearly all frames are
// of another kind, and a message to read into costs an allocation.
func read(data []byte, into interface{ Decode(body []byte) error }) (from node.ID, ok bool) {
	_, from, body, err := wire.Open(data, wire.ClusterHash(world.ClusterName))
	return from, err == nil && into.Decode(body) == nil
}
