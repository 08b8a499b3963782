package register

import (
	"errors"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// The acceptor of linearizable operations: what a voter promises and accepts, path by path (Lamport, "Paxos Made
// Simple", 2001, section 2.2). What it has accepted is durable before it is said. Of a promise alone a bound is durable
// (step.Shared.PromiseUnstored), so that PREPARE writes nothing: a voter that restarts goes on as if it had promised
// all that it may have promised. The registers of configurations are few, and keep their promises in records.
//
// A voter that has lost its slot to rot is blind on the path: it does not know what it had accepted, and must not be
// counted as one that had accepted nothing. It says so, and takes no part in looks and promises. But it has a ballot
// that is above all that it may have lost (step.Shared.Lost), and goes on as if it had promised that one: it accepts a
// record under this ballot or a higher one, and then it is as good as any other voter. What it has accepted last is
// known again, and it accepts nothing below that.

// vote is what a voter has to say in a round.
type vote struct {
	ok       bool
	blind    bool
	slot     slot.Slot   // of a promise or a look: all this voter holds.
	record   []byte      // the same, encoded; nil: nothing.
	promised slot.Ballot // of a refusal: what stands against it; of a yes to PREPARE or ACCEPT: what is promised.
	after    contract.PersistID
}

func (v *vote) answer(q *wire.Question) wire.Answer {
	return wire.Answer{Round: q.Round, Epoch: q.Epoch, OK: v.ok, Promised: v.promised}
}

// promisedTo is the vote as an answer to a PREPARE or a look.
func (v *vote) promisedTo(q *wire.Question) *wire.Promised {
	return &wire.Promised{Answer: v.answer(q), Record: v.record}
}

// acceptedTo is the vote as an answer to an ACCEPT.
func (v *vote) acceptedTo(q *wire.Question) *wire.Accepted {
	return &wire.Accepted{Answer: v.answer(q)}
}

// sees answers a look: nothing changes. Silence means that this voter has no say on the path.
func (m *Machine) sees(path string) (v vote, ok bool) {
	h, held, err := m.CurrentSlot(path)
	switch {
	case errors.Is(err, codec.ErrCorrupt) && !schema.IsConfigPath(path):
		return m.blindVote(path, m.owner.Left(path), 0)
	case err != nil:
		return v, false
	case held.Consensus != nil && held.Consensus.Blind:
		return m.blindVote(path, held, h.After)
	}
	return vote{ok: true, slot: held, record: h.Record, after: h.After}, true
}

// blindVote says that this voter is blind on a path, with the ballot from which on it accepts. It is silent as long as
// no ballot of this epoch will do.
func (m *Machine) blindVote(path string, held slot.Slot, after contract.PersistID) (v vote, ok bool) {
	bar := m.bar(path, &held)
	if bar.Epoch > m.Epoch() {
		return v, false
	}
	said := slot.Slot{Consensus: &slot.Consensus{Blind: true, Promised: bar}}
	return vote{blind: true, slot: held, record: slot.Encode(path, &said), promised: bar, after: after}, true
}

// promise answers PREPARE: nothing below b gets anything from this voter any more. The same PREPARE again is answered
// again. Own: the promise is given to an operation of this member.
func (m *Machine) promise(path string, b slot.Ballot, own bool) (v vote, ok bool) {
	v, ok = m.sees(path)
	if !ok || v.blind {
		return v, ok
	}
	m.HLC.Observe(b.TS)
	m.HLC.Observe(v.slot.Top()) // a restart forgets what others made.
	held := m.bar(path, &v.slot)
	v.promised = b
	switch {
	case b.Compare(held) < 0:
		return vote{promised: held, after: v.after}, true
	case own && m.OnlyVoter():
		m.PromiseInMemory(path, b) // who relies on it ends with this run.
	case schema.IsConfigPath(path):
		if b != held {
			m.storePromise(path, &v)
		}
	default:
		v.after = max(v.after, m.PromiseUnstored(path, b))
	}
	return v, true
}

// storePromise makes a promise part of the slot.
func (m *Machine) storePromise(path string, v *vote) {
	m.Promise(v.promised.TS)
	c := v.slot.Consensus.Clone()
	c.Promised = v.promised
	v.slot.Consensus = c
	v.record = slot.Encode(path, &v.slot)
	v.after = m.WriteRecord(path, v.record)
}

// bar is the ballot below which a voter refuses on a path: what it promised, or may have promised before it restarted,
// and the fence, at or below which it may have dropped tombstones, and with them what it had promised there.
func (m *Machine) bar(path string, s *slot.Slot) slot.Ballot {
	held, fence := m.MayHavePromised(path, s.Consensus.Promise()), m.owner.Fence()
	if lowest := (slot.Ballot{Epoch: m.PromisesBounded()}); s.Consensus != nil && s.Consensus.Blind &&
		held.Compare(lowest) < 0 {
		held = lowest // a version of kvs that does not keep the bound has lost the slot.
	}
	if lowest := (slot.Ballot{Epoch: m.Epoch(), TS: fence + 1}); fence != 0 && held.Compare(lowest) < 0 {
		return lowest
	}
	return held
}

// accept answers ACCEPT: what c holds is this voter's now, its promise included, unless it has promised a higher
// ballot. If no PREPARE came before, seen is the version that c's record follows, and this voter refuses as well when
// an eventual record shows that the proposer has not seen. A voter that was blind sees again. c is shared and stays as
// it is.
func (m *Machine) accept(path string, c *slot.Consensus, seen slot.Timestamp) (v vote, ok bool) {
	v, ok = m.sees(path)
	if !ok {
		return v, false
	}
	m.HLC.Observe(c.Promised.TS)
	held := v.slot.Consensus
	same := !v.blind && held.Accepted() && held.Ballot == c.Ballot && !held.Weak
	switch bar := m.bar(path, &v.slot); {
	case same && bar == c.Promised: // the same question again.
		return vote{ok: true, promised: c.Promised, after: v.after}, true
	case c.Ballot.Compare(bar) < 0:
		return vote{promised: bar, after: v.after}, true
	case seen != 0 && v.slot.TS > seen:
		return vote{promised: slot.Ballot{Epoch: m.Epoch(), TS: v.slot.TS}, after: v.after}, true
	}
	m.Promise(c.Promised.TS)
	m.Stored(path)
	if same { // it came in as a copy.
		v.slot.Consensus = held.Clone()
		v.slot.Consensus.Promised = c.Promised
		after := m.WriteRecord(path, slot.Encode(path, &v.slot))
		return vote{ok: true, promised: c.Promised, after: after}, true
	}
	bare := v.record != nil && !v.slot.Exists() // a mere promise, listed as a tombstone: older versions store them.
	v.slot.Consensus = c
	m.owner.Chosen(path, &v.slot)
	after := m.owner.Write(path, slot.Store(path, &v.slot, m.Electorate))
	if bare && !c.Record.Tombstone && !schema.IsConfigPath(path) {
		m.owner.UnlistTombstone(path)
	}
	return vote{ok: true, promised: c.Promised, after: after}, true
}

// HandlePrepare promises to another member's round.
func (m *Machine) HandlePrepare(from *step.Peer, q *wire.Question) error {
	if !m.owner.TakesPart(from, q.Epoch) {
		return nil
	}
	if err := m.Hearsay.Believes(from, q.Ballot.TS); err != nil {
		return err
	}
	if v, ok := m.promise(q.Path, q.Ballot, false); ok {
		m.sendVote(from, v.after, wire.KindPromised, v.promisedTo(q))
	}
	return nil
}

// HandleLook shows another member's round what this one holds.
func (m *Machine) HandleLook(from *step.Peer, q *wire.Question) error {
	if !m.owner.TakesPart(from, q.Epoch) {
		return nil
	}
	if v, ok := m.sees(q.Path); ok {
		if m.Tuning.Forwards && v.ok {
			v.promised = wire.Introduction(m.Exchanges, m.Self)
			windowOf(&m.windows, from, m.HLC.Last())
		}
		m.sendVote(from, v.after, wire.KindPromised, v.promisedTo(q))
	}
	return nil
}

// HandleAccept accepts what another member's round has decided on.
func (m *Machine) HandleAccept(from *step.Peer, a *wire.Accept) error {
	return m.takeAccept(from, a, 0)
}

// HandleAcceptDirect does the same, and promises the proposer its next ballot.
func (m *Machine) HandleAcceptDirect(from *step.Peer, a *wire.AcceptDirect) error {
	return m.takeAccept(from, &a.Accept, a.Seen)
}

func (m *Machine) takeAccept(from *step.Peer, a *wire.Accept, seen slot.Timestamp) error {
	if !m.owner.TakesPart(from, a.Epoch) {
		return nil
	}
	c := a.Consensus
	if err := m.Hearsay.Believes(from, max(c.Record.TS, c.Promised.TS)); err != nil {
		return err
	}
	m.HLC.Observe(c.Record.TS)
	if v, ok := m.accept(a.Path, c, seen); ok {
		m.sendVote(from, v.after, wire.KindAccepted, v.acceptedTo(&a.Question))
	}
	return nil
}

// sendVote sends an answer to another member's round, once the persist that it rests on is durable.
func (m *Machine) sendVote(to *step.Peer, after contract.PersistID, kind wire.Kind, answer wire.Body) {
	m.Send(contract.TransportFrame, to.Addr, max(after, m.InForceAfter), m.Frame(kind, answer))
}
