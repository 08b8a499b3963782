package slot

import (
	"bytes"
	"slices"
)

// Slot is the data of a member for one path: the highest timestamp it knows, every write under exactly that timestamp
// (nearly always one), and which member votes for which of them.
//
// Two writes with equal timestamps and different UUIDs are a conflict. Each member votes once for a timestamp, for the
// first candidate it stored, and never changes that vote: it is sticky. Votes and losing candidates stay in the slot
// and are sent with it, so no member has to be asked and a dead member's vote stays known. Slots merge by union, in any
// order, to the same result; the winner is a function of the slot and the electorate, so members that hold the same
// slot agree.
//
// While there is only one candidate its votes are implicit: a member that holds the slot has voted for it, and so has
// its origin.
//
// The end of a value that expired is not a client's write, and takes part in no conflict: it is below every write with
// its timestamp, and gets no votes. See node/expiry.
type Slot struct {
	TS         Timestamp
	Candidates []Candidate // sorted by UUID.
	Votes      []Vote      // sorted by member; empty while there is one candidate.

	// Consensus is the state of linearizable operations on the path; nil: there were none. Of the two halves, the one
	// with the higher version shows; TS and Candidates may be empty when it is set.
	Consensus *Consensus
}

// Candidate is one write under a slot's timestamp.
type Candidate struct {
	UUID        UUID
	Origin      ID
	Tombstone   bool  // a delete: ContentType and Value are empty.
	Expires     int64 // as Record.Expires; zero: never. A tombstone has none.
	ContentType string
	Value       []byte // read-only, shared.
}

// Vote is a member's vote for the candidate with this UUID.
type Vote struct {
	Member ID
	UUID   UUID
}

// Bounds of a slot. A conflict needs one write of each origin at the same timestamp on the same path, so more than two
// candidates are rare already. Of the candidates whose value is small the eight with the lowest UUIDs stay, of the
// others the one with the lowest: neither choice depends on the order in which members receive them. All values are
// small unless a configuration raises value_bytes_max above its default.
const (
	CandidatesMax      = 8
	VotesMax           = 1024
	smallValueBytesMax = ValueBytesDefault
)

// Exists reports whether s holds a version; the zero Slot does not, and one with only a promise does not either.
func (s *Slot) Exists() bool { return s.TS != 0 || s.Consensus.Accepted() }

// ValueBytes is the length of all values in s together.
func (s *Slot) ValueBytes() int {
	n := 0
	for i := range s.Candidates {
		n += len(s.Candidates[i].Value)
	}
	if s.Consensus != nil {
		n += len(s.Consensus.Record.Value)
	}
	return n
}

// Top is the highest version in either half.
func (s *Slot) Top() Timestamp {
	if s.Consensus.Accepted() {
		return max(s.TS, s.Consensus.Record.TS)
	}
	return s.TS
}

// Reach is the highest timestamp that a member observes with a copy of s: of a version, or of a ballot.
func (s *Slot) Reach() Timestamp {
	if s.Consensus.Accepted() {
		return max(s.Top(), s.Consensus.Ballot.TS)
	}
	return s.TS
}

// ConsensusShows reports whether the consensus half is the visible one: on equality it takes precedence, unless it is
// the end of a value, which a round has found and chosen, and the other half is a write.
func (s *Slot) ConsensusShows() bool {
	if !s.Consensus.Accepted() {
		return false
	}
	c := &s.Consensus.Record
	return c.TS > s.TS || c.TS == s.TS && (!c.IsEnd() || s.ends())
}

// Holds reports whether v is in s, as the value that shows or as a candidate that lost.
func (s *Slot) Holds(v Version) bool {
	if s.Consensus.Accepted() && s.Consensus.Record.Version() == v {
		return true
	}
	_, found := s.Find(v.UUID)
	return s.TS == v.TS && found
}

// Conflict reports whether more than one write claims the timestamp.
func (s *Slot) Conflict() bool { return len(s.Candidates) > 1 }

// Chosen is the candidate that the consensus half shows, if it shows one.
func (s *Slot) Chosen() (i int, found bool) {
	if !s.Consensus.Accepted() || s.Consensus.Record.TS != s.TS {
		return 0, false
	}
	return s.Find(s.Consensus.Record.UUID)
}

