package checks

import (
	"slices"

	"kvs/node"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
)

// sessionCheck checks the guarantees for a client that stays with one replica: it reads its own writes, and reads never
// go back, crashes included. A disk that has shown or acknowledged a version of a path shows one at least as high from
// then on. Only the loss of the disk ends that, and one thing more: an eventual read may show what was proposed and is
// not agreed yet. If voters agree on another record under a higher ballot instead, what was shown before counts.
type sessionCheck struct {
	check
	shown []map[string]shownHighest // by number of the replica and path.
}

// shownHighest is the highest version that a disk has shown at a path.
type shownHighest struct {
	node.Version
	ballot node.Ballot  // the version was accepted under it; zero: it was not proposed.
	firm   node.Version // of a version that was proposed: the highest one below that no proposer can take back.
}

func newSessionCheck(w *world.World) *sessionCheck {
	c := &sessionCheck{check: check{w, promiseSession, sim.Events(world.VersionShown, sim.EventWiped, sim.EventSwapped,
		sim.EventRotten)}}
	for range w.Nodes() + 1 {
		c.shown = append(c.shown, make(map[string]shownHighest))
	}
	return c
}

// Observe implements sim.Checker.
func (c *sessionCheck) Observe(e *sim.Event) {
	n := e.Replica.Number
	switch e.Kind {
	case world.VersionShown:
		v := e.Own.(*world.ShownVersion)
		c.shows(n, v.Path, v.Record.Version())
	case sim.EventWiped:
		clear(c.shown[n])
	case sim.EventSwapped:
		c.shown[n], c.shown[e.Other.Number] = c.shown[e.Other.Number], c.shown[n]
	case sim.EventRotten:
		path, _ := world.CutRecordPrefix(e.Key)
		delete(c.shown[n], path)
	}
}

// shows checks a version that the disk of replica n shows.
func (c *sessionCheck) shows(n int, path string, v node.Version) {
	s := c.shown[n][path]
	before := s.Version
	if v.TS < before.TS && c.takenBack(n, path, &s) {
		before = s.firm
	}
	switch {
	case v.TS == 0 && before.TS > 0 && c.w.Disks.HasEnded(n, path, before.TS):
		// it shows what the tombstone showed.
	case v.TS < before.TS: // among equal timestamps the winner may change as votes become known.
		c.bad(n, path, "shows version %s after %s", v.ETag(), before.ETag())
	default:
		c.shown[n][path] = c.next(n, path, v, &s)
	}
}

// next is what is known once replica n has shown v, after s.
func (c *sessionCheck) next(n int, path string, v node.Version, s *shownHighest) shownHighest {
	held, _ := c.w.Disks.At(n, path)
	if !held.Consensus.Accepted() || held.Consensus.Record.Version() != v {
		return shownHighest{Version: v}
	}
	out := shownHighest{Version: v, ballot: held.Consensus.Ballot, firm: s.Version}
	if s.ballot.TS != 0 && !c.acknowledged(path, s.Version) {
		out.firm = s.firm
	}
	return out
}

// takenBack reports whether what replica n has shown was proposed, and a higher ballot has brought another record in
// its place. A version that a client's write was acknowledged with is agreed on: nothing takes it back.
func (c *sessionCheck) takenBack(n int, path string, s *shownHighest) bool {
	held, _ := c.w.Disks.At(n, path)
	return s.ballot.TS != 0 && held.Consensus.Accepted() && held.Consensus.Ballot.Compare(s.ballot) > 0 &&
		held.Consensus.Record.Version() != s.Version && !c.acknowledged(path, s.Version)
}

// acknowledged reports whether a write was acknowledged with this version.
func (c *sessionCheck) acknowledged(path string, v node.Version) bool {
	return slices.ContainsFunc(c.w.Ledger.Of(path), func(i int32) bool {
		w := &c.w.Ledger.Writes[i]
		return w.Fate == ledger.Acknowledged && w.Version == v
	})
}
