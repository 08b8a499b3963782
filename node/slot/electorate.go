package slot

import (
	"fmt"
	"slices"
)

// Electorate is the members that decide conflicts: all present and former members, in the order in which they joined.
// It is a value: it never changes.
//
// A conflict is decided by the members of its time: those that had joined when it was written, and were not gone. So a
// decision does not change when a member joins, leaves, dies or is removed afterwards: a gone member keeps its seat and
// its votes in older conflicts, and a newcomer has no seat there. All members learn and keep these facts, so all reach
// the same result. Special cases:
//
//   - A member becomes known late, for instance after a partition: conflicts that were written after it had joined, and
//     decided without it, are decided again.
//   - A member joins with a clock that is behind: it has a seat in conflicts that are younger by its clock, which are
//     decided again, too.
//   - The time at which a member left or was removed is that of the clock of the announcing member; of several the
//     earliest counts.
//   - A full member table drops the members that have been gone for longest, and their seats with them.
type Electorate struct {
	members []ID   // oldest first; without the gone.
	seats   []Seat // oldest first.
	byID    []place
}

// Seat is a member's part in decisions: about versions from Born to Gone.
type Seat struct {
	Member ID
	Born   Timestamp // when it joined, by its own clock.
	Gone   uint64    // when it left or was removed, in milliseconds since the Unix epoch; zero: it has not.
}

// covers reports whether the member has a seat for a version.
func (s *Seat) covers(ts Timestamp) bool {
	return s.Born <= ts && (s.Gone == 0 || ts.Wall() <= int64(s.Gone))
}

type place struct {
	id  ID
	age int // index in seats.
}

// NewElectorate returns the electorate of members with seats for all times, given in the order in which they joined.
func NewElectorate(oldestFirst []ID) *Electorate {
	var seats []Seat
	for _, id := range oldestFirst {
		seats = append(seats, Seat{Member: id})
	}
	return seated(seats)
}

// NewElectorateOf returns the electorate of these seats. The order of joining is that of births, and among equals that
// of the IDs.
func NewElectorateOf(seats []Seat) *Electorate {
	byAge := slices.Clone(seats)
	slices.SortFunc(byAge, func(a, b Seat) int {
		if a.Born != b.Born {
			return CompareID(ID(a.Born), ID(b.Born))
		}
		return CompareID(a.Member, b.Member)
	})
	return seated(byAge)
}

// seated makes an electorate of seats, which are oldest first.
func seated(seats []Seat) *Electorate {
	e := &Electorate{seats: seats}
	for i := range seats {
		e.byID = append(e.byID, place{seats[i].Member, i})
		if seats[i].Gone == 0 {
			e.members = append(e.members, seats[i].Member)
		}
	}
	slices.SortFunc(e.byID, func(a, b place) int { return CompareID(a.id, b.id) })
	return e
}

// Members are those that have not gone, oldest first.
func (e *Electorate) Members() []ID { return slices.Clone(e.members) }

// Oldest is the member that joined first of those that have not gone.
func (e *Electorate) Oldest() ID { return e.members[0] }

// age is the place of a member in the order of joining; unknown members come last.
func (e *Electorate) age(id ID) int {
	i, ok := slices.BinarySearchFunc(e.byID, id, func(p place, id ID) int { return CompareID(p.id, id) })
	if !ok {
		return len(e.seats)
	}
	return e.byID[i].age
}

// Rule is why a candidate won.
type Rule uint8

// The rules, in the order in which they are tried.
const (
	RuleOnly     Rule = iota // there is no other candidate.
	RuleMajority             // it has the votes of more than half of all seats.
	RuleOldest               // no majority: its origin joined first of all origins.

	// takes precedence over all: a linearizable operation has found the conflict and made one candidate its path's
	// value.
	RuleLinearizable
)

var ruleNames = [...]string{"only", "majority", "oldest", "linearizable"}

// String prints the word used in logs and answers.
func (r Rule) String() string { return ruleNames[r] }

