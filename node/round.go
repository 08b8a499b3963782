package node

import "slices"

// This file is the arithmetic of a round: what a majority's answers amount to, and what is to be done about an operation. It
// sends nothing and stores nothing.

// seen is one voter's answer to PREPARE or a look.
type seen struct {
	voter ID
	slot  Slot
}

// joined is what a majority's slots amount to.
type joined struct {
	current   Record     // what shows: of the consensus half the record with the highest ballot, of the eventual halves the union.
	top       Timestamp  // the highest version in any of them; a write has to be above.
	consensus *Consensus // the one with the highest ballot; nil: there is none.
	before    Version    // what was written under the operation's idempotency key before,
	key       keyUse     // if anything was.
	settled   bool       // current may be answered as it is: see settles.
}

// join puts the answers of a majority together. They are sorted by voter, so the same answers have the same result.
func join(answers []seen, epoch uint64, e *Electorate) joined {
	all := joinEventual(answers)
	for i := range answers {
		if c := answers[i].slot.Consensus; c.accepted() && (!all.Consensus.accepted() || c.Ballot.Compare(all.Consensus.Ballot) > 0) {
			all.Consensus = c
		}
	}
	j := joined{current: e.Visible(&all), top: all.Top(), consensus: all.Consensus}
	j.settled = settles(answers, &all, epoch)
	return j
}

// joinEventual is the union of the eventual halves, with the votes of those who answered: each holds its own slot, and has voted for what was alone
// in it. Nobody casts a vote here: the result is stored nowhere.
func joinEventual(answers []seen) (out Slot) {
	top := &Slot{}
	for i := range answers {
		if s := &answers[i].slot; compareEventual(s, top) > 0 {
			top = s
		}
	}
	if top.TS == 0 {
		return out
	}
	out.TS = top.TS
	for i := range answers {
		if s := &answers[i].slot; compareEventual(s, top) == 0 {
			theirs := s.explicit(answers[i].voter)
			out.union(&theirs)
		}
	}
	if !out.Conflict() {
		out.Votes = nil
	}
	return out
}

// settles reports whether a majority's answers allow an answer without writing anything: all hold the same accepted ballot, none
// of them weak, it is of this epoch, and no eventual record hides it; or all are empty. Then a majority has accepted just
// that record, and no other can have been chosen since.
func settles(answers []seen, all *Slot, epoch uint64) bool {
	if !all.Exists() {
		return true
	}
	if !all.consensusShows() || all.Consensus.Ballot.Epoch != epoch {
		return false
	}
	return !slices.ContainsFunc(answers, func(a seen) bool {
		c := a.slot.Consensus
		return !c.accepted() || c.Weak || c.Ballot != all.Consensus.Ballot
	})
}

// verdict is what a round that knows the current value does next.
type verdict uint8

const (
	verdictAnswer        verdict = iota // answer, there is nothing to write.
	verdictRepeat                       // make what is there chosen once more, then answer.
	verdictApplied                      // the same: it is what an earlier attempt of this operation wrote.
	verdictAppliedBefore                // the same: an earlier request with this idempotency key wrote what it wanted.
	verdictReused                       // the same: another request had this idempotency key.
	verdictVoid                         // write that there is nothing, so that an earlier attempt that may linger cannot get in.
	verdictWrite                        // make the new value chosen.
	verdictHigher                       // begin anew under a higher ballot: this one is not above what is there.
	verdictUnknown                      // whether an earlier attempt got in cannot be told.
	verdictForgotten                    // the same: what was decided under idempotency keys then is not known any more.
)

// decide says what is to be done about an operation whose PREPARE found j.
func (o *registerOp) decide(j *joined) verdict {
	r := o.request
	if j.key == keyKnown {
		return verdictAppliedBefore
	}
	if o.first != 0 { // an ACCEPT of this operation was sent before: it may have got in, or may still.
		switch {
		case j.current.Exists() && j.current.UUID == o.uuid:
			return verdictApplied
		case j.current.TS >= o.first:
			return verdictUnknown
		}
	}
	if j.key == keyReused {
		return verdictReused
	}
	if r.forgotten(j) {
		return verdictForgotten
	}
	idle := r.Op == OpGet || !r.Condition.Holds(&j.current) || r.Op == OpDelete && !j.current.Live()
	// An attempt of this very request may have sent an ACCEPT before, here or through another member: if it lingers on a
	// minority, only a higher ballot that a majority accepts keeps it from getting in after this answer.
	lingers := o.first != 0 || !r.Key.IsZero()
	switch {
	case idle && j.settled && !lingers:
		return verdictAnswer
	case idle && !j.current.Exists():
		return verdictVoid
	case idle:
		return verdictRepeat
	case o.ballot.TS <= j.top:
		return verdictHigher
	}
	return verdictWrite
}
