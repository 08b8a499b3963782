package register

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// A batch is what one ACCEPT carries: operations of one path, each evaluated on what the one before it leaves behind,
// and the last record, with the idempotency keys of all. The batch is chosen as a whole or not at all. So an answer
// that writes nothing may be in it: what it was evaluated on is what stands when the batch is chosen, and no other
// proposer's record can come between.

// ridersMax bounds the operations of a batch, besides the one that leads it. Lists of idempotency keys have room for as
// many.
const ridersMax = slot.AppliedMax - 1

// draft is a batch while it is made.
type draft struct {
	record  slot.Record // what stands after all that are in it.
	applied []slot.Applied
	top     slot.Timestamp // no version below or at it is made any more.
	// of a batch under a standing ballot: the last of the timestamps that go with the ballot; else zero.
	last slot.Timestamp
}

// stamp is the timestamp of the next version in a batch, if there is one. In a batch under a standing ballot
// the versions are next to the ballot's timestamp, not of today: a rival whose ballot comes between the two could make
// a version below one that a minority already shows.
func (m *Machine) stamp(d *draft) (ts slot.Timestamp, ok bool) {
	if d.last != 0 {
		return d.top + 1, d.top < d.last
	}
	ts, err := m.Stamp(d.top)
	return ts, err == nil
}

// extend puts one operation more into a batch: v is the verdict over j, which is what it finds. A version that it makes
// has the timestamp ts.
func (m *Machine) extend(d *draft, o *operation, v Verdict, j *Joined, ts slot.Timestamp) {
	o.writes = v == VerdictWrite
	d.record = j.Current
	switch v {
	case VerdictRepeat:
		o.result = o.answer(&j.Current)
		d.applied = o.remember(j, o.result.Code, ts)
	case VerdictVoid:
		o.result = o.answer(&slot.Record{})
		d.record = slot.Record{TS: ts, UUID: m.NewUUID(), Origin: m.Self, Tombstone: true}
		d.applied = o.remember(j, o.result.Code, ts)
	case VerdictApplied:
		sent := o.attempt(j)
		o.created = sent.first // an attempt that was not sent since may have seen something else.
		applied := &j.Current
		if applied.UUID != o.UUID {
			applied = &sent.record // a later one of its batch carried it.
		}
		o.result = o.success(applied)
		d.applied = j.Carry(ts)
		o.creationUnknown(j, m.Self)
	case VerdictAppliedBefore:
		o.result = o.repeated(j)
		d.applied = j.Carry(ts)
	case VerdictMissed:
		o.result = declined()
		d.applied = j.Carry(ts)
	case VerdictReused:
		o.result = contract.Response{
			Code: contract.CodeKeyReused, Outcome: contract.OutcomeNotApplied,
			Detail: "another request has used this idempotency key on this path: choose a new key, " +
				"or repeat that one as it was",
		}
		d.applied = j.Carry(ts)
	case VerdictWrite:
		o.wrote = slot.Record{TS: ts, UUID: o.UUID, Origin: m.Self, Tombstone: o.Request.Op == contract.OpDelete}
		if o.Request.Op == contract.OpPut {
			o.wrote.ContentType, o.wrote.Value = o.Request.ContentType, o.Request.Value
			o.wrote.SetTTL(o.Request.TTL)
		}
		o.created = !j.Current.Live()
		o.result = o.success(&o.wrote)
		d.record, d.applied = o.wrote, o.remember(j, o.result.Code, ts)
	}
	d.top = max(d.top, d.record.TS, ts)
}

// attempt is the one that got in, as j shows.
func (o *operation) attempt(j *Joined) attempt {
	if j.Descent == DescentIn {
		return o.attempts[o.in]
	}
	for _, a := range o.attempts {
		if a.record.Version() == j.Current.Version() {
			return a
		}
	}
	return attempt{o.carried, o.first}
}

// creationUnknown corrects the answer to a put that another member has applied: only the condition tells what was
// there.
func (o *operation) creationUnknown(j *Joined, by slot.ID) {
	if o.errand == nil && o.from == nil || o.sentAs(&j.Current, by) || j.Descent == DescentIn ||
		o.Request.Op != contract.OpPut {
		return
	}
	c := &o.Request.Condition
	o.result.Code = contract.CodeOK
	if c.Kind == contract.IfNoneMatch && c.Any {
		o.result.Code = contract.CodeCreated
	}
	o.result.CreationUnknown = c.Kind != contract.IfMatch && !c.Any
}

