package world

import (
	"time"

	"kvs/chaos"
	"kvs/node"
)

// departure is a member that is leaving. There is one at a time, and the next begins only when the cluster is whole
// again: an operator that takes out a majority has no cluster left.
type departure struct {
	number int // zero: no member is leaving.
	leaves bool
	told   bool          // the request to leave, or to remove it, has been made.
	since  time.Duration // when it began; of the last one, when it ended.
}

const (
	departEvery = 15 * time.Second // from one departure to the next.
	departMax   = 20 * time.Second // a node that has not handed over by then stays.
)

// depart makes a member leave or be removed, at intervals; its machine gets an empty disk and joins as a new member. It
// reports whether it did anything.
func (w *World) depart() bool {
	d := &w.departing
	if d.number != 0 {
		w.goOnDeparting(d)
		return true
	}
	if w.Recovering() || w.Now() < d.since+departEvery || !w.whole() || !chaos.Chance(w.Rand(), w.Own.Voters.Depart) {
		return false
	}
	*d = departure{number: 1 + w.Rand().IntN(w.Nodes()), leaves: w.Rand().IntN(2) == 0, since: w.Now()}
	if r := &w.Replicas[d.number]; !d.leaves && !w.mayWipe(r) {
		d.leaves = true // a voter that the others need is never removed by force.
	}
	w.goOnDeparting(d)
	return true
}

// whole reports whether every replica runs, is in step and votes.
func (w *World) whole() bool {
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		if r.Node == nil || r.Paused() || r.Node.Mode() != node.ModeNormal {
			return false
		}
		s := r.Node.Status()
		if s.Config == nil || !s.Config.Votes(r.ID) || s.CaughtUp < s.Config.Epoch ||
			len(s.Config.Voters) != w.Nodes() {
			return false
		}
	}
	return true
}

func (w *World) goOnDeparting(d *departure) {
	r := &w.Replicas[d.number]
	switch down := r.Node == nil || r.Paused(); {
	case down && d.told:
		return // it counts as removed in any case.
	case !d.told && (down || w.Recovering() || w.Now() > d.since+departMax):
		*d = departure{since: w.Now()} // a fault interfered, or it could not hand over.
		return
	}
	s := r.Node.Status()
	switch {
	case s.Retired != "" && s.Left:
		w.Renew(r.Replica)
		*d = departure{since: w.Now()}
	case d.told:
	case !d.leaves && !w.mayWipe(r): // another disk was lost meanwhile.
		*d = departure{since: w.Now()}
	case !d.leaves:
		if by := &w.Replicas[d.number%w.Nodes()+1]; by.Node != nil && !by.Paused() {
			d.told = true
			w.Control(by.Replica, &node.Remove{ID: r.ID, Force: true})
		}
	case s.Config.Votes(r.ID):
		if w.mayDemote(s.Config, r.ID) {
			w.demote(r, r.ID, false)
		}
	case !w.takenOver(s.Config): // kvs leave waits for the answer to its demotion, which implies that.
	case s.HandedOver >= s.HandOver:
		d.told = true
		w.Control(r.Replica, node.Leave{})
	}
}

// takenOver reports whether a majority of the voters has caught up with a configuration: the former voters are no
// longer needed.
func (w *World) takenOver(c *node.Config) bool {
	count := 0
	for n := 1; n <= w.Nodes(); n++ {
		if r := &w.Replicas[n]; r.Node != nil && c.Votes(r.ID) && r.Node.Status().CaughtUp >= c.Epoch {
			count++
		}
	}
	return count >= c.Majority()
}
