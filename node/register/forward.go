package register

import (
	"slices"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/step"
	"kvs/node/wire"
)

// Operations that another member runs for this one. A write goes with two timestamps. It makes no version below First,
// as the other member runs it; and should this member run it itself, what it makes is above Since, its clock as it
// forwarded. So each of the two can tell from what stands on the path whether the other one may have been there:
//
//	this member   takes over when no answer comes, as in a retry after an ACCEPT was sent: same UUID, First. Where the
//	              path shows a version at or above First that is not its own, it does not know.
//	the other     runs the operation only if all ballots above Since on the path are its own: see forwarded.go.
//
// A voter has promised the proposer's next ballot, so First is that, and most often it is the version in the end.

// handOver forwards an operation to the preferred proposer of its path, if that is another member. It reports whether
// it has. An operation whose ACCEPT was sent stays here.
func (m *Machine) handOver(o *operation) bool {
	path := o.Request.Path
	if !m.Tuning.Forwards || o.internal || o.from != nil || o.First != 0 || schema.IsConfigPath(path) ||
		o.errand != nil && (o.errand.over || o.errand.tries >= errandTriesMax) ||
		len(o.Request.Condition.Versions) > wire.ForwardVersionsMax {
		return false
	}
	m.introduceAll(path)
	last, mixed := m.mixed(path)
	if !mixed {
		return false
	}
	p := m.lastProposer(last)
	if p == nil {
		p = m.preferred(path)
	}
	if p == nil {
		return false
	}
	f := wire.Forward{Run: m.routes.Of(p).run, UUID: o.UUID, Budget: o.deadline - m.Now.Mono, Request: *o.Request}
	if !o.UUID.IsZero() {
		since, err := m.Stamp(0)
		if err != nil {
			return false
		}
		f.Since, f.First = since, since
		if last.Member == p.ID && last.Epoch == m.Epoch() && m.owner.Fence() < last.TS {
			f.First = min(since, last.TS)
		}
		o.First, o.firstAt = f.First, m.Now.Mono
	}
	m.send(o, p, &f)
	return true
}

// send sends an operation to a peer, and lets the next operation of the path go on.
func (m *Machine) send(o *operation, p *step.Peer, f *wire.Forward) {
	m.file(o, phaseForwarded)
	tries := 1
	if o.errand != nil {
		tries += o.errand.tries
	}
	o.errand = &errand{peer: p.ID, round: o.round, tries: tries}
	o.Elsewhere = true
	if m.errands == nil {
		m.errands = make(map[uint64]*operation)
	}
	m.errands[o.round] = o
	f.Round = o.round
	r := m.routes.Of(p)
	if r.misses > 0 { // one operation tries it out.
		r.muted = m.Now.Mono + muteMin
	}
	if r.waits == 0 {
		r.waits = m.Now.Mono
	}
	o.began, o.retryAt = m.Now.Mono, min(m.Now.Mono+m.patience(r), o.deadline)
	m.wakeAt(o.retryAt)
	m.Send(contract.TransportFrame, p.Addr, max(m.InForceAfter, m.BoundAfter), m.Frame(wire.KindForward, f))
	m.endTurn(o)
}

// forgetErrand ends the wait for another member's answer.
func (m *Machine) forgetErrand(o *operation) {
	if o.errand != nil {
		delete(m.errands, o.errand.round)
	}
}

// silent goes on when a member has not answered in time.
func (m *Machine) silent(o *operation) {
	p := m.Peer(o.errand.peer)
	if o.errand.last {
		if p != nil && !p.Dead() {
			o.retryAt = min(m.Now.Mono+m.Tuning.AckTimeout/4, o.deadline)
			return
		}
		m.endUnknown(o, "the member that ran this write is gone, and whether it was applied cannot be told: read the "+
			"path before you write again")
		return
	}
	if p == nil {
		m.takeOver(o)
		return
	}
	r := m.routes.Of(p)
	patience := m.patience(r)
	until := r.heardAt + patience // it speaks, and is slow.
	if m.Now.Mono-o.retryAt > patience/2 {
		until = m.Now.Mono + patience // this process was slow: what has come meanwhile is not read yet.
	}
	if until > m.Now.Mono && m.Now.Mono-o.began < m.Tuning.AckTimeout {
		o.retryAt = min(until, o.deadline)
		return
	}
	r.missed(m.Now.Mono)
	for _, w := range slices.Clone(m.ops) {
		if m.holds(w) && w.phase == phaseForwarded && w.errand.peer == p.ID && !w.errand.last {
			m.takeOver(w)
		}
	}
}

