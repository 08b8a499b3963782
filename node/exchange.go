package node

import (
	"slices"

	"kvs/node/merkle"
)

// An exchange is one question of a linearizable operation to all voters, and their answers: a look, a PREPARE or an ACCEPT.

// exchangeID names an exchange of messages with other members, so that answers find it. No other run or member gives the same name: what
// a member is told may reach whoever is at its address by then, and an answer to somebody else must not count.
func (n *Node) exchangeID(count uint64) uint64 { return n.exchanges + count }

// firstExchange is where the names of a run begin: anywhere, but not so late that they end before the run.
func firstExchange(id ID, boots uint64) uint64 { return merkle.Item(uint64(id), boots, 0, 0) >> 1 }

// file puts o among the operations under way under a new round.
func (n *Node) file(o *registerOp, p phase) {
	n.forgetRound(o)
	n.register.last++
	o.phase, o.round = p, n.exchangeID(n.register.last)
	i, _ := n.register.find(o.round)
	n.register.ops = slices.Insert(n.register.ops, i, o)
}

func (n *Node) forgetRound(o *registerOp) {
	if i, ok := n.register.find(o.round); ok && n.register.ops[i] == o {
		n.register.ops = slices.Delete(n.register.ops, i, i+1)
	}
}

// beginExchange asks all voters something new, this member first.
func (n *Node) beginExchange(o *registerOp, p phase) {
	after := max(n.configAfter, n.boundAfter)
	if p == phaseAccept {
		// A majority's promises are what makes the record the right one. This member's own is among them, and has to be on
		// disk before anybody acts on it: after a crash it would promise a lower ballot.
		after = max(after, o.local)
	}
	n.file(o, p)
	o.answers, o.oks, o.against, o.after, o.local, o.began = nil, nil, nil, after, 0, n.now.Mono
	o.delay = n.tuning.AckTimeout / 4
	if n.hasVoice() {
		n.ownVote(o)
	}
	if p == phaseAccept && len(o.against) > 0 {
		// Another proposer's PREPARE has come here since. Nobody has heard of the record yet, so nothing has happened, and the
		// operation can begin anew with nothing to be found out about. Had it been sent, it could be chosen or not.
		n.backOff(o)
		return
	}
	switch p {
	case phaseLook:
		n.counters.RoundLooks++
	case phasePrepare:
		n.counters.RoundPrepares++
	case phaseAccept:
		n.counters.RoundAccepts++
		if o.writes && o.first == 0 {
			o.first, o.firstAt = o.ballot.TS, n.now.Mono
		}
	}
	n.ask(o)
	n.advanceRound(o)
}

// ownVote is this member's answer to its own question. It counts at once: whatever rests on it waits for its persist.
func (n *Node) ownVote(o *registerOp) {
	var v vote
	ok := false
	path := o.request.Path
	switch o.phase {
	case phaseLook:
		v, ok = n.sees(path)
	case phasePrepare:
		v, ok = n.promise(path, o.ballot)
	case phaseAccept:
		v, ok = n.accept(path, o.next)
	}
	if ok {
		o.local = v.after
		n.count(o, n.id, &v)
	}
}

// ask sends the question of the exchange to every voter that has not answered it.
func (n *Node) ask(o *registerOp) {
	o.retryAt = min(n.now.Mono+o.delay, o.deadline)
	n.wakeRegister(o.retryAt)
	var frame []byte
	for _, id := range n.config.Voters {
		p := n.peer(id)
		if p == nil || p.dead() || o.answered(id) {
			continue
		}
		if frame == nil {
			frame = n.encodeRound(o)
		}
		n.send(TransportFrame, p.addr, o.after, frame)
	}
}

func (n *Node) encodeRound(o *registerOp) []byte {
	q := question{round: o.round, epoch: n.epoch(), path: o.request.Path, ballot: o.ballot}
	switch o.phase {
	case phaseLook:
		q.ballot = Ballot{}
		return n.encodeLook(&q)
	case phasePrepare:
		return n.encodePrepare(&q)
	}
	return n.encodeAccept(&q, o.next)
}

