package node

import (
	"fmt"
	"slices"
	"time"
)

// How linearizable operations go on after a majority has answered, and how they end.

// evaluate decides what to do about what a majority showed.
func (n *Node) evaluate(o *registerOp) {
	j := join(o.answers, n.epoch(), n.electorate)
	j.before, j.key = j.consensus.applied(o.request)
	if o.phase == phaseLook {
		if j.settled {
			n.counters.RoundsFast++
			n.endRound(o, o.local, o.answer(&j.current))
			return
		}
		n.prepare(o)
		return
	}
	v := o.decide(&j)
	if v != verdictApplied && n.mayHaveEnded(o) {
		v = verdictUnknown
	}
	o.writes = v == verdictWrite
	switch v {
	case verdictAnswer:
		n.endRound(o, o.local, o.answer(&j.current))
	case verdictHigher:
		o.raised = max(o.raised, j.top)
		n.prepare(o)
	case verdictUnknown:
		n.endUnknown(o, "enough voters answered, but this write was overtaken after it had been sent to them, and whether it got in first cannot be told: read the path before you write again")
	case verdictForgotten:
		n.endUnknown(o, fmt.Sprintf("since the version that the condition wants, the path has had %d writes under idempotency keys, or was deleted longer than tombstone_grace ago: whether an earlier attempt was applied is not known any more; read the path", appliedMax))
	case verdictRepeat:
		resp := o.answer(&j.current)
		n.propose(o, j.current, o.remember(&j, resp.Code), resp)
	case verdictVoid:
		resp := o.answer(&Record{})
		n.propose(o, Record{TS: o.ballot.TS, UUID: n.newUUID(), Origin: n.id, Tombstone: true}, o.remember(&j, resp.Code), resp)
	case verdictApplied:
		n.propose(o, j.current, j.carry(o.ballot.TS), o.success(&j.current))
	case verdictAppliedBefore:
		resp := o.success(&Record{TS: j.before.TS, UUID: j.before.UUID, Tombstone: o.request.Op == OpDelete,
			ContentType: o.request.ContentType, Value: o.request.Value})
		if j.before.UUID.IsZero() {
			resp = o.refusal(&j.current)
			resp.Since = true
			resp.Detail = "an earlier attempt under this idempotency key found another version than the condition wants"
		}
		n.propose(o, j.current, j.carry(o.ballot.TS), resp)
	case verdictReused:
		n.propose(o, j.current, j.carry(o.ballot.TS), Response{Code: CodeKeyReused, Outcome: OutcomeNotApplied,
			Detail: "another request has used this idempotency key on this path: choose a new key, or repeat that one as it was"})
	case verdictWrite:
		rec := Record{TS: o.ballot.TS, UUID: o.uuid, Origin: n.id, Tombstone: o.request.Op == OpDelete}
		if o.request.Op == OpPut {
			rec.ContentType, rec.Value = o.request.ContentType, o.request.Value
			rec.setTTL(o.request.TTL)
		}
		o.created = !j.current.Live()
		resp := o.success(&rec)
		n.propose(o, rec, o.remember(&j, resp.Code), resp)
	}
}

// mayHaveEnded reports whether an earlier attempt of an operation may have got in, and all trace of it be gone from a majority: its
// own tombstone, or one that came after what it wrote, was collected. No tombstone goes anywhere before this member holds it
// as well, and if this member has dropped it, its fence is as high. An own tombstone that is held here alone proves nothing, but
// there has to be time for its end.
func (n *Node) mayHaveEnded(o *registerOp) bool {
	if o.first == 0 {
		return false
	}
	_, slot, err := n.currentSlot(o.request.Path)
	shown := n.electorate.Visible(&slot)
	switch {
	case err != nil || n.stamps.fence >= o.first:
		return true
	case shown.UUID == o.uuid:
		return shown.Tombstone && n.now.Mono-o.firstAt >= n.tuning.TombstoneGrace/2
	}
	return shown.TS >= o.first
}

// propose asks the voters to accept a record under the ballot that a majority promised, and keeps the answer until they have.
func (n *Node) propose(o *registerOp, rec Record, applied []Applied, resp Response) {
	o.next = &Consensus{Promised: o.ballot, Ballot: o.ballot, Record: rec, Applied: applied}
	o.result = resp
	n.beginExchange(o, phaseAccept)
}

