package sim

import (
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/swim"
)

// departure is a member on its way out. There is one at a time, and the next begins only when the cluster is whole again: an
// operator who takes out a majority has no cluster left.
type departure struct {
	number int // zero: nobody is.
	leaves bool
	told   bool          // it has been told to leave, or the others to remove it.
	since  time.Duration // when it began; of the last one, when it ended.
}

const (
	departEvery = 15 * time.Second // from one departure to the next.
	departMax   = 20 * time.Second // a node that has not handed over by then stays.
)

// depart lets a member leave or be removed, now and then; its machine gets an empty disk and joins as a new member. It reports
// whether it did anything.
func (w *world) depart() bool {
	d := &w.departing
	if d.number != 0 {
		w.goOnDeparting(d)
		return true
	}
	if w.recovering || w.now < d.since+departEvery || !w.whole() || !chaos.Chance(w.rng, w.sc.Voters.Depart) {
		return false
	}
	*d = departure{number: 1 + w.rng.IntN(w.nodes), leaves: w.rng.IntN(2) == 0, since: w.now}
	if r := &w.replicas[d.number]; !d.leaves && !w.mayWipe(r) {
		d.leaves = true // nobody removes a voter by force whom the others cannot do without.
	}
	w.goOnDeparting(d)
	return true
}

// whole reports whether every replica runs, is in step and votes.
func (w *world) whole() bool {
	for n := 1; n <= w.nodes; n++ {
		r := &w.replicas[n]
		if r.node == nil || r.paused || r.node.Mode() != node.ModeNormal {
			return false
		}
		s := r.node.Status()
		if s.Config == nil || !s.Config.Votes(r.id) || s.CaughtUp < s.Config.Epoch || len(s.Config.Voters) != w.nodes {
			return false
		}
	}
	return true
}

func (w *world) goOnDeparting(d *departure) {
	r := &w.replicas[d.number]
	switch down := r.node == nil || r.paused; {
	case down && d.told:
		return // whatever holds it up, it is out.
	case !d.told && (down || w.recovering || w.now > d.since+departMax):
		*d = departure{since: w.now} // a fault came in between, or it could not hand over.
		return
	}
	s := r.node.Status()
	switch {
	case s.Retired != "" && s.Left:
		w.renew(r)
		*d = departure{since: w.now}
	case d.told:
	case !d.leaves && !w.mayWipe(r): // another disk was lost meanwhile.
		*d = departure{since: w.now}
	case !d.leaves:
		if by := &w.replicas[d.number%w.nodes+1]; by.node != nil && !by.paused {
			d.told = true
			w.step(by, &node.Remove{ID: r.id, Force: true})
		}
	case s.Config.Votes(r.id):
		w.demote(r, r.id, false)
	case !w.takenOver(s.Config): // kvs leave waits for the answer to its demotion, which says so.
	case s.HandedOver >= s.HandOver:
		d.told = true
		w.step(r, node.Leave{})
	}
}

// takenOver reports whether a majority of the voters has caught up with a configuration: nothing rests on those before any more.
func (w *world) takenOver(c *node.Config) bool {
	count := 0
	for n := 1; n <= w.nodes; n++ {
		if r := &w.replicas[n]; r.node != nil && c.Votes(r.id) && r.node.Status().CaughtUp >= c.Epoch {
			count++
		}
	}
	return count >= c.Majority()
}

// renew gives the machine of a former member an empty disk.
func (w *world) renew(r *replica) {
	w.crash(r)
	w.wipe(r)
	w.start(r)
}

// checkGone wants everybody to agree on who is a member no more, and since when.
func checkGone(nodes []NodeEvidence, bad func(n int, format string, args ...any)) {
	type exit struct {
		state swim.State
		at    uint64
	}
	for i := range nodes {
		for _, m := range nodes[i].Members {
			if !m.State.Gone() {
				continue
			}
			for j := range nodes {
				for _, o := range nodes[j].Members {
					if o.ID == m.ID && (exit{o.State, o.GoneAt}) != (exit{m.State, m.GoneAt}) {
						bad(nodes[j].Number, "sees %s (%s) %s, which n%d knows to have %s", o.Name, o.ID, o.State, nodes[i].Number, m.State)
					}
				}
			}
		}
	}
}