// ends reports whether the eventual half is the end of a value.
func (s *Slot) ends() bool { return len(s.Candidates) == 1 && s.Candidates[0].IsEnd() }

// CompareEventual orders two eventual halves: the higher one replaces the other; zero: they are merged. The end of a
// value comes before every write with its timestamp. Of two such ends, of values that were in conflict, the one with
// the lower UUID stays: they show the same.
func CompareEventual(a, b *Slot) int {
	switch x, y := a.ends(), b.ends(); {
	case a.TS != b.TS:
		return CompareID(ID(a.TS), ID(b.TS))
	case x && y:
		return compareUUID(b.Candidates[0].UUID, a.Candidates[0].UUID)
	case x:
		return -1
	case y:
		return 1
	}
	return 0
}

// RecordAt is candidate i as a Record.
func (s *Slot) RecordAt(i int) Record { return s.Candidates[i].record(s.TS) }

func (c *Candidate) record(ts Timestamp) Record {
	return Record{TS: ts, UUID: c.UUID, Origin: c.Origin, Tombstone: c.Tombstone, Expires: c.Expires,
		ContentType: c.ContentType, Value: c.Value}
}

// AsCandidate is r without its timestamp.
func (r *Record) AsCandidate() Candidate {
	return Candidate{UUID: r.UUID, Origin: r.Origin, Tombstone: r.Tombstone, Expires: r.Expires,
		ContentType: r.ContentType, Value: r.Value}
}

// Of is a slot with r as its only candidate.
func Of(r *Record) Slot { return Slot{TS: r.TS, Candidates: []Candidate{r.AsCandidate()}} }

func compareUUID(a, b UUID) int { return bytes.Compare(a[:], b[:]) }

