package register

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
)

// Seen is one voter's answer to PREPARE or a look.
type Seen struct {
	Voter slot.ID
	Slot  slot.Slot
}

// Joined is what a majority's slots amount to.
type Joined struct {
	// What shows: of the consensus half the record with the highest ballot, of the eventual halves the union.
	Current   slot.Record
	Top       slot.Timestamp  // the highest version in any of them; a write has to be above.
	Consensus *slot.Consensus // the one with the highest ballot; nil: there is none.
	Before    slot.Version    // what was written under the operation's idempotency key before,
	Key       KeyUse          // if anything was.
	// at or above all records before Current that are not of this member's own rounds, see forwarded.go.
	Foreign slot.Timestamp
	Settled bool    // current may be answered as it is: see settles.
	Descent Descent // of the record under Consensus, from what the operation has sent: see descent.go.
}

// Descent is what is known about the record that a PREPARE found.
type Descent uint8

const (
	DescentUnknown Descent = iota
	DescentIn              // it has come from the record of the operation's last ACCEPT.
	DescentOut             // it has not come from any of the operation's ACCEPTs.
)

// Join puts the answers of a majority together. They are sorted by voter, so the same answers have the same result.
func Join(answers []Seen, epoch uint64, e *slot.Electorate) Joined {
	all := joinEventual(answers)
	for i := range answers {
		c := answers[i].Slot.Consensus
		if c.Accepted() && (!all.Consensus.Accepted() || c.Ballot.Compare(all.Consensus.Ballot) > 0) {
			all.Consensus = c
		}
	}
	j := Joined{Current: e.Visible(&all), Top: all.Top(), Consensus: all.Consensus}
	j.Settled = settles(answers, &all, epoch)
	return j
}

// joinEventual is the union of the eventual halves, with the votes of the members that answered: each holds its own
// slot, and has voted for what was alone in it. The union casts no vote, because it is not stored.
func joinEventual(answers []Seen) (out slot.Slot) {
	top := &slot.Slot{}
	for i := range answers {
		if s := &answers[i].Slot; slot.CompareEventual(s, top) > 0 {
			top = s
		}
	}
	if top.TS == 0 {
		return out
	}
	out.TS = top.TS
	for i := range answers {
		if s := &answers[i].Slot; slot.CompareEventual(s, top) == 0 {
			theirs := s.Explicit(answers[i].Voter)
			out.Union(&theirs)
		}
	}
	if !out.Conflict() {
		out.Votes = nil
	}
	return out
}

// settles reports whether a majority's answers allow an answer without writing anything: all hold the same accepted
// ballot, none of them weak, it is of this epoch, and no eventual record hides it; or all are empty. Then a majority
// has accepted just that record, and no other can have been chosen since.
func settles(answers []Seen, all *slot.Slot, epoch uint64) bool {
	if !all.Exists() {
		return true
	}
	if !all.ConsensusShows() || all.Consensus.Ballot.Epoch != epoch {
		return false
	}
	return !slices.ContainsFunc(answers, func(a Seen) bool {
		c := a.Slot.Consensus
		return !c.Accepted() || c.Weak || c.Ballot != all.Consensus.Ballot
	})
}

// Verdict is what a round that knows the current value does next.
type Verdict uint8

const (
	VerdictAnswer        Verdict = iota // answer, there is nothing to write.
	VerdictRepeat                       // make what is there chosen once more, then answer.
	VerdictApplied                      // the same: it is what an earlier attempt of this operation wrote.
	VerdictAppliedBefore                // the same: an earlier request with this idempotency key wrote what it wanted.
	VerdictReused                       // the same: another request had this idempotency key.
	// write that there is nothing, so that an earlier attempt that may linger cannot get in.
	VerdictVoid
	VerdictWrite    // make the new value chosen.
	VerdictHigher   // begin anew under a higher ballot: this one is not above what is there.
	VerdictUnknown  // whether an earlier attempt got in cannot be told.
	VerdictDeclined // another member forwarded it, and records are there which may be of that member.
	// make what is there chosen once more, so that what was sent cannot get in: another member may have run it.
	VerdictMissed
	VerdictForgotten // the same: what was decided under idempotency keys then is not known any more.
)

