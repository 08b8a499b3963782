package checks

import (
	"fmt"
	"maps"
	"slices"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// conflictCheck is an oracle for every decision. It follows the votes that replicas make durable: a member votes once
// for a timestamp of a path, for the candidate that it held first, and never changes its vote, restarts included. It
// decides each conflict again from the votes, by its own implementation of the rule, when a node decides, stores or
// shows it. And a settled conflict stays settled on every member, whichever members join, leave or are removed
// afterwards, as long as all agree on the members that had a seat when it was written, and no vote of a gone member has
// appeared.
type conflictCheck struct {
	check
	members   []seats               // by number of the replica.
	boxes     map[boxKey]int32      // into cast.
	cast      [][]ballotBox         // boxesAtOnce in each but the last.
	conflicts map[node.Version]bool // timestamp and lowest UUID of each slot with several candidates.
	settled   map[settledKey]node.UUID
	by        map[ballotKey]string // the voters with whom a member knew a conflict to be settled.
	held      map[node.ID][]heldConflict
	// votes that rotted on their member's disk: others may or may not hold them.
	lost      map[ballotKey]bool
	decisions int
}

// seats are the electorate that a replica has reported last.
type seats struct {
	now    []voter // with the world's own data about them,
	before []voter // and when the present step began.
}

type ballotKey struct {
	path   string
	ts     node.Timestamp
	member node.ID
}

type boxKey struct {
	path string
	ts   node.Timestamp
}

// ballotBox holds the votes cast at one timestamp of one path, nearly all of them for one candidate: there are as many
// votes as writes times members, so they are stored compactly.
type ballotBox struct {
	path    string
	ts      node.Timestamp
	uuid    node.UUID  // the first candidate that got a vote.
	members [9]node.ID // its voters, as far as there is room.
	others  []node.Vote
}

// vote returns a member's vote.
func (b *ballotBox) vote(member node.ID) (u node.UUID, voted bool) {
	if slices.Contains(b.members[:], member) {
		return b.uuid, true
	}
	for _, v := range b.others {
		if v.Member == member {
			return v.UUID, true
		}
	}
	return u, false
}

func (b *ballotBox) cast(member node.ID, u node.UUID) {
	if free := slices.Index(b.members[:], 0); free >= 0 && b.uuid == u {
		b.members[free] = member
		return
	}
	b.others = append(b.others, node.Vote{Member: member, UUID: u})
}

func (b *ballotBox) forget(member node.ID) {
	if i := slices.Index(b.members[:], member); i >= 0 {
		b.members[i] = 0
	}
	b.others = slices.DeleteFunc(b.others, func(v node.Vote) bool { return v.Member == member })
}

type settledKey struct {
	path   string
	ts     node.Timestamp
	voters string
}

// heldConflict is a slot with several candidates that a member has had on its disk.
type heldConflict struct {
	path  string
	ts    node.Timestamp
	uuids []node.UUID
}

func newConflictCheck(w *world.World) *conflictCheck {
	return &conflictCheck{
		check: check{w, promiseConflict, sim.Events(sim.EventStepped, sim.EventNoted, sim.EventRotten, world.SlotStored,
			world.VersionShown)},
		members: make([]seats, w.Nodes()+1),
		boxes:   make(map[boxKey]int32), conflicts: make(map[node.Version]bool),
		settled: make(map[settledKey]node.UUID),
		by:      make(map[ballotKey]string), held: make(map[node.ID][]heldConflict), lost: make(map[ballotKey]bool),
	}
}

// Observe implements sim.Checker.
func (c *conflictCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	s := &c.members[r.Number]
	switch e.Kind {
	case sim.EventStepped:
		s.before = s.now
	case sim.EventNoted:
		switch note := e.Note.(type) {
		case *node.Electorate:
			s.now = c.votersOfNow(r)
			c.checkElectorate(r)
			if e.Effects.Persist.ID == 0 {
				c.bad(r.Number, "", "those who decide have changed, "+
					"and nothing is stored that a restart could know them from")
			}
		case *node.ConflictRecord:
			c.decided(r.Number, note, s.before, s.now)
		}
	case sim.EventRotten:
		path, _ := world.CutRecordPrefix(e.Key)
		c.forget(r.ID, path)
	case world.SlotStored:
		stored := e.Own.(*world.StoredSlot)
		c.stored(r.Number, r.ID, stored.Path, &stored.Slot, c.votersOf(r, &stored.Slot))
	case world.VersionShown:
		if v := e.Own.(*world.ShownVersion); v.Read {
			c.shows(r, v.Path, v.Record)
		}
	}
}

// Finish implements sim.Checker.
func (c *conflictCheck) Finish() {
	c.w.Violate(checkConflicts(c.w.Evidence())...)
	c.w.Violate(c.checkLosers()...)
}

// votersOf are the voters known to a replica that stores a conflict; none when its process is down.
func (c *conflictCheck) votersOf(r *world.Replica, s *node.Slot) []voter {
	if !s.Conflict() || r.Node == nil {
		return nil
	}
	return c.members[r.Number].now
}

// stored checks a slot that replica n, of identity id, has made durable. voters are those it knows; none when its
// process is down.
func (c *conflictCheck) stored(n int, id node.ID, path string, s *node.Slot, voters []voter) {
	if len(s.Candidates) == 0 {
		return // only linearizable operations have written it.
	}
	if world.IsEnding(s, 0) && !s.Conflict() {
		return // there are no votes for the end of a value.
	}
	if !s.Conflict() { // a holder of a single candidate has voted for it, and so has its origin.
		box := c.box(path, s.TS, s.Candidates[0].UUID)
		c.vote(box, n, path, s.TS, id, s.Candidates[0].UUID)
		c.vote(box, n, path, s.TS, s.Candidates[0].Origin, s.Candidates[0].UUID)
		return
	}
	box := c.box(path, s.TS, s.Candidates[0].UUID)
	c.conflicts[node.Version{TS: s.TS, UUID: s.Candidates[0].UUID}] = true
	voted := false
	for _, v := range s.Votes {
		c.vote(box, n, path, s.TS, v.Member, v.UUID)
		voted = voted || v.Member == id
	}
	if !voted {
		c.bad(n, path, "stores %d candidates of %s without a vote of its own", len(s.Candidates), s.TS)
	}
	c.hold(id, path, s)
	if voters != nil {
		c.settle(n, id, path, s, voters)
	}
}

const boxesAtOnce = 64 // are allocated.

// box finds the votes at a timestamp, valid until the next call. A new box is for the candidate u.
func (c *conflictCheck) box(path string, ts node.Timestamp, u node.UUID) *ballotBox {
	key := boxKey{path, ts}
	at, known := c.boxes[key]
	if !known {
		at = int32(len(c.boxes))
		c.boxes[key] = at
		if at%boxesAtOnce == 0 {
			c.cast = append(c.cast, make([]ballotBox, 0, boxesAtOnce))
		}
		c.cast[at/boxesAtOnce] = append(c.cast[at/boxesAtOnce], ballotBox{path: path, ts: ts, uuid: u})
	}
	return &c.cast[at/boxesAtOnce][at%boxesAtOnce]
}

func (c *conflictCheck) vote(box *ballotBox, n int, path string, ts node.Timestamp, member node.ID, u node.UUID) {
	switch before, voted := box.vote(member); {
	case !voted:
		box.cast(member, u)
	case before != u && !c.lost[ballotKey{path, ts, member}]:
		c.bad(n, path, "%s voted for %s at %s, and now for %s", member, before, ts, u)
	}
}

// forget records that a member lost its data at a path: it may vote again. Of its two votes, members that receive both
// keep one.
func (c *conflictCheck) forget(member node.ID, path string) {
	for at := range len(c.boxes) {
		box := &c.cast[at/boxesAtOnce][at%boxesAtOnce]
		if _, voted := box.vote(member); box.path == path && voted {
			box.forget(member)
			c.lost[ballotKey{path, box.ts, member}] = true
		}
	}
	maps.DeleteFunc(c.by, func(key ballotKey, _ string) bool { return key.member == member && key.path == path })
}

// hold remembers the conflicts that have to be retrievable from now on: the last ones, fewer than a node keeps.
func (c *conflictCheck) hold(id node.ID, path string, s *node.Slot) {
	const heldMax = 1000
	h := heldConflict{path: path, ts: s.TS}
	for i := range s.Candidates {
		h.uuids = append(h.uuids, s.Candidates[i].UUID)
	}
	list := slices.DeleteFunc(c.held[id], func(o heldConflict) bool { return o.path == path && o.ts == s.TS })
	if len(list) == heldMax {
		list = slices.Delete(list, 0, 1)
	}
	c.held[id] = append(list, h)
}

// settle compares a settled slot with the former settlement.
func (c *conflictCheck) settle(n int, id node.ID, path string, s *node.Slot, voters []voter) {
	d := decide(s, voters)
	key, own := settledKey{path, s.TS, d.voters}, ballotKey{path, s.TS, id}
	if !d.settled {
		if c.by[own] == d.voters {
			c.bad(n, path, "knew at %s what was settled, and does not any more: %s", s.TS, d.why)
		}
		return
	}
	c.by[own] = d.voters
	if before, known := c.settled[key]; known && before != d.winner {
		c.bad(n, path, "settles %s for %s, but it was settled for %s: %s", s.TS, d.winner, before, d.why)
		return
	}
	c.settled[key] = d.winner
}

// decided compares a decision of replica n with the rule. In a step that changes the electorate, the decision may come
// before or after the change.
func (c *conflictCheck) decided(n int, r *node.ConflictRecord, before, after []voter) {
	c.decisions++
	if r.Decision.Rule == slot.RuleLinearizable {
		if k := r.Slot.Consensus; k == nil || k.Record.TS != r.Slot.TS || k.Record.UUID != r.Decision.Winner ||
			r.Decision.Final == k.Weak {
			c.bad(n, r.Path, "decides for %s because a linearizable operation chose it, which none did",
				r.Decision.Winner)
		}
		return
	}
	fits := func(v verdict) bool {
		return r.Decision.Winner == v.winner && r.Decision.Final == v.settled && r.Decision.Rule == v.rule
	}
	if want := decide(&r.Slot, after); !fits(want) && !fits(decide(&r.Slot, before)) || r.Slot.Consensus != nil {
		c.bad(n, r.Path, "decides for %s by %s, settled: %v; it should be %s by %s, settled: %v: %s",
			r.Decision.Winner, r.Decision.Rule, r.Decision.Final, want.winner, want.rule, want.settled, want.why)
	}
}

// shows decides again the conflict that an eventual read shows.
func (c *conflictCheck) shows(r *world.Replica, path string, shown *node.Record) {
	b, found, err := r.Store().Get(schema.PrefixRecord + path)
	if err != nil || !found || !slot.InConflict(b) {
		return
	}
	slot, err := slot.Decode(path, b)
	if err != nil || !slot.Conflict() || consensusShows(&slot) {
		return
	}
	if want := decide(&slot, c.members[r.Number].now); shown.UUID != want.winner {
		c.bad(r.Number, path, "a read shows %s of %d candidates, but %s should win: %s", shown.UUID,
			len(slot.Candidates), want.winner, want.why)
	}
}

// ConsensusShows reports whether the visible version of a slot is none of its candidates.
func consensusShows(s *node.Slot) bool {
	if s.Consensus == nil || s.Consensus.Record.TS != s.TS || len(s.Candidates) == 0 {
		return s.Consensus != nil && s.Consensus.Record.TS > s.TS
	}
	_, end := s.Consensus.Record.Ending()
	return !end || world.IsEnding(s, 0)
}

// checkLosers fetches every candidate of every conflict that a replica has had on its disk, in force or replaced since.
func (c *conflictCheck) checkLosers() (out []sim.Violation) {
	w := c.w
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		for _, h := range c.held[r.ID] {
			for _, u := range h.uuids {
				rec, found, err := r.View.Candidate(h.path, u)
				if err != nil || !found || rec.TS != h.ts {
					out = append(out, sim.Violation{Promise: promiseLosers, Node: n, Path: h.path,
						Detail: fmt.Sprintf("candidate %s of the conflict at %s cannot be fetched (error: %v)", u,
							h.ts, err)})
				}
			}
		}
	}
	return out
}

