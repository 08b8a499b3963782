package slot

import (
	"encoding/binary"

	"kvs/node/codec"
	"kvs/node/invariant"
)

// bytes is the encoded size of c, which may be nil.
func (c *Consensus) bytes() int {
	switch {
	case c == nil:
		return 0
	case !c.Accepted():
		return consensusBytesMin
	}
	r := c.Record.AsCandidate()
	return consensusBytesMin + BallotBytes + 8 + r.bytes() + 1 + len(c.Applied)*AppliedBytes
}

func appendConsensus(b []byte, c *Consensus) []byte {
	var flags byte
	if c.Weak {
		flags |= flagWeak
	}
	if c.Blind {
		flags |= flagBlind
	}
	if !c.Accepted() {
		return AppendBallot(append(b, flags), c.Promised)
	}
	if c.Record.TS == 0 { // asked here, so that the ballot does not go to the heap each time.
		invariant.That(false, "an accepted record without a version", "ballot", c.Ballot)
	}
	b = AppendBallot(append(b, flags|flagAccepted), c.Promised)
	b = AppendBallot(b, c.Ballot)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Record.TS))
	r := c.Record.AsCandidate()
	b = appendCandidate(b, &r)
	if len(c.Applied) > AppliedMax {
		invariant.That(false, "too many idempotency keys", "keys", len(c.Applied))
	}
	b = append(b, byte(len(c.Applied)))
	for _, a := range c.Applied {
		b = append(b, a.Key[:]...)
		b = AppendVersion(b, a.Version)
	}
	return b
}

func readConsensus(r *codec.Reader) *Consensus {
	flags := r.U8()
	c := &Consensus{Weak: flags&flagWeak != 0, Blind: flags&flagBlind != 0, Promised: ReadBallot(r)}
	if flags&^(flagWeak|flagBlind|flagAccepted) != 0 {
		r.Fail()
	}
	if flags&flagAccepted != 0 {
		c.Ballot = ReadBallot(r)
		ts := ReadTimestamp(r)
		rec := readCandidate(r)
		c.Record = rec.record(ts)
		for range r.U8() {
			c.Applied = append(c.Applied, Applied{Key: ReadUUID(r), Version: ReadVersion(r)})
		}
		r.FailIf(len(c.Applied) > AppliedMax)
		if ts == 0 || c.Ballot.IsZero() || c.Ballot.Compare(c.Promised) > 0 {
			r.Fail()
		}
	}
	return c
}

// Common is the part of a stored slot that all members of a converged cluster have in common: promises are each
// member's own. Nil: there is none. An unreadable record is returned as it is.
func Common(path string, record []byte) []byte {
	if !EncodedBoth(record) {
		return record
	}
	s, err := Decode(path, record)
	switch {
	case err != nil:
		return record
	case s.Consensus.Accepted():
		s.Consensus = &Consensus{Promised: s.Consensus.Ballot, Ballot: s.Consensus.Ballot, Record: s.Consensus.Record,
			Applied: s.Consensus.Applied}
	case !s.Exists():
		return nil
	default:
		s.Consensus = nil
	}
	return Encode(path, &s)
}
