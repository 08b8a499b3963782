package node

import (
	"fmt"
	"slices"
)

// Electorate is who decides conflicts: all members, in the order in which they joined. It is a value: it never changes.
type Electorate struct {
	members []ID // oldest first.
	byID    []seat
}

type seat struct {
	id  ID
	age int // index in members.
}

// NewElectorate returns the electorate of these members, given in the order in which they joined.
func NewElectorate(oldestFirst []ID) *Electorate {
	e := &Electorate{members: slices.Clone(oldestFirst)}
	for i, id := range e.members {
		e.byID = append(e.byID, seat{id, i})
	}
	slices.SortFunc(e.byID, func(a, b seat) int { return compareID(a.id, b.id) })
	return e
}

// Members are the voters, oldest first.
func (e *Electorate) Members() []ID { return slices.Clone(e.members) }

// age is the place of a member in the order of joining; strangers come behind all.
func (e *Electorate) age(id ID) int {
	i, ok := slices.BinarySearchFunc(e.byID, id, func(s seat, id ID) int { return compareID(s.id, id) })
	if !ok {
		return len(e.members)
	}
	return e.byID[i].age
}

// Rule is why a candidate won.
type Rule uint8

// The rules, in the order in which they are tried.
const (
	RuleOnly     Rule = iota // there is no other candidate.
	RuleMajority             // it has the votes of more than half of all voters.
	RuleOldest               // no majority: of all origins its own joined first.
)

var ruleNames = [...]string{"only", "majority", "oldest"}

// String prints the word used in logs and answers.
func (r Rule) String() string { return ruleNames[r] }

// Decision is how a slot's candidates stand.
type Decision struct {
	index  int // of the winner in Slot.Candidates.
	Winner UUID
	Rule   Rule
	Votes  int  // for the winner, of voters.
	Voters int  // all of them, also those whose votes are not known.
	Final  bool // no vote that is still unknown can change the winner.
}

// Winner decides a slot: a candidate with the votes of more than half of all voters (not of those who answered); else the
// one of the oldest origin, in the order of joining; of one origin, or of several that nobody knows, the one with the lowest
// origin and UUID. The end of a value, which earlier builds took for a candidate, loses to every write. s holds at least one candidate.
func (e *Electorate) Winner(s *Slot) Decision {
	if !s.Conflict() {
		return Decision{Winner: s.Candidates[0].UUID, Rule: RuleOnly, Votes: 1, Voters: max(1, len(e.members)), Final: true}
	}
	counts := make([]int, len(s.Candidates))
	known := 0
	for _, v := range s.Votes {
		if i, ok := s.find(v.UUID); ok && e.age(v.Member) < len(e.members) {
			counts[i]++
			known++
		}
	}
	d := Decision{Voters: len(e.members), Rule: RuleOldest}
	best := 0
	for i := range counts {
		if 2*counts[i] > d.Voters && !s.Candidates[i].isEnding() {
			d.Rule, best = RuleMajority, i
			break
		}
		if e.older(&s.Candidates[i], &s.Candidates[best]) {
			best = i
		}
	}
	d.index, d.Winner, d.Votes = best, s.Candidates[best].UUID, counts[best]
	d.Final = d.Rule == RuleMajority || known == d.Voters
	return d
}

func (e *Electorate) older(a, b *Candidate) bool {
	if a.isEnding() != b.isEnding() {
		return b.isEnding()
	}
	if x, y := e.age(a.Origin), e.age(b.Origin); x != y {
		return x < y
	}
	if a.Origin != b.Origin {
		return a.Origin < b.Origin
	}
	return compareUUID(a.UUID, b.UUID) < 0
}

// Visible is what a slot shows: the half with the higher version, on equality the consensus half; of the eventual half its
// winner. The zero Record for an empty slot.
func (e *Electorate) Visible(s *Slot) Record {
	if s.consensusShows() {
		return s.Consensus.Record
	}
	if !s.Exists() {
		return Record{}
	}
	if !s.Conflict() {
		return s.record(0)
	}
	return s.record(e.Winner(s).index)
}

// Reason puts a decision into words.
func (d Decision) Reason() string {
	switch d.Rule {
	case RuleMajority:
		return fmt.Sprintf("%d of %d voters stored it first", d.Votes, d.Voters)
	case RuleOldest:
		return "no candidate has a majority; its origin is the oldest"
	}
	return "there is no other candidate"
}
