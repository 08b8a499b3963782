package register

import (
	"fmt"
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// How linearizable operations go on after a majority has answered, and how they end.

// evaluate decides what to do about what a majority showed.
func (m *Machine) evaluate(o *operation) {
	j := Join(o.answers, m.Epoch(), m.Electorate)
	j.Settled = j.Settled && len(o.answers) >= m.InForce.Majority()
	j.Before, j.Key = Applied(j.Consensus, o.Request)
	j.Foreign = m.foreign(o.Request.Path, &j)
	o.foreign = j.Foreign
	if o.phase == phaseLook {
		if j.Settled {
			m.Counters.RoundsFast++
			m.endRound(o, o.local, o.answer(&j.Current))
			return
		}
		m.prepare(o)
		return
	}
	if m.late(o) {
		return
	}
	descent, ask := m.trace(o, &j)
	j.Descent = descent
	v := o.Decide(&j)
	if v == VerdictUnknown && m.askDescent(o, ask) {
		return
	}
	if v != VerdictApplied && m.mayHaveEnded(o, descent) {
		if m.overtook(o, &j) {
			m.backOff(o)
			return
		}
		v = VerdictUnknown
	}
	if v == VerdictMissed && o.from == nil {
		if m.awaitErrand(o) {
			return
		}
		v = VerdictUnknown
	}
	switch v {
	case VerdictAnswer:
		m.endRound(o, o.local, o.answer(&j.Current))
	case VerdictHigher:
		o.raised = max(o.raised, j.Top)
		m.prepare(o)
	case VerdictDeclined:
		m.endDeclined(o)
	case VerdictUnknown:
		if len(o.Sent) == 0 && m.awaitErrand(o) {
			return
		}
		m.endUnknown(o, "enough voters answered, but this write was overtaken after it had been sent to them, and "+
			"whether it got in first cannot be told: read the path before you write again")
	case VerdictForgotten:
		m.endUnknown(o, fmt.Sprintf("since the version that the condition wants, the path has had %d writes under "+
			"idempotency keys, or was deleted longer than tombstone_grace ago: whether an earlier attempt was "+
			"applied is "+
			"not known any more; read the path", slot.AppliedMax))
	default:
		o.follows = m.follow(o, &j)
		d := draft{top: j.Top}
		m.extend(&d, o, v, &j, o.Ballot.TS)
		m.gather(o, &d, &j)
		m.propose(o, &d)
	}
}

// mayHaveEnded reports whether an earlier attempt of an operation may have got in, and all trace of it be gone from a
// majority: its own tombstone, or one that came after what it wrote, was collected. No tombstone goes anywhere before
// this member holds it as well, and if this member has dropped it, its fence is as high. An own tombstone that is held
// here alone proves nothing, but there has to be time for its end.
func (m *Machine) mayHaveEnded(o *operation, d Descent) bool {
	if o.First == 0 {
		return false
	}
	_, slot, err := m.CurrentSlot(o.Request.Path)
	shown := m.Electorate.Visible(&slot)
	switch {
	case err != nil || m.owner.Fence() >= o.First:
		return true
	case o.carriedBy(&shown, m.Self):
		return shown.Tombstone && m.Now.Mono-o.firstAt >= m.Tuning.TombstoneGrace/2
	}
	return shown.TS >= o.First && d != DescentOut
}

// overtook reports whether this member has come to hold a newer version since its own answer to o's PREPARE: another
// PREPARE finds that too.
func (m *Machine) overtook(o *operation, j *Joined) bool {
	_, ours, err := m.CurrentSlot(o.Request.Path)
	_, counted := o.findAnswer(m.Self)
	return err == nil && counted && m.Electorate.Visible(&ours).TS > j.Current.TS
}

// propose asks the voters to accept a record under the ballot that a majority promised, and for the promise of the
// ballot after it. The answers of all that are in the batch wait until they have accepted.
func (m *Machine) propose(o *operation, d *draft) {
	o.next = &slot.Consensus{Promised: m.nextBallot(o, d), Ballot: o.Ballot, Record: d.record, Applied: d.applied}
	m.beginExchange(o, phaseAccept)
}

// answer is what an operation that changes nothing is told.
func (o *operation) answer(current *slot.Record) contract.Response {
	resp := contract.Response{Code: contract.CodeOK, Record: *current}
	switch {
	case o.Request.Op == contract.OpGet && !current.Live():
		resp.Code = contract.CodeNotFound
	case !o.Request.Condition.Holds(current):
		return o.refusal(current)
	}
	return resp
}

// refusal is what a write is told whose condition was false.
func (o *operation) refusal(current *slot.Record) contract.Response {
	resp := contract.Response{Code: contract.CodePrecondition, Outcome: contract.OutcomeNotApplied, Record: *current,
		Detail: "the path shows another version than the condition wants"}
	if !current.Live() {
		resp.Detail = "the path shows no value, and the condition wants one"
	}
	return resp
}

// remember is the list of what was decided under idempotency keys, with this operation if it has one. What was refused
// is on it as well, without a UUID: another attempt that is still under way must not be applied after that answer.
func (o *operation) remember(j *Joined, code contract.Code, ts slot.Timestamp) []slot.Applied {
	if o.Request.Key.IsZero() || o.Request.Op == contract.OpGet {
		return j.Carry(ts)
	}
	a := slot.Applied{Key: o.Request.Entry(), Version: slot.Version{TS: ts, UUID: o.UUID}}
	if code == contract.CodePrecondition {
		a.UUID = slot.UUID{}
	}
	return slot.Remember(j.Carry(ts), a)
}

// success is what a write is told.
func (o *operation) success(rec *slot.Record) contract.Response {
	if o.created && o.Request.Op == contract.OpPut {
		return contract.Response{Code: contract.CodeCreated, Record: *rec}
	}
	return contract.Response{Code: contract.CodeOK, Record: *rec}
}

// chosen answers: a majority has the record on disk. Voters that are late have a while to say so; then it is left to
// the background to bring it to them, as it is to members that do not vote.
func (m *Machine) chosen(o *operation) {
	after := o.local
	if len(o.oks) > m.InForce.Majority() || !slices.Contains(o.oks, m.Self) {
		after = 0 // enough others have it.
	}
	m.finishRound(o, after, o.result)
	m.finishRiders(o, after)
	m.stand(o)
	o.phase = phaseDone
	o.retryAt = m.Now.Mono + m.Tuning.AckTimeout
	m.wakeAt(o.retryAt)
	m.learn(o)
	if len(o.oks) == len(m.InForce.Voters) || len(m.ops) > 2*opsMax {
		m.handOverChosen(o)
	}
	m.endTurn(o)
}

// learn keeps a chosen record on a member that does not vote, or had no say, and brings it to the others that do not
// vote.
func (m *Machine) learn(o *operation) {
	if schema.IsConfigPath(o.Request.Path) {
		return // configurations are announced.
	}
	if !slices.Contains(o.oks, m.Self) {
		m.keepChosen(o)
	}
	for _, p := range m.Replicas(o.Request.Path) {
		if !m.InForce.Votes(p.ID) {
			m.owner.Enqueue(p, o.entry())
		}
	}
}

// keepChosen merges a chosen record into this member's own slot, as a copy.
func (m *Machine) keepChosen(o *operation) {
	path := o.Request.Path
	_, ours, err := m.CurrentSlot(path)
	if err != nil || o.Ballot.TS <= m.owner.Fence() {
		return // comparisons repair it; and at or below the fence it may be what a dropped tombstone had replaced.
	}
	if late, changed := slot.LateAccept(ours.Consensus, o.next); changed {
		m.Promise(late.Promised.TS)
		late.Weak = late.Weak || late.Ballot.Compare(m.MayHavePromised(path, slot.Ballot{})) < 0
		ours.Consensus = late
		m.owner.Write(path, slot.Store(path, &ours, m.Electorate))
	}
}

// entry is the chosen record as it travels in the background.
func (o *operation) entry() wire.Entry {
	stored := slot.Slot{Consensus: o.record()}
	return wire.Entry{Path: o.Request.Path, Record: slot.Encode(o.Request.Path, &stored)}
}

// handOverChosen ends the wait for voters that are late.
func (m *Machine) handOverChosen(o *operation) {
	m.forgetRound(o)
	if schema.IsConfigPath(o.Request.Path) {
		return
	}
	for _, p := range m.Replicas(o.Request.Path) {
		if m.InForce.Votes(p.ID) && !slices.Contains(o.oks, p.ID) {
			m.owner.Enqueue(p, o.entry())
		}
	}
}

// finishRound answers the client.
func (m *Machine) finishRound(o *operation, after contract.PersistID, resp contract.Response) {
	m.open--
	m.forgetErrand(o)
	if schema.IsConfigPath(o.Request.Path) {
		m.decided = append(m.decided, decided{o.Request.Path, resp})
		return
	}
	if o.internal {
		return
	}
	if o.from != nil {
		m.answerForwarded(o, after, resp)
		return
	}
	resp.ID, resp.Level = o.Request.ID, contract.Linearizable
	m.Reply(after, resp)
}

// endRound answers an operation and forgets it.
func (m *Machine) endRound(o *operation, after contract.PersistID, resp contract.Response) {
	m.dissolve(o)
	o.alight()
	m.forgetRound(o)
	m.finishRound(o, after, resp)
	m.endTurn(o)
}

// endUnknown ends a write that may or may not have been applied.
func (m *Machine) endUnknown(o *operation, detail string) {
	m.Counters.RoundsUnknown++
	m.endRound(o, 0, contract.Response{
		Code: contract.CodeNoQuorum, Outcome: contract.OutcomeUnknown, RetryAfter: contract.RetryAfter, Detail: detail,
	})
}

// refuseRound ends an operation that certainly did nothing.
func (m *Machine) refuseRound(o *operation, code contract.Code, detail string) {
	if o.First != 0 {
		m.endUnknown(o, detail+
			"; it had been sent to the voters by then and may have got in: read the path before you write again")
		return
	}
	resp := contract.Response{Code: code, Detail: detail, RetryAfter: contract.RetryAfter}
	if o.Request.Op != contract.OpGet {
		resp.Outcome = contract.OutcomeNotApplied
	}
	m.endRound(o, 0, resp)
}

// late ends an operation whose time is up before an ACCEPT of it was sent: its client no longer waits. It reports
// whether it has. After a pause of this process, messages may come before the Tick that gives up.
func (m *Machine) late(o *operation) bool {
	if m.Now.Mono < o.deadline || o.First != 0 {
		return false
	}
	m.refuseRound(o, contract.CodeOverloaded, "its time was up before anything was sent to be accepted")
	return true
}

// giveUpRound ends an operation whose time is up.
func (m *Machine) giveUpRound(o *operation) {
	if e := o.errand; e != nil && e.said != nil && e.said.Fate == wire.FateDeclined {
		m.notElsewhere(o)
	}
	alive := m.VotersAlive()
	if o.phase == phaseQueued && alive >= m.InForce.Majority() {
		code := contract.CodeConflict
		if o.Request.Op == contract.OpGet {
			code = contract.CodeOverloaded
		}
		m.refuseRound(o, code,
			fmt.Sprintf("%d operations on this path were before it at this member until its time was up", m.ahead(o)))
		return
	}
	if o.phase == phaseForwarded && o.Request.Op == contract.OpGet {
		m.refuseRound(o, contract.CodeOverloaded,
			"the member that runs what is asked of this path did not answer in time")
		return
	}
	if o.lost > 0 && o.Request.Op != contract.OpGet && alive >= m.InForce.Majority() {
		m.refuseRound(o, contract.CodeConflict, fmt.Sprintf("other writers of this path were faster, %d times", o.lost))
		return
	}
	m.refuseRound(o, contract.CodeNoQuorum,
		fmt.Sprintf("too few of %d voters answered in time, %d are needed, %d are alive as far as is known",
			len(m.InForce.Voters), m.InForce.Majority(), alive))
}

// backOff begins anew after a pause, because a majority cannot be had any more under this ballot: another proposer has
// a higher one. The pause is drawn from a range that doubles with each lost race, so that of several proposers one gets
// through.
func (m *Machine) backOff(o *operation) {
	o.lost++
	m.Counters.RoundsRetried++
	m.file(o, phasePause)
	limit := min(backoff<<min(o.lost, 16), backoffMax)
	o.retryAt = min(m.Now.Mono+1+time.Duration(m.Rand.Int64N(int64(limit))), o.deadline)
	m.wakeAt(o.retryAt)
}

func (m *Machine) wakeAt(at time.Duration) {
	if m.wake == 0 || at < m.wake {
		m.wake = at
	}
}

// Tick asks again, goes on after pauses, and gives up what has run out of time.
func (m *Machine) Tick() {
	if m.wake == 0 || m.Now.Mono < m.wake {
		return
	}
	for _, o := range slices.Clone(m.ops) {
		if !m.holds(o) {
			continue // ended meanwhile.
		}
		switch {
		case o.phase == phaseDone && m.Now.Mono >= o.retryAt:
			m.handOverChosen(o)
		case o.phase == phaseDone:
		case m.Now.Mono >= o.deadline:
			m.giveUpRound(o)
		case m.Now.Mono < o.retryAt:
		case o.phase == phaseForwarded:
			m.silent(o)
		case o.phase == phasePause:
			m.prepare(o)
		case o.phase == phasePrepare && !o.asked.IsZero():
			m.askDescentAgain(o)
		case len(o.against) > 0:
			m.backOff(o) // those that have not answered may be gone.
		case m.awaitsPassed(o):
			m.prepare(o) // the word of those that see is worth more once it is known that they have caught up.
		default:
			o.delay = min(2*o.delay, m.Tuning.RetryDelayMax)
			m.ask(o)
		}
	}
	m.wake = 0
	for _, o := range m.ops {
		m.wakeAt(o.retryAt)
	}
}

// Restart begins all rounds anew: the configuration has changed, and a round is pinned to one epoch.
func (m *Machine) Restart() {
	for _, o := range slices.Clone(m.ops) {
		if !m.holds(o) {
			continue // ended meanwhile, by what another one did when it ended.
		}
		switch o.phase {
		case phaseDone:
			m.handOverChosen(o)
		case phaseQueued, phaseRiding, phaseForwarded:
		default:
			if schema.IsConfigPath(o.Request.Path) { // its epoch is over.
				m.refuseRound(o, contract.CodeConflict, "the epoch is over")
				continue
			}
			m.beginRound(o)
		}
	}
}
