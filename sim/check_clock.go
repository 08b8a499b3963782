package sim

import (
	"fmt"
	"time"

	"kvs/node"
	"kvs/scenarios"
)

// A member finds out that its clock is wrong from what it hears, which takes a few probes of each peer, and whose own error has
// a bound. These figures leave room for both. They hold as long as the links in question are fair.
const (
	clockNotice  = 15 * time.Second       // from the moment in which a clock is wrong until no write is acknowledged any more,
	clockMargin  = time.Second            // if it is wrong by so much more than the bound.
	fairLossMax  = 300_000                // parts per million, each way.
	fairDelayMax = 500 * time.Millisecond // each way.
	clockForget  = 45 * time.Second       // from the moment in which all clocks are right until writes are taken again.
	neverOff     = time.Duration(-1)
)

// clockCheck knows since when the clock of each member has been off against most of the others, all the time, and since when it
// has been right against all of them.
type clockCheck struct{ since, right []time.Duration }

func newClockCheck(nodes int) clockCheck {
	c := clockCheck{since: make([]time.Duration, nodes+1), right: make([]time.Duration, nodes+1)}
	for n := range c.since {
		c.since[n] = neverOff
	}
	return c
}

// look compares the clocks as they are now. The world looks often enough that none goes wrong and right again unseen for long.
func (c *clockCheck) look(w *world) {
	for n := 1; n <= w.nodes; n++ {
		off := 0
		for m := 1; m <= w.nodes; m++ {
			if m != n && w.clockError(n, m) > w.sc.Tuning.Clock/2 {
				c.right[n] = w.now
			}
			if m != n && w.clocksCompare(n, m) && w.clockError(n, m) > w.sc.Tuning.Clock+clockMargin {
				off++
			}
		}
		switch {
		case 2*off <= w.nodes-1:
			c.since[n] = neverOff
		case c.since[n] == neverOff:
			c.since[n] = w.now
		}
	}
}

// clocksCompare reports whether two members can find out about each other's clocks at the moment.
func (w *world) clocksCompare(a, b int) bool {
	for _, n := range [...]int{a, b} {
		if r := &w.replicas[n]; r.node == nil || r.paused || r.presence.since+returnMax > w.now {
			return false
		}
	}
	for _, way := range [...][2]int{{a, b}, {b, a}} {
		l := w.net.links.Link(way[0], way[1])
		if w.net.links.Blocked(way[0], way[1]) || w.net.links.Clogged(way[0], way[1]) || l.Loss > fairLossMax || l.Corrupt > fairLossMax || l.DelayMax > fairDelayMax {
			return false
		}
	}
	return true
}

func (w *world) clockError(a, b int) time.Duration {
	return (w.replicas[a].clock.shows(w.now) - w.replicas[b].clock.shows(w.now)).Abs()
}

// refuses says why a member must not acknowledge a write that it was asked for within the last `within`; nothing when it may.
func (c *clockCheck) refuses(now time.Duration, n int, within time.Duration) string {
	since := c.since[n]
	if since == neverOff || now-since <= clockNotice+within {
		return ""
	}
	return fmt.Sprintf("acknowledges a write, although its clock has been off against most other members for %s", now-since)
}

// checkRefusal is called when a member refuses a write because it is read-only.
func (w *world) checkRefusal(n int, path string) {
	r := &w.replicas[n]
	right := w.now - w.clocks.right[n]
	if r.guarded || right <= clockForget || !w.sc.Expects(scenarios.ClocksGuarded) {
		return
	}
	w.violate(Violation{Promise: scenarios.ClocksGuarded.String(), Node: n, Path: path,
		Detail: fmt.Sprintf("refuses a write (%v), although its clock has been right against all other members for %s", r.node.Status().ModeReasons, right)})
}

// checkClock is called for every write that a member acknowledges.
func (w *world) checkClock(n int, path string) {
	if !w.sc.Expects(scenarios.ClocksGuarded) {
		return
	}
	if why := w.clocks.refuses(w.now, n, w.sc.Workload.Timeout); why != "" {
		w.violate(Violation{Promise: scenarios.ClocksGuarded.String(), Node: n, Path: path, Detail: why})
	}
}

// wrongClockStampsMax bounds the timestamps that one step of a node issues.
const wrongClockStampsMax = 1000

// checkWrongClock is called after a step of a node that had known its clock to be wrong. In a step in which it heard of no timestamp, those that
// it issued follow on the ones before: the clock is not read.
func (w *world) checkWrongClock(r *replica, in node.Input, before node.Timestamp) {
	switch in.(type) {
	case node.Tick, *node.Request:
	default:
		return
	}
	// What it reads back from its own disk may be above, too, but hardly shows what its clock shows in this very moment.
	after := r.node.Clock()
	if r.node.ClockOff() && after > before+wrongClockStampsMax && after.Wall() == r.time(w.now).Wall && w.sc.Expects(scenarios.ClocksGuarded) {
		w.violate(Violation{Promise: scenarios.ClocksGuarded.String(), Node: r.number,
			Detail: fmt.Sprintf("issues %s after %s, from a clock that it knows to be wrong", after, before)})
	}
}
