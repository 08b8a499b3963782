package slot

import "slices"

// Stored is a slot to be written to disk: its encoding, and the data for the indexes. The data is computed once, from
// the slot in memory, so that no machine has to decode the encoding again.
type Stored struct {
	Record    []byte  // encoded under its path. The persist owns it.
	Version   Version // see Slot.Version.
	Tombstone bool    // one of the versions is a tombstone.

	// Of the visible value, if it expires: its version, and its time to live in milliseconds. Otherwise zero.
	Expiring Version
	Life     uint64
}

// Store encodes s under path. The electorate decides which version shows, and may be nil where no version expires.
func Store(path string, s *Slot, e *Electorate) Stored { return StoredAs(Encode(path, s), s, e) }

// StoredAs is Store for a slot whose encoding is at hand: record is what Encode would return.
func StoredAs(record []byte, s *Slot, e *Electorate) Stored {
	out := Stored{Record: record, Version: s.Version(), Tombstone: s.hasTombstone()}
	if s.expires() {
		if rec := e.Visible(s); rec.Live() && rec.Expires != 0 {
			out.Expiring, out.Life = rec.Version(), rec.Life()
		}
	}
	return out
}

// hasTombstone reports whether one of the versions in s is a tombstone.
func (s *Slot) hasTombstone() bool {
	return s.Consensus.Accepted() && s.Consensus.Record.Tombstone ||
		slices.ContainsFunc(s.Candidates, func(c Candidate) bool { return c.Tombstone })
}

// Remnant is what the list of tombstones keeps of an intact slot with a tombstone, encoded: the tombstones in it,
// without the live versions beside them and without what is the member's own. Nil: there is none in it. A conflict is
// kept whole, or not at all: a candidate alone would be a vote for it.
func Remnant(path string, record []byte) []byte {
	s, err := DecodeOwn(path, record)
	switch {
	case err != nil || !s.hasTombstone():
		return nil
	case s.Consensus == nil && !s.Conflict():
		return record // it has nothing else.
	}
	values := 0
	for i := range s.Candidates {
		values += len(s.Candidates[i].Value)
	}
	if values > remnantBytesMax || !slices.ContainsFunc(s.Candidates, func(c Candidate) bool { return c.Tombstone }) {
		s.TS, s.Candidates, s.Votes = 0, nil, nil
	}
	if c := s.Consensus; c.Accepted() && c.Record.Tombstone {
		s.Consensus = &Consensus{Promised: c.Ballot, Ballot: c.Ballot, Record: c.Record, Applied: c.Applied}
	} else {
		s.Consensus = nil
	}
	if s.TS == 0 && s.Consensus == nil {
		return nil
	}
	return Encode(path, &s)
}

// remnantBytesMax bounds the values of a conflict that is kept.
const remnantBytesMax = 1 << 10

// expires reports whether one of the versions in s expires.
func (s *Slot) expires() bool {
	return s.Consensus.Accepted() && s.Consensus.Record.Expires != 0 ||
		slices.ContainsFunc(s.Candidates, func(c Candidate) bool { return c.Expires != 0 })
}