// takeOver has this member itself run an operation that another one may run as well.
func (m *Machine) takeOver(o *operation) {
	m.Counters.ForwardsTakenOver++
	m.Log(contract.LogDebug, "operation taken over", "path", o.Request.Path, "from", o.errand.peer.String())
	o.errand.over = true
	m.prepare(o)
}

// awaitErrand waits for the other member's answer, where this one cannot tell what became of an operation. It reports
// whether that is of any use. No ACCEPT of this member has got in with the operation, and none follows until the answer
// is there.
func (m *Machine) awaitErrand(o *operation) bool {
	if o.errand == nil || m.errands[o.errand.round] != o {
		return false
	}
	if p := m.Peer(o.errand.peer); p == nil || p.Dead() {
		return false
	}
	m.file(o, phaseForwarded)
	o.errand.last = true
	o.retryAt = min(m.Now.Mono+m.Tuning.AckTimeout/4, o.deadline)
	m.wakeAt(o.retryAt)
	m.endTurn(o)
	if said := o.errand.said; said != nil {
		m.answered(o, said)
	}
	return true
}

// HandleForwarded takes in the answer of the member that has run an operation.
func (m *Machine) HandleForwarded(from *step.Peer, a *wire.Forwarded) error {
	if err := m.Hearsay.Believes(from, max(a.Clock, a.Response.Record.TS)); err != nil {
		return err
	}
	m.HLC.Observe(max(a.Clock, a.Response.Record.TS))
	r := m.routes.Of(from)
	r.run, r.older, r.misses, r.muted = a.Run, false, 0, 0
	o := m.errands[a.Round]
	switch {
	case o == nil:
		return nil
	case o.errand.peer != from.ID:
		return nil // it has the address of the member that was asked.
	case o.UUID != a.UUID:
		return codec.ErrBadMessage
	}
	m.answered(o, a)
	return nil
}

// answered goes on with an operation that another member has answered.
func (m *Machine) answered(o *operation, a *wire.Forwarded) {
	if o.errand.over && !o.errand.last {
		// This member runs it as well. An answer other than that it was applied says nothing about that.
		if waits := o.phase == phaseQueued || o.phase == phasePause; !waits || !applied(o, a) {
			o.errand.said = a // it does not come again, should this member have to wait for it.
			return
		}
	}
	switch {
	case a.Fate == wire.FateDeclined:
		m.Counters.ForwardsDeclined++
		m.notElsewhere(o) // it was not run, and will not be.
		o.errand.over = a.Response.Code != contract.CodeConflict
		m.prepare(o)
	case a.Fate == wire.FateUnknown, a.Response.Outcome == contract.OutcomeUnknown:
		if o.errand.last {
			m.endUnknown(o, "the member that ran this write could not tell whether it was applied: read the path "+
				"before you write again")
			return
		}
		m.forgetErrand(o)
		m.takeOver(o)
	case len(o.Sent) > 0 && !applied(o, a):
		// The answer rests on what the other member has found. An ACCEPT of this one may linger on a minority.
		m.notElsewhere(o)
		m.prepare(o)
	default:
		m.Counters.ForwardsAnswered++
		resp := a.Response
		if o.Request.Op == contract.OpPut && applied(o, a) {
			resp.Record.ContentType, resp.Record.Value = o.Request.ContentType, o.Request.Value
		}
		m.endRound(o, 0, resp)
	}
}

// notElsewhere takes note that the other member has not applied an operation, and will not.
func (m *Machine) notElsewhere(o *operation) {
	m.forgetErrand(o)
	o.errand.last, o.Elsewhere = false, false
	if len(o.Sent) == 0 {
		o.First = 0
	}
}

// applied reports whether a write was applied, as the answer says. Where this member has sent an ACCEPT too, the answer
// has to name a version of the write itself: a delete of nothing writes none, so it does not keep that ACCEPT out.
func applied(o *operation, a *wire.Forwarded) bool {
	return a.Fate == wire.FateAnswered && o.Request.Op != contract.OpGet &&
		a.Response.Outcome == contract.OutcomeApplied &&
		(len(o.Sent) == 0 || a.Response.Record.UUID == o.UUID)
}