// answered reports whether a voter has answered the exchange under way.
func (o *registerOp) answered(id ID) bool {
	if _, ok := slices.BinarySearch(o.oks, id); ok {
		return true
	}
	if _, ok := slices.BinarySearch(o.against, id); ok {
		return true
	}
	_, ok := o.findAnswer(id)
	return ok
}

func (o *registerOp) findAnswer(id ID) (int, bool) {
	return slices.BinarySearchFunc(o.answers, id, func(s seen, id ID) int { return compareID(s.voter, id) })
}

// count takes in a voter's answer, once.
func (n *Node) count(o *registerOp, from ID, v *vote) {
	switch i, known := o.findAnswer(from); {
	case o.answered(from):
	case !v.ok:
		o.against = insertID(o.against, from)
		o.raised = max(o.raised, v.promised.TS)
		n.clock.Observe(v.promised.TS)
	case o.phase == phaseAccept || o.phase == phaseDone:
		o.oks = insertID(o.oks, from)
	case !known:
		o.answers = slices.Insert(o.answers, i, seen{from, v.slot})
	}
}

// handlePromised takes in a voter's answer to PREPARE or a look.
func (n *Node) handlePromised(from *peer, body []byte) error {
	a, err := decodePromised(body)
	if err != nil {
		return err
	}
	i, ok := n.register.find(a.round)
	if !ok || !n.config.Votes(from.id) || a.epoch != n.epoch() {
		return nil
	}
	o := n.register.ops[i]
	if o.phase != phasePrepare && o.phase != phaseLook {
		return nil
	}
	v := vote{ok: a.ok, promised: a.promised}
	if a.record != nil {
		if v.slot, err = DecodeSlot(o.request.Path, a.record); err != nil {
			return err
		}
		n.clock.Observe(v.slot.Top())
	}
	n.count(o, from.id, &v)
	n.advanceRound(o)
	return nil
}

// handleAccepted takes in a voter's answer to ACCEPT.
func (n *Node) handleAccepted(from *peer, body []byte) error {
	a, err := decodeAccepted(body)
	if err != nil {
		return err
	}
	i, ok := n.register.find(a.round)
	if !ok || !n.config.Votes(from.id) || a.epoch != n.epoch() {
		return nil
	}
	o := n.register.ops[i]
	if o.phase != phaseAccept && o.phase != phaseDone {
		return nil
	}
	n.count(o, from.id, &vote{ok: a.ok, promised: a.promised})
	n.advanceRound(o)
	return nil
}

// advanceRound goes on when a majority has answered, and begins anew when none can any more.
func (n *Node) advanceRound(o *registerOp) {
	need := n.config.Majority()
	switch o.phase {
	case phaseDone:
		if len(o.oks) == len(n.config.Voters) {
			n.forgetRound(o)
		}
	case phaseAccept:
		if len(o.oks) >= need {
			n.chosen(o)
		} else if len(o.against) > 0 {
			n.overtaken(o)
		}
	case phasePrepare, phaseLook:
		if len(o.answers) >= need {
			n.evaluate(o)
		} else if len(o.against) > 0 {
			n.overtaken(o)
		}
	}
}

// overtakenPatience is how much longer than the answers that are there the missing ones may take once a voter has refused. With
// less, proposers that compete over links of very different speed give up what they could have had.
const overtakenPatience = 3

// overtaken begins anew when a majority cannot be had any more, because voters have refused. While it still can, those who are
// silent may be dead without anybody knowing it, and what they say is worth a short wait only, measured by the others.
func (n *Node) overtaken(o *registerOp) {
	if n.hopes(o) < n.config.Majority() {
		n.backOff(o)
		return
	}
	if len(o.answers)+len(o.oks)+len(o.against) > 1 || !o.answered(n.id) { // somebody else has answered.
		o.retryAt = min(o.retryAt, n.now.Mono+overtakenPatience*(n.now.Mono-o.began)+registerBackoff)
		n.wakeRegister(o.retryAt)
	}
}

// hopes counts the voters that have said yes or may yet.
func (n *Node) hopes(o *registerOp) int {
	count := 0
	for _, id := range n.config.Voters {
		_, against := slices.BinarySearch(o.against, id)
		p := n.peer(id)
		if !against && (id == n.id || o.answered(id) || p != nil && !p.dead()) {
			count++
		}
	}
	return count
}