func CompareID(a, b ID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (s *Slot) Find(u UUID) (int, bool) {
	return slices.BinarySearchFunc(s.Candidates, u, func(c Candidate, u UUID) int { return compareUUID(c.UUID, u) })
}

func (s *Slot) VoteOf(member ID) (int, bool) {
	return slices.BinarySearchFunc(s.Votes, member, func(v Vote, id ID) int { return CompareID(v.Member, id) })
}

// AddVote takes in a vote. A member votes once for a timestamp. If two votes of one member appear nevertheless (for
// instance because its disk was copied), every member keeps the one for the lower UUID, so that slots still become
// equal.
func (s *Slot) AddVote(v Vote) bool {
	i, known := s.VoteOf(v.Member)
	switch {
	case known && compareUUID(v.UUID, s.Votes[i].UUID) < 0:
		s.Votes[i].UUID = v.UUID
		return true
	case known || len(s.Votes) == VotesMax:
		return false
	}
	s.Votes = slices.Insert(s.Votes, i, v)
	return true
}

// addCandidate adds a candidate and drops the excess one, which may be the same.
func (s *Slot) addCandidate(c Candidate) bool {
	i, known := s.Find(c.UUID)
	if known {
		return false
	}
	s.Candidates = slices.Insert(s.Candidates, i, c)
	limit := CandidatesMax
	if c.large() {
		limit = 1
	}
	for k := range s.Candidates {
		if s.Candidates[k].large() != c.large() {
			continue
		}
		if limit--; limit < 0 {
			s.Candidates = slices.Delete(s.Candidates, k, k+1)
			return k != i
		}
	}
	return true
}

// Explicit returns a copy of s with explicit votes in place of those that are implicit while there is one candidate.
// holder is the member that holds s.
func (s *Slot) Explicit(holder ID) Slot {
	out := Slot{TS: s.TS, Candidates: slices.Clone(s.Candidates), Votes: slices.Clone(s.Votes)}
	if !s.Conflict() {
		for _, c := range s.Candidates {
			out.AddVote(Vote{c.Origin, c.UUID})
			out.AddVote(Vote{holder, c.UUID})
		}
	}
	return out
}

// Merge is the slot of self after it received `in` from the member from, and whether it differs from ours. Each half is
// merged by itself: a common merge would let a late eventual record break a chosen value.
func Merge(ours, in *Slot, self, from ID, e *Electorate) (out Slot, changed bool) {
	out, changed = mergeEventual(ours, in, self, from, e)
	consensus, late := LateAccept(ours.Consensus, in.Consensus)
	out.Consensus = consensus
	return out, changed || late
}

// mergeEventual merges the eventual halves. If `in` is higher, it replaces ours, and self's vote is cast then, once,
// for the winner as self sees it; if neither is, the two become one; if it is lower, ours stays.
func mergeEventual(ours, in *Slot, self, from ID, e *Electorate) (out Slot, changed bool) {
	switch order := CompareEventual(in, ours); {
	case order < 0 || in.TS == 0:
		return *ours, false
	case order > 0:
		if !in.Conflict() {
			return *in, true
		}
		out = in.Explicit(from)
		if _, voted := out.VoteOf(self); !voted { // otherwise self has lost the slot since: its vote came back with it.
			out.AddVote(Vote{self, out.Candidates[e.Winner(&out).Index].UUID})
		}
		return out, true
	}
	if !ours.Conflict() && !in.Conflict() && ours.Candidates[0].UUID == in.Candidates[0].UUID {
		return *ours, false
	}
	out = ours.Explicit(self)
	changed = !ours.Conflict()
	theirs := in.Explicit(from)
	changed = out.Union(&theirs) || changed
	if !out.Conflict() { // two large candidates: only one was kept.
		out.Votes = nil
		changed = out.Candidates[0].UUID != ours.Candidates[0].UUID
	}
	return out, changed
}

// Union adds the candidates and votes of another slot with the same timestamp.
func (s *Slot) Union(more *Slot) (changed bool) {
	for _, c := range more.Candidates {
		changed = s.addCandidate(c) || changed
	}
	for _, v := range more.Votes {
		changed = s.AddVote(v) || changed
	}
	return changed
}

// Version represents the part of a slot that members have in common, in comparisons of members: the highest timestamp
// in it, and a sum. It is the zero Version for an empty slot.
func (s *Slot) Version() Version {
	if !s.Exists() {
		return Version{}
	}
	return Version{s.Top(), s.Sum()}
}

// Sum distinguishes slots that show the same version. That of a single candidate is its UUID. Slots with an accepted
// record have a sum of their own kind, see BothWays.
func (s *Slot) Sum() UUID {
	if !s.Conflict() && !s.Consensus.Accepted() {
		return s.Candidates[0].UUID
	}
	m := mixer{14695981039346656037, 0x9e3779b97f4a7c15}
	for i := range s.Candidates {
		m.mix(s.Candidates[i].UUID, 1)
	}
	for _, v := range s.Votes {
		m.mix(v.UUID, uint64(v.Member))
	}
	if s.Consensus.Accepted() {
		c := s.Consensus
		m.mix(c.Record.UUID, c.Ballot.Epoch)
		m.mix(UUID{}, uint64(c.Ballot.TS))
		m.mix(UUID{}, uint64(c.Ballot.Member))
		m.mix(UUID{}, uint64(s.TS))
	}
	u := m.sum()
	u[6] &= 0x0f
	if s.Consensus.Accepted() {
		u[6] |= sumOfConsensus
	}
	return u
}

// sumOfConsensus is in the place of a UUID's version, which is never 15.
const sumOfConsensus = 0xf0

// BothWays reports whether of two members that hold a and b each may lack data of the other, so that both have to send:
// each half has an order of its own.
func BothWays(a, b Version) bool {
	return a.TS == b.TS || a.UUID[6]&0xf0 == sumOfConsensus || b.UUID[6]&0xf0 == sumOfConsensus
}

// mixer hashes its input to 128 bits; it does not protect against deliberate collisions.
type mixer struct{ a, b uint64 }

func (m *mixer) mix(u UUID, more uint64) {
	for _, x := range u {
		m.a = (m.a ^ uint64(x)) * 1099511628211
		m.b = (m.b ^ uint64(x)) * 0x100000001b3
		m.b ^= m.b >> 27
	}
	m.a = (m.a ^ more) * 1099511628211
	m.b = (m.b ^ more ^ m.b>>31) * 0xbf58476d1ce4e5b9
}

func (m *mixer) sum() (out UUID) {
	for i := range 8 {
		out[i], out[8+i] = byte(m.a>>(8*i)), byte(m.b>>(8*i))
	}
	return out
}
