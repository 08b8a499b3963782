package register

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// An exchange is one question of a linearizable operation to all voters, and their answers: a look, a PREPARE or an
// ACCEPT.

// file puts o among the operations under way under a new round. Its batch falls apart unless it is about to be sent.
func (m *Machine) file(o *operation, p phase) {
	if p != phaseAccept {
		m.dissolve(o)
	}
	m.forgetRound(o)
	m.last++
	o.phase, o.round = p, m.ExchangeID(m.last)
	i, _ := m.find(o.round)
	m.ops = slices.Insert(m.ops, i, o)
}

func (m *Machine) forgetRound(o *operation) {
	if i, ok := m.find(o.round); ok && m.ops[i] == o {
		m.ops = slices.Delete(m.ops, i, i+1)
	}
}

// beginExchange asks all voters something new, this member first.
func (m *Machine) beginExchange(o *operation, p phase) {
	after := max(m.InForceAfter, m.BoundAfter)
	if p == phaseAccept {
		// A majority's promises are what makes the record the right one. This member's own is among them, and has to be
		// on disk before anybody acts on it: after a crash it would promise a lower ballot.
		after = max(after, o.local)
	}
	m.file(o, p)
	o.answers, o.oks, o.against, o.stands, o.blind = nil, nil, nil, nil, nil
	o.asked, o.told, o.asks = slot.Ballot{}, false, 0
	o.after, o.local, o.began, o.passed = after, 0, m.Now.Mono, m.passed(p)
	o.delay = m.Tuning.AckTimeout / 4
	if m.HasVoice() {
		m.ownVote(o)
	}
	if p == phaseAccept && len(o.against) > 0 {
		// Another proposer's PREPARE has come here since. No other member has the record yet, so it cannot have
		// been chosen, and the operation begins anew. Had it been sent, it might have been chosen.
		m.backOff(o)
		return
	}
	switch p {
	case phaseLook:
		m.Counters.RoundLooks++
	case phasePrepare:
		m.Counters.RoundPrepares++
	case phaseAccept:
		m.Counters.RoundAccepts++
		m.sent(o)
	}
	m.ask(o)
	m.advanceRound(o)
}

// ownVote is this member's answer to its own question. It counts at once: whatever rests on it waits for its persist.
func (m *Machine) ownVote(o *operation) {
	var v vote
	ok := false
	path := o.Request.Path
	switch o.phase {
	case phaseLook:
		v, ok = m.sees(path)
	case phasePrepare:
		v, ok = m.promise(path, o.Ballot, true)
	case phaseAccept:
		v, ok = m.accept(path, o.next, o.seen)
	}
	if ok {
		o.local = v.after
		m.count(o, m.Self, &v)
	}
}

// ask sends the question of the exchange to every voter that has not answered it.
func (m *Machine) ask(o *operation) {
	o.retryAt = min(m.Now.Mono+o.delay, o.deadline)
	m.wakeAt(o.retryAt)
	var frames [2][]byte
	for _, id := range m.InForce.Voters {
		p := m.Peer(id)
		if p == nil || p.Dead() || o.answered(id) || !m.mayAsk(o, p) {
			continue
		}
		form := 0
		if o.phase == phaseAccept && o.next.Promised != o.next.Ballot && *m.knows.Of(p) {
			form = 1
		}
		if frames[form] == nil {
			frames[form] = m.encodeRound(o, form == 1)
		}
		m.Send(contract.TransportFrame, p.Addr, o.after, frames[form])
	}
}

// encodeRound is the question of the exchange. Direct: for voters that take a wire.AcceptDirect.
func (m *Machine) encodeRound(o *operation, direct bool) []byte {
	q := wire.Question{Round: o.round, Epoch: m.Epoch(), Path: o.Request.Path, Ballot: o.Ballot}
	switch o.phase {
	case phaseLook:
		q.Ballot = slot.Ballot{}
		return m.Frame(wire.KindLook, &q)
	case phasePrepare:
		return m.Frame(wire.KindPrepare, &q)
	}
	if direct {
		accept := wire.Accept{Question: q, Consensus: o.next}
		return m.Frame(wire.KindAcceptDirect, &wire.AcceptDirect{Accept: accept, Seen: o.seen})
	}
	return m.Frame(wire.KindAccept, &wire.Accept{Question: q, Consensus: o.record()})
}