// checkConflicts decides every conflict that is left at the end again, and compares the outcome with the version that
// the replica shows. When all members are present and agree, all have voted.
func checkConflicts(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for i := range e.Nodes {
		ne := &e.Nodes[i]
		for _, r := range ne.Records {
			if !r.Slot.Conflict() {
				continue
			}
			voters := votersAmong(ne.Members)
			want := decide(&r.Slot, voters)
			if r.Record.UUID != want.winner && !consensusShows(&r.Slot) {
				out = append(out, sim.Violation{Promise: promiseConflict, Node: ne.Number, Path: r.Path,
					Detail: fmt.Sprintf("shows %s of %d candidates, but %s should win: %s", r.Record.UUID,
						len(r.Slot.Candidates), want.winner, want.why)})
			}
			if e.Settled && !want.settled && present(e, voters) {
				out = append(out, sim.Violation{Promise: promiseConflict, Node: ne.Number, Path: r.Path,
					Detail: fmt.Sprintf("is not settled although all members are there: %s", want.why)})
			}
		}
	}
	return out
}

// present reports whether all these voters are among the replicas at the end: a voter whose disk was wiped never votes.
func present(e *world.Evidence, voters []voter) bool {
	for _, v := range voters {
		is := func(n world.NodeEvidence) bool { return n.Up && n.ID == v.id }
		if v.gone == 0 && !slices.ContainsFunc(e.Nodes, is) {
			return false
		}
	}
	return true
}