// Decision is the decision between a slot's candidates.
type Decision struct {
	Index  int // of the winner in Slot.Candidates.
	Winner UUID
	Rule   Rule
	Votes  int  // for the winner, of voters.
	Voters int  // all seats, also those whose votes are not known.
	Final  bool // no future vote can change the winner.
}

// Winner decides a slot: a candidate with the votes of more than half of all voters (not of those that answered); else
// the one of the oldest origin, in the order of joining; of one origin, or of several unknown ones, the one with the
// lowest origin and UUID. The end of a value, which earlier builds took for a candidate, loses to every write. s holds
// at least one candidate.
func (e *Electorate) Winner(s *Slot) Decision {
	d := Decision{Rule: RuleOldest}
	// votes that may still come: gone members cast none, but a member may hold one that it has not shown yet.
	unknown := 0
	counts := make([]int, len(s.Candidates))
	for i := range e.seats {
		seat := &e.seats[i]
		if !seat.covers(s.TS) {
			continue
		}
		d.Voters++
		k, voted := s.VoteOf(seat.Member)
		if voted {
			k, voted = s.Find(s.Votes[k].UUID)
		}
		switch {
		case voted:
			counts[k]++
		case seat.Gone == 0:
			unknown++
		}
	}
	if !s.Conflict() {
		return Decision{Winner: s.Candidates[0].UUID, Rule: RuleOnly, Votes: 1, Voters: max(1, d.Voters), Final: true}
	}
	best := 0
	for i := range counts {
		if 2*counts[i] > d.Voters && !s.Candidates[i].IsEnd() {
			d.Rule, best = RuleMajority, i
			break
		}
		if e.older(&s.Candidates[i], &s.Candidates[best]) {
			best = i
		}
	}
	d.Index, d.Winner, d.Votes = best, s.Candidates[best].UUID, counts[best]
	d.Final = d.Rule == RuleMajority || unknown == 0
	return d
}

// Decide is Winner for people: if a linearizable operation has made one of the candidates the value of the path, that
// one is the winner, whatever the votes.
func (e *Electorate) Decide(s *Slot) Decision {
	d := e.Winner(s)
	i, found := s.Chosen()
	if !found || !s.Conflict() {
		return d
	}
	if i != d.Index {
		d.Index, d.Winner, d.Votes = i, s.Candidates[i].UUID, 0
		for _, v := range s.Votes {
			if k := e.age(v.Member); v.UUID == d.Winner && k < len(e.seats) && e.seats[k].covers(s.TS) {
				d.Votes++
			}
		}
	}
	d.Rule, d.Final = RuleLinearizable, !s.Consensus.Weak
	return d
}

func (e *Electorate) older(a, b *Candidate) bool {
	if a.IsEnd() != b.IsEnd() {
		return b.IsEnd()
	}
	if x, y := e.age(a.Origin), e.age(b.Origin); x != y {
		return x < y
	}
	if a.Origin != b.Origin {
		return a.Origin < b.Origin
	}
	return compareUUID(a.UUID, b.UUID) < 0
}

// Visible is the version that a slot shows: the half with the higher version, on equality the consensus half; of the
// eventual half its winner. The zero Record for an empty slot.
func (e *Electorate) Visible(s *Slot) Record {
	if s.ConsensusShows() {
		return s.Consensus.Record
	}
	if !s.Exists() {
		return Record{}
	}
	if !s.Conflict() {
		return s.RecordAt(0)
	}
	return s.RecordAt(e.Winner(s).Index)
}

// Reason puts a decision into words.
func (d Decision) Reason() string {
	switch d.Rule {
	case RuleMajority:
		return fmt.Sprintf("%d of %d voters stored it first", d.Votes, d.Voters)
	case RuleOldest:
		return "no candidate has a majority; its origin is the oldest"
	case RuleLinearizable:
		return "a linearizable operation made it the value of the path"
	}
	return "there is no other candidate"
}