// Attempt is what the decision about an operation rests on, besides what a majority showed.
type Attempt struct {
	Request *contract.Request
	UUID    slot.UUID // of the version it writes, the same in every attempt.
	Ballot  slot.Ballot
	Carrier slot.Version // of the record with which its last ACCEPT was sent: its own, or a later one of its batch.
	// of an operation that another member has forwarded: it makes no version below Floor, and that member may have
	// made records of it above Since. Zero: it is this member's own.
	Floor, Since slot.Timestamp
	First        slot.Timestamp // the timestamp of the first ACCEPT sent; zero: none was, so nothing can have happened.
	Sent         []slot.Ballot  // under which an ACCEPT with it was sent, in order.
	Elsewhere    bool           // another member may have run it: it was forwarded, and what became of that is open.
}

// carriedBy reports whether this record shows that the operation got in: it is its own, of whatever attempt, or the one
// that carried its last ACCEPT. Of another operation's records it has to be that very one: that operation may have been
// sent again, under the same UUID, without this one. By is the member that decides.
func (o *Attempt) carriedBy(r *slot.Record, by slot.ID) bool {
	return r.UUID == o.UUID || o.sentAs(r, by)
}

// sentAs reports whether this is the record with which the last ACCEPT was sent. Another member that runs the same
// operation may have given it the same timestamp, so a version alone does not tell.
func (o *Attempt) sentAs(r *slot.Record, by slot.ID) bool {
	return r.Version() == o.Carrier && r.Origin == by
}

// mayBeElsewhere reports whether j may show what another member has made of the operation.
func (o *Attempt) mayBeElsewhere(j *Joined) bool {
	return o.Elsewhere && j.Current.TS >= o.First || o.Since != 0 && j.Foreign > o.Since
}

// found says what j shows of earlier attempts of an operation, and of those of another member; VerdictWrite: that there
// are none. By is the member that decides.
func (o *Attempt) found(j *Joined, by slot.ID) Verdict {
	if o.First != 0 { // an ACCEPT of this operation was sent before: it may have got in, or may still.
		out := j.Descent == DescentOut || j.Current.TS < o.First
		switch elsewhere := o.mayBeElsewhere(j); {
		case j.Current.Exists() && o.carriedBy(&j.Current, by), j.Descent == DescentIn:
			return VerdictApplied
		case out && elsewhere && j.Current.Exists():
			return VerdictMissed
		case !out, elsewhere:
			return VerdictUnknown
		}
	}
	if o.First == 0 && o.Since != 0 {
		switch {
		case j.Current.Exists() && j.Current.UUID == o.UUID: // the other member has taken it over.
			return VerdictApplied
		case j.Foreign > o.Since:
			return VerdictDeclined
		}
	}
	return VerdictWrite
}

// Decide says what is to be done about an operation whose PREPARE found j.
func (o *Attempt) Decide(j *Joined) Verdict {
	r := o.Request
	if j.Key == KeyKnown {
		return VerdictAppliedBefore
	}
	if v := o.found(j, o.Ballot.Member); v != VerdictWrite {
		return v
	}
	if j.Key == KeyReused {
		return VerdictReused
	}
	if forgotten(r, j) {
		return VerdictForgotten
	}
	idle := r.Op == contract.OpGet || !r.Condition.Holds(&j.Current) || r.Op == contract.OpDelete && !j.Current.Live()
	// An attempt of this very request may have sent an ACCEPT before, here or through another member: if it lingers on
	// a minority, only a higher ballot that a majority accepts keeps it from getting in after this answer.
	lingers := o.First != 0 || !r.Key.IsZero()
	switch {
	case idle && j.Settled && !lingers:
		return VerdictAnswer
	case idle && !j.Current.Exists():
		return VerdictVoid
	case idle:
		return VerdictRepeat
	case o.Ballot.TS <= j.Top:
		return VerdictHigher
	}
	return VerdictWrite
}