// repeated is the answer to a write under an idempotency key that was decided before.
func (o *operation) repeated(j *Joined) contract.Response {
	if j.Before.UUID.IsZero() {
		resp := o.refusal(&j.Current)
		resp.Since = true
		resp.Detail = "an earlier attempt under this idempotency key found another version than the condition wants"
		return resp
	}
	return o.success(&slot.Record{
		TS: j.Before.TS, UUID: j.Before.UUID, Tombstone: o.Request.Op == contract.OpDelete,
		ContentType: o.Request.ContentType, Value: o.Request.Value,
	})
}

// gather takes into o's batch what waits behind it on the path. found is what o's PREPARE showed. An operation of the
// member itself goes alone: of a batch only the last record is stored, and the end of a value has to leave its
// tombstone for the collection of tombstones, and for checkers.
func (m *Machine) gather(o *operation, d *draft, found *Joined) {
	if o.internal || schema.IsConfigPath(o.Request.Path) {
		return
	}
	t := m.turns[o.Request.Path]
	stay := t.waiting[:0]
	for _, w := range t.waiting {
		late := m.Now.Mono >= w.deadline && w.First == 0
		if w.internal || late || len(o.riders) == ridersMax || o.seen != 0 && !m.mayGoDirect(w, o.Ballot) ||
			!m.board(w, o.Ballot, d, found) {
			stay = append(stay, w)
			continue
		}
		w.phase, w.lead = phaseRiding, o
		o.riders = append(o.riders, w)
	}
	clear(t.waiting[len(stay):])
	t.waiting = stay
}

// board puts a waiting operation into a batch under ballot b, if it may be in it: then every record that a majority has
// chosen before shows in what was found, or is not chosen at all.
func (m *Machine) board(w *operation, b slot.Ballot, d *draft, found *Joined) bool {
	ts, ok := m.stamp(d)
	if !ok {
		return false
	}
	j := Joined{Current: d.record, Consensus: &slot.Consensus{Ballot: b, Record: d.record, Applied: d.applied}}
	j.Foreign = found.Foreign
	j.Before, j.Key = Applied(j.Consensus, w.Request)
	// sent before, or perhaps taken over: what PREPARE found tells whether it got in.
	if (w.First != 0 || w.Since != 0) && j.Key != KeyKnown {
		f := *found
		f.Descent, _ = m.trace(w, found)
		switch v := w.found(&f, m.Self); {
		case v == VerdictApplied, v == VerdictMissed && w.from != nil:
			kept := *d
			m.extend(d, w, v, &f, ts)
			*d = kept // it stands before all others in the batch.
			return true
		case v == VerdictMissed, v == VerdictUnknown, w.First != 0 && m.mayHaveEnded(w, f.Descent):
			return false // it leads a round of its own.
		}
	}
	fresh := Attempt{Request: w.Request, UUID: w.UUID, Ballot: b, Since: w.Since}
	if w.First != 0 {
		fresh.Since = 0 // found out above.
	}
	v := fresh.Decide(&j)
	if v == VerdictForgotten || v == VerdictDeclined {
		return false
	}
	m.extend(d, w, v, &j, ts)
	return true
}

// sent takes note that voters are about to hear of a batch.
func (m *Machine) sent(o *operation) {
	m.descend(o)
	m.sentOne(o, o.next)
	for _, w := range o.riders {
		m.sentOne(w, o.next)
		m.Counters.RoundsCombined++
	}
}

func (m *Machine) sentOne(o *operation, c *slot.Consensus) {
	if !o.writes {
		return
	}
	o.Carrier, o.carried, o.first = c.Record.Version(), o.wrote, o.created
	if len(o.Sent) <= sentMax {
		o.Sent, o.attempts = append(o.Sent, c.Ballot), append(o.attempts, attempt{o.wrote, o.created})
	}
	if o.First == 0 {
		o.First, o.firstAt = o.wrote.TS, m.Now.Mono
		if o.Since != 0 { // what the other member makes of it, if it takes over, is above this.
			o.First = min(o.First, o.Since)
		}
	}
}

// finishRiders answers those in a batch that was chosen.
func (m *Machine) finishRiders(o *operation, after contract.PersistID) {
	for _, w := range o.riders {
		w.lead = nil
		m.forgetRound(w)
		m.finishRound(w, after, w.result)
	}
	o.riders = nil
}

// dissolve puts those in o's batch back in line, before all others.
func (m *Machine) dissolve(o *operation) {
	if len(o.riders) == 0 {
		return
	}
	for _, w := range o.riders {
		w.phase, w.lead = phaseQueued, nil
	}
	t := m.turns[o.Request.Path]
	t.waiting = slices.Concat(o.riders, t.waiting)
	o.riders = nil
}

// alight takes an operation out of the batch that it is in.
func (o *operation) alight() {
	if o.lead != nil {
		o.lead.riders = slices.DeleteFunc(o.lead.riders, func(w *operation) bool { return w == o })
		o.lead = nil
	}
}
