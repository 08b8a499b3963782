package checks

import (
	"slices"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// deathCheck reads what members tell each other of deaths, and looks at the member table of the one that hears it,
// when the step is over: a member that has heard of a death considers it alive at no incarnation up to that one.
// If the news were dropped, a late rumour from between the two would bring the dead member back.
type deathCheck struct {
	check
	// by number of the replica: the highest incarnation that it has heard dead in this run.
	members []map[node.ID]uint64
}

func newDeathCheck(w *world.World) *deathCheck {
	return &deathCheck{check{w, promiseHeard, sim.Events(sim.EventStarted, sim.EventStepped, world.MemberLooked)},
		make([]map[node.ID]uint64, w.Nodes()+1)}
}

// Observe implements sim.Checker.
func (c *deathCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case sim.EventStarted:
		c.members[r.Number] = nil
	case sim.EventStepped:
		if e.Input != nil && len(e.Input.Data) > 0 {
			c.heard(r, e.Input)
		}
	case world.MemberLooked:
		c.look(r, e.Own.(*world.Look).Status.Members)
	}
}

// heard judges how a member has taken in a message.
func (c *deathCheck) heard(r *world.Replica, in *sim.Input) {
	news, by := deathsIn(in)
	if len(news) == 0 {
		return
	}
	s := r.Node.Status()
	listens := s.Mode != node.ModeFailed && s.Retired == ""
	if !listens || !slices.ContainsFunc(s.Members, func(m swim.Member) bool { return m.ID == by }) {
		return // it does not listen any more, or not to strangers.
	}
	for _, dead := range news {
		i := slices.IndexFunc(s.Members, func(m swim.Member) bool { return m.ID == dead.ID })
		if i < 0 || dead.ID == r.ID || !believable(&dead, &s.Members[i]) {
			continue
		}
		if c.members[r.Number] == nil {
			c.members[r.Number] = make(map[node.ID]uint64)
		}
		c.members[r.Number][dead.ID] = max(c.members[r.Number][dead.ID], dead.Incarnation)
		held := &s.Members[i]
		if held.State < swim.Dead && held.Incarnation <= dead.Incarnation || held.Incarnation < dead.Incarnation &&
			!held.State.Gone() {
			c.bad(r.Number, "", "has heard that %s is dead at incarnation %d, and holds it for %s at %d", dead.Name,
				dead.Incarnation, held.State, held.Incarnation)
		}
	}
}

// look finds a member that has been brought back by what was said of it before it died.
func (c *deathCheck) look(r *world.Replica, members []swim.Member) {
	for i := range members {
		m := &members[i]
		if at, heard := c.members[r.Number][m.ID]; heard && m.State < swim.Dead && m.Incarnation <= at {
			delete(c.members[r.Number], m.ID)
			c.bad(r.Number, "", "sees %s %s at incarnation %d, and has heard that it was dead at %d", m.Name, m.State,
				m.Incarnation, at)
		}
	}
}

// deathsIn are the deaths that a message tells of by the way, and who tells them. What stands in a whole table is no
// more than a suspicion, see swim.
func deathsIn(in *sim.Input) (out []swim.Member, by node.ID) {
	table := in.Kind == sim.InputFrame && isKind(in.Data, wire.KindMemberTable)
	if !table && (in.Kind != sim.InputDatagram || !isKind(in.Data, wire.KindGossip)) {
		return nil, 0
	}
	_, by, body, err := wire.Open(in.Data, wire.ClusterHash(world.ClusterName))
	if err != nil {
		return nil, 0
	}
	if table {
		var m wire.MemberTable
		if m.Decode(body) != nil {
			return nil, 0
		}
		return swim.Deaths(m.Swim), by
	}
	var m wire.Gossip
	if m.Decode(body) != nil {
		return nil, 0
	}
	return swim.Deaths(m.Swim), by
}

// believable reports whether a death may be believed without asking: of a run that is known, and at the address that
// is known.
func believable(dead, held *swim.Member) bool {
	return swim.SameLife(dead.Incarnation, held.Incarnation) && dead.Addr == held.Addr && dead.Born == held.Born
}

// voteCheck follows votes from one member to the next. While a slot holds one candidate, its votes go without saying:
// its holder has voted for it, and so has its origin. When it meets another one they have to be written down, in the
// step that stores the conflict. One that is left out there comes again with what the voter itself sends later; it is
// lost if the voter never does, because its disk is lost or it has been removed, and another candidate may win then.
type voteCheck struct{ check }

func newVoteCheck(w *world.World) *voteCheck {
	return &voteCheck{check{w, promiseHeard, sim.Events(sim.EventStepped)}}
}

// Observe implements sim.Checker.
func (c *voteCheck) Observe(e *sim.Event) {
	if e.Input == nil || e.Input.Kind != sim.InputFrame {
		return
	}
	for i := range e.Effects.Persist.Changes {
		change := &e.Effects.Persist.Changes[i]
		path, is := world.CutRecordPrefix(change.Key)
		if !is || !slot.InConflict(change.Value) {
			continue
		}
		if s, err := slot.Decode(path, change.Value); err == nil && s.Conflict() {
			c.merged(c.w.Of(e.Replica), path, &s, e.Input.Data)
		}
	}
}

// merged judges a conflict that a member stores because of a frame.
func (c *voteCheck) merged(r *world.Replica, path string, s *node.Slot, frame []byte) {
	if before, known := c.before(r, path); !known || before.TS == s.TS && sameCandidates(&before, s) {
		return // it knew of the conflict: what has come is a vote, or has to do with the other half.
	}
	voted := func(id node.ID) bool { _, ok := s.VoteOf(id); return ok || len(s.Votes) == slot.VotesMax }
	if kind, from, _, ok := openFrame(frame); ok && !voted(from) && brings[kind] {
		c.bad(r.Number, path, "has been told by %s of a candidate at %s that it does not know, and stores the "+
			"conflict without that member's vote", from, s.TS)
	}
	for i := range s.Candidates {
		if o := s.Candidates[i].Origin; !voted(o) {
			c.bad(r.Number, path, "stores the candidates at %s, of which %s is %s's, without that member's vote", s.TS,
				s.Candidates[i].UUID, o)
		}
	}
}

// brings are the kinds of messages whose slots are merged with those of the receiver.
var brings = map[wire.Kind]bool{
	wire.KindReplicate: true, wire.KindStore: true, wire.KindFetched: true, wire.KindPage: true,
	wire.KindCatchSlots: true,
}

// before is what a member held under a path before the running step, on its way to the disk or there.
func (c *voteCheck) before(r *world.Replica, path string) (s node.Slot, known bool) {
	key, queued := schema.PrefixRecord+path, r.Queued()
	for i := len(queued) - 1; i >= 0; i-- {
		for k := len(queued[i].Changes) - 1; k >= 0; k-- {
			if change := &queued[i].Changes[k]; change.Key == key {
				s, err := slot.Decode(path, change.Value)
				return s, err == nil
			}
		}
	}
	if r.Rotten[path] {
		return s, false
	}
	s, _ = c.w.Disks.At(r.Number, path)
	return s, true
}

func sameCandidates(a, b *node.Slot) bool {
	return slices.EqualFunc(a.Candidates, b.Candidates, func(x, y node.Candidate) bool { return x.UUID == y.UUID })
}