// answer is what an operation that changes nothing is told.
func (o *registerOp) answer(current *Record) Response {
	resp := Response{Code: CodeOK, Record: *current}
	switch {
	case o.request.Op == OpGet && !current.Live():
		resp.Code = CodeNotFound
	case !o.request.Condition.Holds(current):
		return o.refusal(current)
	}
	return resp
}

// refusal is what a write is told whose condition was false.
func (o *registerOp) refusal(current *Record) Response {
	resp := Response{Code: CodePrecondition, Outcome: OutcomeNotApplied, Record: *current,
		Detail: "the path shows another version than the condition wants"}
	if !current.Live() {
		resp.Detail = "the path shows no value, and the condition wants one"
	}
	return resp
}

// remember is the list of what was decided under idempotency keys, with this operation if it has one. What was refused is on it
// as well, without a UUID: another attempt that is still under way must not be applied after that answer.
func (o *registerOp) remember(j *joined, code Code) []Applied {
	if o.request.Key.IsZero() || o.request.Op == OpGet {
		return j.carry(o.ballot.TS)
	}
	a := Applied{Key: o.request.entry(), Version: Version{TS: o.ballot.TS, UUID: o.uuid}}
	if code == CodePrecondition {
		a.UUID = UUID{}
	}
	return remember(j.carry(o.ballot.TS), a)
}

// success is what a write is told.
func (o *registerOp) success(rec *Record) Response {
	if o.created && o.request.Op == OpPut {
		return Response{Code: CodeCreated, Record: *rec}
	}
	return Response{Code: CodeOK, Record: *rec}
}

// chosen answers: a majority has the record on disk. Voters that are late have a while to say so; then it is left to the
// background to bring it to them, as it is to members that do not vote.
func (n *Node) chosen(o *registerOp) {
	after := o.local
	if len(o.oks) > n.config.Majority() || !slices.Contains(o.oks, n.id) {
		after = 0 // enough others have it.
	}
	n.finishRound(o, after, o.result)
	o.phase = phaseDone
	o.retryAt = n.now.Mono + n.tuning.AckTimeout
	n.wakeRegister(o.retryAt)
	n.learn(o)
	if len(o.oks) == len(n.config.Voters) || len(n.register.ops) > 2*registerOpsMax {
		n.handOverChosen(o)
	}
	n.endTurn(o)
}

// learn keeps a chosen record on a member that does not vote, or had no say, and brings it to the others that do not vote.
func (n *Node) learn(o *registerOp) {
	if isConfigPath(o.request.Path) {
		return // configurations are announced.
	}
	if !slices.Contains(o.oks, n.id) {
		n.keepChosen(o)
	}
	for _, p := range n.replicas(o.request.Path) {
		if !n.config.Votes(p.id) {
			n.enqueue(p, o.entry())
		}
	}
}

// keepChosen merges a chosen record into this member's own slot, as a copy.
func (n *Node) keepChosen(o *registerOp) {
	path := o.request.Path
	_, ours, err := n.currentSlot(path)
	if err != nil || o.ballot.TS <= n.stamps.fence {
		return // comparisons repair it; and at or below the fence it may be what a dropped tombstone had replaced.
	}
	if late, changed := lateAccept(ours.Consensus, o.next); changed {
		ours.Consensus = late
		n.write(path, EncodeSlot(path, &ours))
	}
}

// entry is the chosen record as it travels in the background.
func (o *registerOp) entry() entry {
	slot := Slot{Consensus: o.next}
	return entry{o.request.Path, EncodeSlot(o.request.Path, &slot)}
}

// handOverChosen ends the wait for voters that are late.
func (n *Node) handOverChosen(o *registerOp) {
	n.forgetRound(o)
	if isConfigPath(o.request.Path) {
		return
	}
	for _, p := range n.replicas(o.request.Path) {
		if n.config.Votes(p.id) && !slices.Contains(o.oks, p.id) {
			n.enqueue(p, o.entry())
		}
	}
}

// finishRound answers the client.
func (n *Node) finishRound(o *registerOp, after PersistID, resp Response) {
	n.register.open--
	if isConfigPath(o.request.Path) {
		n.register.decided = append(n.register.decided, decided{o, resp})
		return
	}
	if o.internal {
		return
	}
	resp.ID, resp.Level = o.request.ID, Linearizable
	n.reply(after, resp)
}

