package checks

import (
	"time"

	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// Bounds of the failure detector's promises, for members that reach each other, perhaps only through a third one.
// Probes come once a second, a suspicion lasts up to 18 seconds in clusters of this size; rumours need a few rounds to
// reach all members; dead members are dialled one by one.
const (
	detectMax = 30 * time.Second // from a crash until all see the member dead,
	spreadMax = 6 * time.Second  // from the first member that does until the last,
	returnMax = 8 * time.Second  // from a restart until all see it alive,
	healMax   = 40 * time.Second // the same after the network has changed.
)

// detectionCheck checks the member tables at intervals, in the safety phase.
type detectionCheck struct {
	check
	members []presence // by number of the replica.
}

// presence is what has been seen of a process since it went up or down.
type presence struct {
	deadSeen time.Duration // while it is down: when the first member saw it dead; zero: none does.
	told     bool          // a violation has been reported for this stretch of time.
}

func newDetectionCheck(w *world.World) *detectionCheck {
	return &detectionCheck{check{w, scenarios.FailuresDetected.String(), sim.Events(sim.EventStarted,
		sim.EventCrashed, sim.EventWatch)}, make([]presence, w.Nodes()+1)}
}

// Observe implements sim.Checker.
func (c *detectionCheck) Observe(e *sim.Event) {
	switch {
	case e.Kind != sim.EventWatch:
		c.members[e.Replica.Number] = presence{}
	case !c.w.Recovering():
		c.look()
	}
}

// look checks the member tables of the members that are up.
func (c *detectionCheck) look() {
	w := c.w
	for d := 1; d <= w.Nodes(); d++ {
		of := &w.Replicas[d]
		for v := 1; v <= w.Nodes(); v++ {
			viewer := &w.Replicas[v]
			if v == d || of.ID == 0 || viewer.Node == nil || viewer.Paused() || of.Paused() {
				continue
			}
			state, known := world.StateOf(viewer.Node.Status().Members, world.NodeEvidence{ID: of.ID})
			if known && c.reach(v, d) {
				c.believed(viewer, of, state)
			}
		}
	}
}

// reach reports whether two replicas reach each other both ways, or through a third one that is up.
func (c *detectionCheck) reach(a, b int) bool {
	w := c.w
	through := func(x, y int) bool { return !w.Links().Blocked(x, y) && !w.Links().Clogged(x, y) }
	open := func(x, y int) bool { return through(x, y) && through(y, x) }
	for h := 1; h <= w.Nodes(); h++ {
		if r := &w.Replicas[h]; open(a, h) && open(h, b) && (h == a || r.Node != nil && !r.Paused()) {
			return true
		}
	}
	return false
}

func (c *detectionCheck) believed(viewer, of *world.Replica, state swim.State) {
	w, p := c.w, &c.members[of.Number]
	since := max(of.Since, viewer.Since)
	// otherwise it had the time to be seen.
	returned := w.Now()-since <= returnMax || w.NetSince() > 0 && w.Now()-w.NetSince() <= healMax
	bad := func(format string, args ...any) {
		if !p.told {
			p.told = true
			c.bad(viewer.Number, "", format, args...)
		}
	}
	switch {
	case of.Node != nil && state != swim.Alive && !returned:
		bad("sees n%d %s, which has been up for %s", of.Number, state, w.Now()-of.Since)
	case of.Node == nil && w.NetSince() > since:
		// When the network changes as well, these bounds do not apply.
	case of.Node == nil && state == swim.Dead && p.deadSeen == 0:
		p.deadSeen = w.Now()
	case of.Node == nil && state != swim.Dead && w.Now()-since > detectMax:
		bad("sees n%d %s, which has been down for %s", of.Number, state, w.Now()-of.Since)
	case of.Node == nil && state != swim.Dead && p.deadSeen != 0 && w.Now()-max(since, p.deadSeen) > spreadMax:
		bad("sees n%d %s, which another member has known to be dead for %s", of.Number, state, w.Now()-p.deadSeen)
	}
}

// membershipCheck judges the final state of a run.
type membershipCheck struct{ check }

func newMembershipCheck(w *world.World) *membershipCheck {
	return &membershipCheck{check{w: w, name: scenarios.MembershipAgreed.String()}}
}

// Finish implements sim.Checker.
func (c *membershipCheck) Finish() { c.w.Violate(world.Disagreements(c.w.Evidence().Nodes)...) }
