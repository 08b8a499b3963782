// Package runs judges that each run of a member begins above the former ones: what the others have heard of those is
// old then, and what was meant for them is not taken for an answer to this one. A run that begins like a former one is
// soon corrected by a refutation, or by chance, so outcomes seldom show it. The checker is one of those of package
// checks.
package runs

import (
	"fmt"
	"slices"

	"kvs/node"
	"kvs/node/swim"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// Check compares a member at its start with what the others know of it, and with its own former runs.
type Check struct {
	w         *world.World
	promise   string
	exchanges map[node.ID][]uint64 // where the numbers of the questions of each run begin.
}

// New makes the checker of a run of the simulator; promise is what it reports.
func New(w *world.World, promise string) *Check {
	return &Check{w, promise, make(map[node.ID][]uint64)}
}

// Name implements sim.Checker.
func (c *Check) Name() string { return c.promise }

// Events implements sim.Checker.
func (c *Check) Events() sim.EventSet { return sim.Events(sim.EventStarted) }

// Finish implements sim.Checker: nothing is judged at the end.
func (c *Check) Finish() {}

// Observe implements sim.Checker.
func (c *Check) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	if r.Older || r.Node.Mode() == node.ModeFailed {
		return // its copy has forgotten runs, which another check judges.
	}
	own, is := incarnation(r, r.ID) // one that has left for good announces no run, and others may not know yet.
	for n := 1; n <= c.w.Nodes(); n++ {
		v := &c.w.Replicas[n]
		if !is || n == r.Number || v.Node == nil {
			continue
		}
		if heard, known := incarnation(v, r.ID); known {
			c.Begins(r.Number, own, n, heard)
		}
	}
	c.Asks(r.Number, r.ID, r.Node.Exchanges)
}

// incarnation is that of a member in the table of a replica, unless it is gone for good.
func incarnation(r *world.Replica, id node.ID) (uint64, bool) {
	members := r.Node.Status().Members
	i := slices.IndexFunc(members, func(m swim.Member) bool { return m.ID == id && !m.State.Gone() })
	if i < 0 {
		return 0, false
	}
	return members[i].Incarnation, true
}

// Begins judges the incarnation with which a member begins a run, and the one at which another replica knows it. The
// others hear of a run only when its number is on disk, so the next one has a higher number.
func (c *Check) Begins(member int, own uint64, viewer int, heard uint64) {
	if swim.RunOf(own) <= swim.RunOf(heard) {
		c.bad(member, "begins its %d. run, and n%d knows its %d. already", swim.RunOf(own), viewer, swim.RunOf(heard))
	}
}

// Asks judges the number at which the questions of a run of a member begin.
func (c *Check) Asks(number int, member node.ID, exchanges uint64) {
	if slices.Contains(c.exchanges[member], exchanges) {
		c.bad(number, "begins its questions with the number %d, as a former run did", exchanges)
	}
	c.exchanges[member] = append(c.exchanges[member], exchanges)
}

func (c *Check) bad(node int, format string, args ...any) {
	c.w.Violate(sim.Violation{Promise: c.promise, Node: node, Detail: fmt.Sprintf(format, args...)})
}
