package checks

import (
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// hlcCheck follows the timestamps that each identity issues, for as long as the identity exists, restarts included.
// Stored ones must rise from one to the next: a persist that a crash lost was never visible and does not count.
// Timestamps in answers to clients must have been stored, and must rise too.
type hlcCheck struct {
	check
	byID map[node.ID]*issued
}

type issued struct {
	stored, acknowledged node.Timestamp
	seen                 node.Timestamp       // the highest that was on its disk before, in the present run.
	writes               map[issuedWrite]bool // those stored: a slot is stored again when something else in it changes.
}

type issuedWrite struct {
	path string
	node.Version
}

func newHLCCheck(w *world.World) *hlcCheck {
	return &hlcCheck{
		check: check{w, scenarios.HLCMonotone.String(), sim.Events(sim.EventStarted, sim.EventReplied,
			world.SlotStored)},
		byID: make(map[node.ID]*issued),
	}
}

// Observe implements sim.Checker.
func (c *hlcCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case sim.EventStarted:
		c.restarted(r.ID)
	case world.SlotStored:
		s := e.Own.(*world.StoredSlot)
		if slot := &s.Slot; len(slot.Candidates) == 1 && slot.Candidates[0].Origin == r.ID && !world.IsEnding(slot, 0) {
			c.stored(r.Number, r.ID, s.Path, node.Version{TS: slot.TS, UUID: slot.Candidates[0].UUID})
		}
		c.holds(r.ID, s.Slot.Top())
	case sim.EventReplied:
		k, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
		if k.Acknowledged(resp) && resp.Level != node.Linearizable {
			c.acknowledged(r.Number, r.ID, k.Request.Path, resp.Record.Version(), resp.Level)
		}
	}
}

func (c *hlcCheck) of(id node.ID) *issued {
	i := c.byID[id]
	if i == nil {
		i = &issued{writes: make(map[issuedWrite]bool)}
		c.byID[id] = i
	}
	return i
}

// stored checks a record that its own origin has made durable.
func (c *hlcCheck) stored(n int, id node.ID, path string, v node.Version) {
	i := c.of(id)
	if i.writes[issuedWrite{path, v}] {
		return
	}
	i.writes[issuedWrite{path, v}] = true
	if v.TS <= i.stored {
		c.bad(n, path, "issued %s after %s", v.TS, i.stored)
	}
	if v.TS <= i.seen {
		c.bad(n, path, "issued %s, although it had received %s: what it writes after it has read would come before",
			v.TS, i.seen)
	}
	i.stored = max(i.stored, v.TS)
}

// holds records a version on a member's disk, of any origin: later timestamps of the member are above it. A restart may
// lose timestamps of others: the clock persists a bound of its own timestamps only.
func (c *hlcCheck) holds(id node.ID, ts node.Timestamp) {
	i := c.of(id)
	i.seen = max(i.seen, ts)
}

// restarted begins a new run.
func (c *hlcCheck) restarted(id node.ID) { c.of(id).seen = 0 }

// acknowledged checks a version in an answer to a client. Only eventual writes are acknowledged in the order of their
// timestamps: the others wait for the answers of other members.
func (c *hlcCheck) acknowledged(n int, id node.ID, path string, v node.Version, level node.Level) {
	i := c.of(id)
	switch {
	case v.TS <= i.acknowledged && level == node.Eventual:
		c.bad(n, path, "acknowledged %s after %s", v.TS, i.acknowledged)
	case v.TS > i.stored:
		c.bad(n, path, "acknowledged %s, which is not stored: the highest that is, is %s", v.TS, i.stored)
	}
	i.acknowledged = max(i.acknowledged, v.TS)
}
