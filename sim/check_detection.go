package sim

import (
	"fmt"
	"time"

	"kvs/node/swim"
	"kvs/scenarios"
)

// Bounds of what scenarios promise about the failure detector, for members that reach each other, if only through a third one.
// Probes come once a second, a suspicion lasts up to 18 seconds in clusters of this size; news needs a few rounds to reach
// everybody; the dead are dialled one by one.
const (
	detectMax = 30 * time.Second // from a crash until everybody sees the member dead,
	spreadMax = 6 * time.Second  // from the first who does until the last,
	returnMax = 8 * time.Second  // from a restart until everybody sees it alive,
	healMax   = 40 * time.Second // and so after the network has changed.
)

// presence is what the world knows about a replica's process, to compare with what members believe.
type presence struct {
	since    time.Duration // when it went up or down.
	deadSeen time.Duration // while it is down: when the first member saw it dead; zero: none does.
	told     bool          // a violation has been told about this stretch of time.
}

// checkDetection looks at what the members that are up think of each other.
func (w *world) checkDetection() {
	for d := 1; d <= w.nodes; d++ {
		of := &w.replicas[d]
		for v := 1; v <= w.nodes; v++ {
			viewer := &w.replicas[v]
			if v == d || of.id == 0 || viewer.node == nil || viewer.paused || of.paused {
				continue
			}
			state, known := stateOf(viewer.node.Status().Members, NodeEvidence{ID: of.id})
			if known && w.reach(v, d) {
				w.believed(viewer, of, state)
			}
		}
	}
}

// reach reports whether two replicas reach each other both ways, or through a third one that is up.
func (w *world) reach(a, b int) bool {
	through := func(x, y int) bool { return !w.net.links.Blocked(x, y) && !w.net.links.Clogged(x, y) }
	open := func(x, y int) bool { return through(x, y) && through(y, x) }
	for h := 1; h <= w.nodes; h++ {
		if r := &w.replicas[h]; open(a, h) && open(h, b) && (h == a || r.node != nil && !r.paused) {
			return true
		}
	}
	return false
}

func (w *world) believed(viewer, of *replica, state swim.State) {
	p := &of.presence
	since := max(p.since, viewer.presence.since)
	returned := w.now-since <= returnMax || w.netSince > 0 && w.now-w.netSince <= healMax // else it had the time to be seen.
	bad := func(format string, args ...any) {
		if !p.told {
			p.told = true
			w.violate(Violation{Promise: scenarios.FailuresDetected.String(), Node: viewer.number, Detail: fmt.Sprintf(format, args...)})
		}
	}
	switch {
	case of.node != nil && state != swim.Alive && !returned:
		bad("sees n%d %s, which has been up for %s", of.number, state, w.now-p.since)
	case of.node == nil && w.netSince > since:
		// When the network changes as well, these bounds say nothing.
	case of.node == nil && state == swim.Dead && p.deadSeen == 0:
		p.deadSeen = w.now
	case of.node == nil && state != swim.Dead && w.now-since > detectMax:
		bad("sees n%d %s, which has been down for %s", of.number, state, w.now-p.since)
	case of.node == nil && state != swim.Dead && p.deadSeen != 0 && w.now-max(since, p.deadSeen) > spreadMax:
		bad("sees n%d %s, which another member has known to be dead for %s", of.number, state, w.now-p.deadSeen)
	}
}