// record is what ACCEPT carries, without the promise of the next ballot.
func (o *operation) record() *slot.Consensus {
	c := o.next.Clone()
	c.Promised = c.Ballot
	return c
}

// answered reports whether a voter has answered the exchange under way.
func (o *operation) answered(id slot.ID) bool {
	if _, ok := slices.BinarySearch(o.oks, id); ok {
		return true
	}
	if _, ok := slices.BinarySearch(o.against, id); ok || slices.Contains(o.blind, id) {
		return true
	}
	_, ok := o.findAnswer(id)
	return ok
}

func (o *operation) findAnswer(id slot.ID) (int, bool) {
	return slices.BinarySearchFunc(o.answers, id, func(s Seen, id slot.ID) int { return slot.CompareID(s.Voter, id) })
}

// count takes in a voter's answer, once.
func (m *Machine) count(o *operation, from slot.ID, v *vote) {
	switch i, known := o.findAnswer(from); {
	case o.answered(from):
	case v.blind && (o.phase == phasePrepare || o.phase == phaseLook):
		o.blind = slot.InsertID(o.blind, from)
		o.raised = max(o.raised, v.promised.TS)
		m.HLC.Observe(v.promised.TS)
	case !v.ok:
		o.against = slot.InsertID(o.against, from)
		o.raised = max(o.raised, v.promised.TS)
		m.HLC.Observe(v.promised.TS)
	case o.phase == phaseAccept || o.phase == phaseDone:
		o.oks = slot.InsertID(o.oks, from)
		if v.promised == o.next.Promised {
			o.stands = slot.InsertID(o.stands, from)
		}
	case !known:
		o.answers = slices.Insert(o.answers, i, Seen{Voter: from, Slot: v.slot})
	}
}

// HandlePromised takes in a voter's answer to PREPARE or a look.
func (m *Machine) HandlePromised(from *step.Peer, a *wire.Promised) error {
	m.noteRun(from, &a.Answer)
	i, ok := m.find(a.Round)
	if !ok || !m.InForce.Votes(from.ID) || a.Epoch != m.Epoch() {
		return nil
	}
	o := m.ops[i]
	if o.phase != phasePrepare && o.phase != phaseLook {
		return nil
	}
	if err := m.Hearsay.Believes(from, a.Promised.TS); err != nil {
		return err
	}
	if o.phase == phasePrepare {
		m.noteKnows(from, &a.Answer)
	}
	v := vote{ok: a.OK, promised: a.Promised}
	if a.Record != nil {
		stored, err := slot.Decode(o.Request.Path, a.Record)
		if err != nil {
			return err
		}
		v.slot, v.blind = stored, !a.OK && stored.Consensus != nil && stored.Consensus.Blind
		if err := m.Hearsay.Believes(from, v.slot.Reach()); err != nil {
			return err
		}
		m.HLC.Observe(v.slot.Top())
	}
	m.count(o, from.ID, &v)
	m.advanceRound(o)
	return nil
}

// HandleAccepted takes in a voter's answer to ACCEPT.
func (m *Machine) HandleAccepted(from *step.Peer, a *wire.Accepted) error {
	m.noteKnows(from, &a.Answer)
	i, ok := m.find(a.Round)
	if !ok || !m.InForce.Votes(from.ID) || a.Epoch != m.Epoch() {
		return nil
	}
	o := m.ops[i]
	if o.phase != phaseAccept && o.phase != phaseDone {
		return nil
	}
	if err := m.Hearsay.Believes(from, a.Promised.TS); err != nil {
		return err
	}
	m.count(o, from.ID, &vote{ok: a.OK, promised: a.Promised})
	m.advanceRound(o)
	return nil
}