// endRound answers an operation and forgets it.
func (n *Node) endRound(o *registerOp, after PersistID, resp Response) {
	n.forgetRound(o)
	n.finishRound(o, after, resp)
	n.endTurn(o)
}

// endUnknown ends a write of which nobody can tell whether it got in.
func (n *Node) endUnknown(o *registerOp, detail string) {
	n.counters.RoundsUnknown++
	n.endRound(o, 0, Response{Code: CodeNoQuorum, Outcome: OutcomeUnknown, RetryAfter: retryAfter, Detail: detail})
}

// refuseRound ends an operation that certainly did nothing.
func (n *Node) refuseRound(o *registerOp, code Code, detail string) {
	if o.first != 0 {
		n.endUnknown(o, detail+"; it had been sent to the voters by then and may have got in: read the path before you write again")
		return
	}
	resp := Response{Code: code, Detail: detail, RetryAfter: retryAfter}
	if o.request.Op != OpGet {
		resp.Outcome = OutcomeNotApplied
	}
	n.endRound(o, 0, resp)
}

// giveUpRound ends an operation whose time is up.
func (n *Node) giveUpRound(o *registerOp) {
	alive := n.votersAlive()
	if o.phase == phaseQueued && alive >= n.config.Majority() {
		code := CodeConflict
		if o.request.Op == OpGet {
			code = CodeOverloaded
		}
		n.refuseRound(o, code, fmt.Sprintf("%d operations on this path were before it at this member until its time was up", n.ahead(o)))
		return
	}
	if o.lost > 0 && o.request.Op != OpGet && alive >= n.config.Majority() {
		n.refuseRound(o, CodeConflict, fmt.Sprintf("other writers of this path were faster, %d times", o.lost))
		return
	}
	n.refuseRound(o, CodeNoQuorum, fmt.Sprintf("too few of %d voters answered in time, %d are needed, %d are alive as far as is known",
		len(n.config.Voters), n.config.Majority(), alive))
}

// backOff begins anew after a pause, because a majority cannot be had any more under this ballot: another proposer has a higher
// one. The pause is drawn from a range that doubles with each lost race, so that of several proposers one gets through.
func (n *Node) backOff(o *registerOp) {
	o.lost++
	n.counters.RoundsRetried++
	n.file(o, phasePause)
	limit := min(registerBackoff<<min(o.lost, 16), registerBackoffMax)
	o.retryAt = min(n.now.Mono+1+time.Duration(n.rng.Int64N(int64(limit))), o.deadline)
	n.wakeRegister(o.retryAt)
}

func (n *Node) wakeRegister(at time.Duration) {
	if n.register.wake == 0 || at < n.register.wake {
		n.register.wake = at
	}
}

// tickRegister asks again, goes on after pauses, and gives up what has run out of time.
func (n *Node) tickRegister() {
	q := &n.register
	if q.wake == 0 || n.now.Mono < q.wake {
		return
	}
	for _, o := range slices.Clone(q.ops) {
		if !q.holds(o) {
			continue // ended meanwhile.
		}
		switch {
		case o.phase == phaseDone && n.now.Mono >= o.retryAt:
			n.handOverChosen(o)
		case o.phase == phaseDone:
		case n.now.Mono >= o.deadline:
			n.giveUpRound(o)
		case n.now.Mono < o.retryAt:
		case o.phase == phasePause:
			n.prepare(o)
		case len(o.against) > 0:
			n.backOff(o) // those that have not answered may be gone.
		default:
			o.delay = min(2*o.delay, n.tuning.RetryDelayMax)
			n.ask(o)
		}
	}
	q.wake = 0
	for _, o := range q.ops {
		n.wakeRegister(o.retryAt)
	}
}

// restartRegister begins all rounds anew: the configuration has changed, and a round is pinned to one epoch.
func (n *Node) restartRegister() {
	for _, o := range slices.Clone(n.register.ops) {
		if !n.register.holds(o) {
			continue // ended meanwhile, by what another one did when it ended.
		}
		switch o.phase {
		case phaseDone:
			n.handOverChosen(o)
		case phaseQueued:
		default:
			if isConfigPath(o.request.Path) { // its epoch is over.
				n.refuseRound(o, CodeConflict, "the epoch is over")
				continue
			}
			n.beginRound(o)
		}
	}
}
