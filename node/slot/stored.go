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

// expires reports whether one of the versions in s expires.
func (s *Slot) expires() bool {
	return s.Consensus.Accepted() && s.Consensus.Record.Expires != 0 ||
		slices.ContainsFunc(s.Candidates, func(c Candidate) bool { return c.Expires != 0 })
}
