package checks

import (
	"slices"
	"strings"

	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// Availability, as far as a single answer shows it. The promise `finished` requires that all operations succeed in the
// end, in the core phase and at the end of a run, where clients try again; a member that refuses now and then passes
// there.
//
//   - An eventual operation needs no other member: a member in mode normal does it, if its disk can be read.
//   - Operations of the other levels may be refused at once for want of a majority only when no majority of the voters
//     is alive as far as the member itself knows.
//   - A write that reaches the member's loop after its client has given up, as after a pause of the process, is refused
//     and not begun. An operation that comes in time is not refused for that reason.

// availableCheck checks the answers of members, with the mode that each had when it was asked.
type availableCheck struct{ check }

func newAvailableCheck(w *world.World) *availableCheck {
	return &availableCheck{check{w, promiseAvailable, sim.Events(sim.EventReplied)}}
}

// Observe implements sim.Checker.
func (k *availableCheck) Observe(e *sim.Event) {
	c := e.Call.State.(*world.Call)
	k.replied(k.w.Of(e.Replica), c, c.AskedAt > e.Call.Deadline, &e.Reply.Body.(*member.Answered).Response)
}

// replied checks one answer. late says that the member's loop got the operation after its deadline.
func (k *availableCheck) replied(r *world.Replica, c *world.Call, late bool, resp *node.Response) {
	w := k.w
	if c.Mode != node.ModeNormal || r.Node == nil {
		return
	}
	path, write := c.Request.Path, c.Write != world.NoWrite
	bad := func(format string, args ...any) { k.bad(r.Number, path, format, args...) }
	if late {
		if write && (resp.Code != node.CodeOverloaded || resp.Outcome != node.OutcomeNotApplied) {
			bad("answers a write that came after its deadline with %s (%s)", resp.Code, resp.Detail)
		}
		return
	}
	if w.AskedLevel(c) == node.Eventual && !(write && strong(r.Node.Config(), w.Own, path)) {
		if !eventualMay(resp.Code, r.Rotten[path]) && (resp.Code != node.CodeStorage || !r.DiskState().ReadErrors) {
			bad("answers an eventual operation with %s (%s), in mode normal", resp.Code, resp.Detail)
		}
		return
	}
	config := r.Node.Config()
	if resp.Code != node.CodeNoQuorum || c.AskedAt != w.Now() || resp.Outcome == node.OutcomeUnknown || config == nil {
		return
	}
	if alive := takenForAlive(r, config); alive >= config.Majority() {
		bad("refuses an operation at once (%s), and takes %d of %d voters for alive", resp.Detail, alive,
			len(config.Voters))
	}
}

// eventualMay lists how an eventual operation may end in mode normal. The mode can change while it waits for the disk.
func eventualMay(code node.Code, rotten bool) bool {
	switch code {
	case node.CodeOK, node.CodeCreated, node.CodeNotFound, node.CodeFailed:
		return true
	case node.CodeCorrupt:
		return rotten
	}
	return false
}

// strong reports whether a path is under a strong prefix.
func strong(config *node.Config, own *scenarios.Sections, path string) bool {
	if config == nil {
		return own.Voters.Strong
	}
	return slices.ContainsFunc(config.Strong, func(p string) bool { return p == "/" || strings.HasPrefix(path, p) })
}

// takenForAlive counts the voters that a member does not take for dead.
func takenForAlive(r *world.Replica, config *node.Config) (count int) {
	members := r.Node.Status().Members
	for _, id := range config.Voters {
		if id == r.ID || slices.ContainsFunc(members,
			func(m swim.Member) bool { return m.ID == id && (m.State == swim.Alive || m.State == swim.Suspect) }) {
			count++
		}
	}
	return count
}
