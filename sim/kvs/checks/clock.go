package checks

import (
	"fmt"
	"time"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// A member detects that its clock is wrong from measurements, which take a few probes of each peer and have a bounded
// error. These figures leave room for both. They hold as long as the links in question are fair.
const (
	// from when a clock is wrong until no write is acknowledged any more,
	clockNotice  = 15 * time.Second
	clockMargin  = time.Second            // if it is wrong by so much more than the bound.
	fairLossMax  = 300_000                // parts per million, each way.
	fairDelayMax = 500 * time.Millisecond // each way.
	clockForget  = 45 * time.Second       // from when all clocks are right until writes are taken again.
	neverOff     = time.Duration(-1)
)

// clockCheck tracks since when the clock of each member has been off against most of the others without interruption,
// and since when it has been right against all of them.
type clockCheck struct {
	check
	since, right []time.Duration
}

func newClockCheck(w *world.World) *clockCheck {
	c := &clockCheck{
		check: check{w, scenarios.ClocksGuarded.String(), sim.Events(sim.EventWatch, sim.EventReplied, sim.EventNoted)},
		since: make([]time.Duration, w.Nodes()+1), right: make([]time.Duration, w.Nodes()+1),
	}
	for n := range c.since {
		c.since[n] = neverOff
	}
	return c
}

// Observe implements sim.Checker.
func (c *clockCheck) Observe(e *sim.Event) {
	switch e.Kind {
	case sim.EventWatch:
		c.look()
	case sim.EventReplied:
		k, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
		if resp.Code == node.CodeReadOnly {
			c.refused(e.Replica.Number, k.Request.Path)
		}
		if k.Acknowledged(resp) {
			c.acknowledged(e.Replica.Number, k.Request.Path)
		}
	case sim.EventNoted:
		if wrong, is := e.Note.(*member.WrongClock); is {
			c.bad(e.Replica.Number, "", "issues %s after %s, from a clock that it knows to be wrong", wrong.After,
				wrong.Before)
		}
	}
}

// look compares the clocks as they are now. It is called often enough to notice every longer error.
func (c *clockCheck) look() {
	w := c.w
	for n := 1; n <= w.Nodes(); n++ {
		off := 0
		for m := 1; m <= w.Nodes(); m++ {
			if m != n && c.apart(n, m) > w.Own.Tuning.Clock/2 {
				c.right[n] = w.Now()
			}
			if m != n && c.compare(n, m) && c.apart(n, m) > w.Own.Tuning.Clock+clockMargin {
				off++
			}
		}
		switch {
		case 2*off <= w.Nodes()-1:
			c.since[n] = neverOff
		case c.since[n] == neverOff:
			c.since[n] = w.Now()
		}
	}
}

// compare reports whether two members can measure each other's clocks at the moment.
func (c *clockCheck) compare(a, b int) bool {
	w := c.w
	for _, n := range [...]int{a, b} {
		if r := &w.Replicas[n]; r.Node == nil || r.Paused() || r.Since+returnMax > w.Now() {
			return false
		}
	}
	for _, way := range [...][2]int{{a, b}, {b, a}} {
		l := w.Links().Link(way[0], way[1])
		if w.Links().Blocked(way[0], way[1]) || w.Links().Clogged(way[0], way[1]) || l.Loss > fairLossMax ||
			l.Corrupt > fairLossMax || l.DelayMax > fairDelayMax {
			return false
		}
	}
	return true
}

// apart is how far two clocks are from each other.
func (c *clockCheck) apart(a, b int) time.Duration {
	return (c.w.Replicas[a].Shows() - c.w.Replicas[b].Shows()).Abs()
}

// refuses explains why a member must not acknowledge a write that was requested within the last `within`; empty: it
// may.
func (c *clockCheck) refuses(now time.Duration, n int, within time.Duration) string {
	since := c.since[n]
	if since == neverOff || now-since <= clockNotice+within {
		return ""
	}
	return fmt.Sprintf("acknowledges a write, although its clock has been off against most other members for %s",
		now-since)
}

// refused is called when a member refuses a write because it is read-only.
func (c *clockCheck) refused(n int, path string) {
	r := &c.w.Replicas[n]
	if right := c.w.Now() - c.right[n]; !r.Guarded() && right > clockForget {
		c.bad(n, path, "refuses a write (%v), although its clock has been right against all other members for %s",
			r.Node.Status().ModeReasons, right)
	}
}

// acknowledged is called for every write that a member acknowledges.
func (c *clockCheck) acknowledged(n int, path string) {
	if why := c.refuses(c.w.Now(), n, c.w.Own.Workload.Timeout); why != "" {
		c.bad(n, path, "%s", why)
	}
}