// HandleDescent answers what a record of this member has come from.
func (m *Machine) HandleDescent(from *step.Peer, q *wire.Descent) error {
	a := wire.Descended{Round: q.Round, Ballot: q.Ballot}
	if q.Ballot.Member != m.Self {
		return nil // this one has the address of the member that is asked.
	}
	if known := m.descents.Look(q.Path); known != nil {
		for _, s := range slices.Backward(known.own) {
			if s.from.Compare(q.Ballot) > 0 {
				continue
			}
			a.Stretches = append(a.Stretches, wire.Stretch{From: s.from, Before: s.before})
			if s.before.Compare(q.Above) <= 0 || len(a.Stretches) == wire.StretchesMax {
				break
			}
		}
	}
	m.Send(contract.TransportFrame, from.Addr, m.InForceAfter, m.Frame(wire.KindDescended, &a))
	return nil
}

// HandleDescended goes on with an operation that has asked what a record has come from.
func (m *Machine) HandleDescended(from *step.Peer, a *wire.Descended) error {
	m.routes.Of(from).untold = 0
	i, ok := m.find(a.Round)
	if !ok || a.Ballot.Member != from.ID {
		return nil
	}
	o := m.ops[i]
	if o.phase != phasePrepare || o.asked != a.Ballot || o.told {
		return nil
	}
	o.told = true
	if len(a.Stretches) > 0 {
		path := o.Request.Path
		m.keepDescent(path, m.descents.Get(path), func(d *descent) { d.note(a) })
	}
	m.evaluate(o)
	return nil
}

// askDescentAgain goes on when no answer has come: with the question once more, or without an answer.
func (m *Machine) askDescentAgain(o *operation) {
	o.retryAt = min(m.Now.Mono+o.delay, o.deadline)
	if m.askDescent(o, o.asked) {
		m.sendDescent(o, m.Peer(o.asked.Member))
		return
	}
	m.evaluate(o)
}

// advanceRound goes on when a majority has answered, and begins anew when none can any more.
func (m *Machine) advanceRound(o *operation) {
	need := m.InForce.Majority()
	switch o.phase {
	case phaseDone:
		if len(o.against) > 0 {
			m.endStanding(o)
		}
		if len(o.oks) == len(m.InForce.Voters) {
			m.forgetRound(o)
		}
	case phaseAccept:
		if len(o.oks) >= need {
			m.chosen(o)
		} else if len(o.against) > 0 {
			m.overtaken(o)
		}
	case phasePrepare, phaseLook:
		if len(o.answers) >= need {
			m.evaluate(o)
		} else if len(o.blind) > 0 && m.hopes(o) < need {
			m.withoutBlind(o)
		} else if len(o.against) > 0 {
			m.overtaken(o)
		}
	}
}

// overtakenPatience is how much longer than the answers that are there the missing ones may take once a voter has
// refused. With less, proposers that compete over links of very different speed give up what they could have had.
const overtakenPatience = 3

// overtaken begins anew when a majority cannot be had any more, because voters have refused. While it still can, those
// who are silent may be dead without anybody knowing it, and what they say is worth a short wait only, measured by the
// others.
func (m *Machine) overtaken(o *operation) {
	if m.hopes(o) < m.InForce.Majority() {
		m.backOff(o)
		return
	}
	if len(o.answers)+len(o.oks)+len(o.against) > 1 || !o.answered(m.Self) { // somebody else has answered.
		o.retryAt = min(o.retryAt, m.Now.Mono+overtakenPatience*(m.Now.Mono-o.began)+backoff)
		m.wakeAt(o.retryAt)
	}
}

// hopes counts the voters that have said yes or may yet.
func (m *Machine) hopes(o *operation) int {
	count := 0
	for _, id := range m.InForce.Voters {
		_, no := slices.BinarySearch(o.against, id)
		no = no || slices.Contains(o.blind, id)
		p := m.Peer(id)
		if !no && (id == m.Self || o.answered(id) || p != nil && !p.Dead() && m.mayAsk(o, p)) {
			count++
		}
	}
	return count
}
