package node

import "encoding/binary"

func appendBallot(b []byte, v Ballot) []byte {
	b = binary.LittleEndian.AppendUint64(b, v.Epoch)
	b = binary.LittleEndian.AppendUint64(b, uint64(v.TS))
	return binary.LittleEndian.AppendUint64(b, uint64(v.Member))
}

func (r *wireReader) ballot() Ballot {
	return Ballot{Epoch: r.u64(), TS: Timestamp(r.u64()), Member: ID(r.u64())}
}

// bytes is the encoded size of c, which may be nil.
func (c *Consensus) bytes() int {
	switch {
	case c == nil:
		return 0
	case !c.accepted():
		return consensusBytesMin
	}
	r := c.Record.candidate()
	return consensusBytesMin + ballotBytes + 8 + r.bytes() + 1 + len(c.Applied)*appliedBytes
}

func appendConsensus(b []byte, c *Consensus) []byte {
	var flags byte
	if c.Weak {
		flags |= flagWeak
	}
	if c.Blind {
		flags |= flagBlind
	}
	if !c.accepted() {
		return appendBallot(append(b, flags), c.Promised)
	}
	invariant(c.Record.TS != 0, "an accepted record without a version", "ballot", c.Ballot)
	b = appendBallot(append(b, flags|flagAccepted), c.Promised)
	b = appendBallot(b, c.Ballot)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Record.TS))
	r := c.Record.candidate()
	b = appendCandidate(b, &r)
	invariant(len(c.Applied) <= appliedMax, "too many idempotency keys", "keys", len(c.Applied))
	b = append(b, byte(len(c.Applied)))
	for _, a := range c.Applied {
		b = append(b, a.Key[:]...)
		b = appendVersion(b, a.Version)
	}
	return b
}

func readConsensus(r *wireReader) *Consensus {
	flags := r.u8()
	c := &Consensus{Weak: flags&flagWeak != 0, Blind: flags&flagBlind != 0, Promised: r.ballot()}
	if flags&^(flagWeak|flagBlind|flagAccepted) != 0 {
		r.bad = true
	}
	if flags&flagAccepted != 0 {
		c.Ballot = r.ballot()
		ts := Timestamp(r.u64())
		rec := readCandidate(r)
		c.Record = rec.record(ts)
		for range r.u8() {
			c.Applied = append(c.Applied, Applied{Key: r.uuid(), Version: r.version()})
		}
		r.bad = r.bad || len(c.Applied) > appliedMax
		if ts == 0 || ts == ^Timestamp(0) || c.Ballot.IsZero() || c.Ballot.Compare(c.Promised) > 0 {
			r.bad = true
		}
	}
	return c
}

// Common is the part of a stored slot that all members of a converged cluster have in common: promises are each member's own.
// Nil: nothing. A record that cannot be read comes back as it is.
func Common(path string, record []byte) []byte {
	if !encodedBoth(record) {
		return record
	}
	s, err := DecodeSlot(path, record)
	switch {
	case err != nil:
		return record
	case s.Consensus.accepted():
		s.Consensus = &Consensus{Promised: s.Consensus.Ballot, Ballot: s.Consensus.Ballot, Record: s.Consensus.Record, Applied: s.Consensus.Applied}
	case !s.Exists():
		return nil
	default:
		s.Consensus = nil
	}
	return EncodeSlot(path, &s)
}
