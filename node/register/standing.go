package register

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Writes in one round trip. With each record the voters are asked for one promise more: that of a ballot which the
// proposer has drawn for its next record on the path. A voter makes that promise in the persist with which it accepts.
// Once a majority has done both, the ballot *stands*: a majority has promised it, and of all records under lower
// ballots the one that it has accepted is the highest that is left. That is what a PREPARE would find out. So the next
// write of this member is evaluated on that record and is sent at once (goDirect), with the question for the promise of
// one more ballot. A distinguished proposer of Multi-Paxos does the same (Lamport, "Paxos Made Simple", 2001, section
// 3).
//
// A ballot stands for one record and no more, and in memory alone. It ends when a rival's PREPARE comes in, with the
// epoch, by the fence, at a restart, by eviction, after any refusal, when it is StandingAgeMax old, and when its write
// ends as unknown. A PREPARE under a higher ballot follows then.
//
// What a majority would have shown besides records is what eventual writes have left there. So the voters see to that:
// one that holds an eventual record above the version that the proposer followed refuses. An answer that writes nothing
// does not rest on a ballot that stands: such an operation asks a majority.

const (
	standingBytesMax = 8 << 20
	standingBytes    = 200 // about what one takes besides its path and its list.
	// StandingAgeMax bounds by how much a version may be older than its write: its timestamp is that of the ballot. It
	// is compared with those of eventual writes, and the times of a tombstone are counted from there.
	StandingAgeMax = 10 * time.Second
)

// standing is a ballot that a majority has promised, and what it stands on.
type standing struct {
	ballot  slot.Ballot
	record  slot.Record // the one that a majority has accepted last, without its value,
	under   slot.Ballot // and its ballot.
	applied []slot.Applied
	since   time.Duration
	foreign slot.Timestamp     // see Joined.Foreign.
	after   contract.PersistID // the promise of this member itself, if it is needed for the majority; else zero.
}

// nextBallot draws the ballot after that of o, and as many timestamps with it as a batch may need: all are above what
// is in the draft. Where no write is expected to follow, or none gains by it, it is the ballot of o itself.
func (m *Machine) nextBallot(o *operation, d *draft) slot.Ballot {
	if o.internal || m.OnlyVoter() || schema.IsConfigPath(o.Request.Path) {
		return o.Ballot
	}
	ts, err := m.Stamp(d.top)
	if err == nil {
		_, err = m.Stamp(ts + ridersMax - 1)
	}
	if err != nil {
		return o.Ballot
	}
	return slot.Ballot{Epoch: o.Ballot.Epoch, TS: ts, Member: m.Self}
}

// stand keeps the ballot that stands after o was chosen, if there is one.
func (m *Machine) stand(o *operation) {
	c, need := o.next, m.InForce.Majority()
	if c.Promised == c.Ballot || len(o.stands) < need || len(o.against) > 0 {
		return
	}
	s := standing{ballot: c.Promised, record: c.Record, applied: c.Applied, since: m.Now.Mono}
	s.under, s.foreign = c.Ballot, o.foreign
	s.record.Value, s.record.ContentType = nil, ""
	if len(o.stands) == need && slices.Contains(o.stands, m.Self) {
		s.after = o.local
	}
	m.standing.Put(o.Request.Path, s, standingBytes+slot.AppliedBytes*len(s.applied))
}

// endStanding ends the ballot that stands after o, because a voter has refused: a rival is there.
func (m *Machine) endStanding(o *operation) {
	if s := m.standing.Get(o.Request.Path); s != nil && s.ballot == o.next.Promised {
		m.standing.Drop(o.Request.Path)
	}
}

// goDirect sends a write under the ballot that stands on its path, if there is one that may be used for it. Whatever
// comes of it, that ballot stands no more.
func (m *Machine) goDirect(o *operation) bool {
	path := o.Request.Path
	o.seen = 0
	kept := m.standing.Get(path)
	if kept == nil {
		return false
	}
	s := *kept
	m.standing.Drop(path)
	if s.ballot.Epoch != m.Epoch() || m.Now.Mono-s.since > StandingAgeMax || !m.mayGoDirect(o, s.ballot) ||
		!m.allKnow() ||
		!m.undisturbed(path, &s) {
		return false
	}
	j := Joined{
		Current: s.record, Top: s.record.TS, Foreign: s.foreign,
		Consensus: &slot.Consensus{Promised: s.ballot, Ballot: s.ballot, Record: s.record, Applied: s.applied},
	}
	j.Before, j.Key = Applied(j.Consensus, o.Request)
	o.Ballot = s.ballot
	if o.Decide(&j) != VerdictWrite {
		return false
	}
	d := draft{top: j.Top, last: s.ballot.TS + ridersMax}
	m.extend(&d, o, VerdictWrite, &j, s.ballot.TS)
	o.seen, o.local, o.foreign, o.follows = s.record.TS, s.after, s.foreign, s.under
	m.gather(o, &d, &j)
	m.Counters.RoundsDirect++
	m.propose(o, &d)
	return true
}

// mayGoDirect reports whether an operation may be in a batch under a standing ballot. An earlier attempt of it was not
// sent. A condition is evaluated on what this member has proposed last, so it is for paths without other writes. The
// time to live counts from the version's timestamp, so that has to be of today. What another member has forwarded makes
// no version below its floor.
func (m *Machine) mayGoDirect(o *operation, b slot.Ballot) bool {
	return o.First == 0 && b.TS >= o.Floor && !o.internal && o.Request.TTL == 0 &&
		(o.Request.Condition.Kind == contract.Unconditional || m.owner.Strong(o.Request.Path))
}

// allKnow reports whether all voters that may answer take a wire.AcceptDirect.
func (m *Machine) allKnow() bool {
	for _, id := range m.InForce.Voters {
		if p := m.Peer(id); p != nil && !p.Dead() && !*m.knows.Of(p) {
			return false
		}
	}
	return true
}

// undisturbed reports whether this member itself knows nothing that stands against a ballot. If it did, it would refuse
// its own question.
func (m *Machine) undisturbed(path string, s *standing) bool {
	_, ours, err := m.CurrentSlot(path)
	return err == nil && ours.TS <= s.record.TS && (!m.HasVoice() || m.bar(path, &ours) == s.ballot)
}

// noteKnows remembers whether a voter knows wire.AcceptDirect, by its answer to PREPARE or ACCEPT.
func (m *Machine) noteKnows(from *step.Peer, a *wire.Answer) {
	if a.OK {
		*m.knows.Of(from) = !a.Promised.IsZero()
	}
}

// mayAsk reports whether the question of an exchange can be put to a voter: one without a PREPARE before it only to
// those that know how to guard it.
func (m *Machine) mayAsk(o *operation, p *step.Peer) bool { return o.seen == 0 || *m.knows.Of(p) }
