package slot

import (
	"encoding/binary"
	"fmt"
	"slices"

	"kvs/node/codec"
	"kvs/node/invariant"
)

// A stored slot, format 1 or 2. Integers are little-endian.
//
//	0      format version: 1; 2 when there is a consensus half
//	1-8    timestamp; 0 when there are no candidates
//	9      number of candidates, 1 to CandidatesMax+1; in format 2 also 0
//	10-11  number of votes; 0 while there is one candidate
//	       each candidate: flags u8 (bit 0 tombstone, bit 1 expires), uuid, origin u64, content type length u16, value
//	       length u32, with bit 1 the wall time in milliseconds at which it expires u64, content type, value
//	       each vote: member u64, uuid
//	       format 2 only: flags u8 (bit 0 weak, bit 1 blind, bit 2 an accepted record), promised ballot, and if there
//	       is one, the ballot of the accepted record, its version u64, the record as a candidate, and the writes
//	       applied under idempotency keys: count u8, {key 16 bytes, version}
//	last 4 CRC-32C over the path and everything before
//
// A ballot is epoch u64, timestamp u64, member u64. Candidates are sorted by UUID and votes by member, so a slot has
// one encoding. The checksum covers the path, so that a slot under a wrong path is detected. An unknown format is
// corrupt: formats only change together with code that still reads the old ones.
const (
	Format            = 1
	FormatBoth        = 2
	flagWeak          = 1
	flagBlind         = 2
	flagAccepted      = 4
	BallotBytes       = 24
	AppliedBytes      = 16 + 24
	consensusBytesMin = 1 + BallotBytes
	HeaderBytes       = 12
	candidateOverhead = 1 + 16 + 8 + 2 + 4
	voteBytes         = 8 + 16
	BytesMin          = HeaderBytes + consensusBytesMin + 4
	flagTombstone     = 1
	flagExpires       = 2
	expiresBytes      = 8
)

// RecordBytesMax bounds an encoded slot: its small candidates, its large one, its votes, and its consensus half.
const RecordBytesMax = HeaderBytes +
	CandidatesMax*(candidateOverhead+expiresBytes+ContentTypeBytesMax+smallValueBytesMax) +
	2*(candidateOverhead+expiresBytes+ContentTypeBytesMax+ValueBytesHardMax) + VotesMax*voteBytes + consensusBytesMin +
	BallotBytes + 8 + 1 + AppliedMax*AppliedBytes + 4

func (c *Candidate) bytes() int {
	size := candidateOverhead + len(c.ContentType) + len(c.Value)
	if c.Expires != 0 {
		size += expiresBytes
	}
	return size
}

func (c *Candidate) large() bool { return len(c.Value) > smallValueBytesMax }

// Encode returns s as it is stored and sent under path.
func Encode(path string, s *Slot) []byte {
	size := HeaderBytes + len(s.Votes)*voteBytes + s.Consensus.bytes() + 4
	for i := range s.Candidates {
		size += s.Candidates[i].bytes()
	}
	if possible := (s.TS != 0) == (len(s.Candidates) >= 1) && (s.TS != 0 || s.Consensus != nil) &&
		len(s.Candidates) <= CandidatesMax+1 && size <= RecordBytesMax &&
		s.Conflict() == (len(s.Votes) > 0); !possible {
		// asked here, so that the values do not go to the heap each time.
		invariant.That(false, "encoding an impossible slot", "path", path, "ts", s.TS, "candidates", len(s.Candidates),
			"votes", len(s.Votes), "bytes", size)
	}
	b := make([]byte, 0, size)
	format := byte(Format)
	if s.Consensus != nil {
		format = FormatBoth
	}
	b = append(b, format)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.TS))
	b = append(b, byte(len(s.Candidates)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.Votes)))
	for i := range s.Candidates {
		b = appendCandidate(b, &s.Candidates[i])
	}
	for _, v := range s.Votes {
		b = binary.LittleEndian.AppendUint64(b, uint64(v.Member))
		b = append(b, v.UUID[:]...)
	}
	if s.Consensus != nil {
		b = appendConsensus(b, s.Consensus)
	}
	return binary.LittleEndian.AppendUint32(b, codec.Sum(path, b))
}

func appendCandidate(b []byte, c *Candidate) []byte {
	if len(c.ContentType) > ContentTypeBytesMax || len(c.Value) > ValueBytesHardMax || c.Expires < 0 ||
		c.Tombstone && c.Expires != 0 {
		invariant.That(false, "a candidate over its limits", "bytes", len(c.Value), "expires", c.Expires)
	}
	var flags byte
	if c.Tombstone {
		flags = flagTombstone
	}
	if c.Expires != 0 {
		flags |= flagExpires
	}
	b = append(b, flags)
	b = append(b, c.UUID[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Origin))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(c.ContentType)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Value)))
	if c.Expires != 0 {
		b = binary.LittleEndian.AppendUint64(b, uint64(c.Expires))
	}
	b = append(b, c.ContentType...)
	return append(b, c.Value...)
}

// Decode reads what Encode wrote under path. The slot shares b's memory. Errors wrap codec.ErrCorrupt.
func Decode(path string, b []byte) (Slot, error) {
	return decodeNew(path, b, true)
}

// DecodeOwn is Decode of a record that this process has encoded itself and kept in memory: its checksum is not checked.
func DecodeOwn(path string, b []byte) (Slot, error) { return decodeNew(path, b, false) }

func decodeNew(path string, b []byte, check bool) (Slot, error) {
	var s Slot
	if err := s.decode(path, b, check); err != nil {
		return Slot{}, err
	}
	return s, nil
}

// Decode is Decode into a slot that has been used before, for loops over many: the memory of its candidates and votes
// is reused, so callers must not keep them. After an error s is the zero slot, except for that memory.
func (s *Slot) Decode(path string, b []byte) error { return s.decodeAgain(path, b, true) }

// DecodeOwn is Decode as the function of that name is.
func (s *Slot) DecodeOwn(path string, b []byte) error { return s.decodeAgain(path, b, false) }

func (s *Slot) decodeAgain(path string, b []byte, check bool) error {
	s.Clear()
	err := s.decode(path, b, check)
	if err != nil {
		s.Clear()
	}
	return err
}

// Clear empties s and keeps its memory.
func (s *Slot) Clear() { *s = Slot{Candidates: s.Candidates[:0], Votes: s.Votes[:0]} }

func (s *Slot) decode(path string, b []byte, check bool) error {
	bad := func(what string) error {
		return fmt.Errorf("record %q: %s: %w", path, what, codec.ErrCorrupt)
	}
	if len(b) < BytesMin || len(b) > RecordBytesMax {
		return bad(fmt.Sprintf("%d bytes, which no record has", len(b)))
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	switch {
	case check && codec.Sum(path, body) != sum:
		return bad("checksum does not match")
	case body[0] != Format && body[0] != FormatBoth:
		return bad(fmt.Sprintf("format %d is unknown to this version of kvs", body[0]))
	}
	if s.decodePlain(body) {
		return nil
	}
	if wrong := s.decodeAny(body); wrong != "" {
		return bad(wrong)
	}
	return nil
}

// InConflict reports whether an intact slot has several candidates, without decoding it.
func InConflict(b []byte) bool { return len(b) >= BytesMin && b[9] > 1 }

// decodePlain decodes what nearly all slots are: one candidate that does not expire, and no consensus half. It reports
// false, and leaves s as it was, for everything else, which includes whatever is wrong.
func (s *Slot) decodePlain(body []byte) bool {
	if len(body) < HeaderBytes+candidateOverhead || body[0] != Format ||
		body[9] != 1 || body[10] != 0 || body[11] != 0 {
		return false
	}
	ts, c := Timestamp(binary.LittleEndian.Uint64(body[1:])), body[HeaderBytes:]
	flags, ctLen, valLen := c[0], int(binary.LittleEndian.Uint16(c[25:])), int(binary.LittleEndian.Uint32(c[27:]))
	rest := c[candidateOverhead:]
	if ts == 0 || ts.Absurd() || flags&^flagTombstone != 0 || ctLen > ContentTypeBytesMax ||
		valLen > ValueBytesHardMax || ctLen+valLen != len(rest) || flags != 0 && len(rest) > 0 {
		return false
	}
	s.TS = ts
	if s.Candidates == nil {
		s.Candidates = make([]Candidate, 0, 1)
	}
	s.Candidates = append(s.Candidates, Candidate{UUID: UUID(c[1:17]), Origin: ID(binary.LittleEndian.Uint64(c[17:])),
		Tombstone: flags != 0, ContentType: contentType(rest[:ctLen])})
	if valLen > 0 {
		s.Candidates[0].Value = rest[ctLen:len(rest):len(rest)]
	}
	return true
}

// decodeAny decodes the body of any slot whose format is known. It returns what is wrong; empty: nothing is.
func (s *Slot) decodeAny(body []byte) (wrong string) {
	r := codec.Read(body[1:])
	s.TS = ReadTimestamp(r)
	candidates, votes := int(r.U8()), int(r.U16())
	both := body[0] == FormatBoth
	if (candidates < 1) != (s.TS == 0) || candidates < 1 && !both || candidates > CandidatesMax+1 || votes > VotesMax ||
		(candidates > 1) != (votes > 0) || s.TS.Absurd() {
		return "impossible content"
	}
	if candidates > cap(s.Candidates) {
		s.Candidates = make([]Candidate, 0, candidates)
	}
	for range candidates {
		c := readCandidate(r)
		if k := len(s.Candidates); k > 0 && compareUUID(s.Candidates[k-1].UUID, c.UUID) >= 0 {
			r.Fail()
		}
		s.Candidates = append(s.Candidates, c)
	}
	for range votes {
		v := Vote{Member: ID(r.U64()), UUID: ReadUUID(r)}
		if k := len(s.Votes); k > 0 && s.Votes[k-1].Member >= v.Member {
			r.Fail()
		}
		s.Votes = append(s.Votes, v)
	}
	if both {
		s.Consensus = readConsensus(r)
	}
	if r.End() != nil {
		return "lengths do not add up"
	}
	return ""
}

func readCandidate(r *codec.Reader) Candidate {
	flags := r.U8()
	c := Candidate{UUID: ReadUUID(r), Origin: ID(r.U64()), Tombstone: flags&flagTombstone != 0}
	ctLen, valLen := int(r.U16()), int(r.U32())
	if flags&flagExpires != 0 {
		c.Expires = int64(r.U64())
		r.FailIf(c.Expires <= 0 || c.Tombstone)
	}
	if flags&^(flagTombstone|flagExpires) != 0 || ctLen > ContentTypeBytesMax || valLen > ValueBytesHardMax ||
		(c.Tombstone && ctLen+valLen > 0) {
		r.Fail()
	}
	c.ContentType = contentType(r.Take(ctLen))
	if valLen > 0 {
		c.Value = slices.Clip(r.Take(valLen))
	}
	return c
}

// contentType is string(b), without a copy for the most frequent types.
func contentType(b []byte) string {
	switch string(b) {
	case "application/octet-stream":
		return "application/octet-stream"
	case "application/json":
		return "application/json"
	case "text/plain":
		return "text/plain"
	case "text/plain; charset=utf-8":
		return "text/plain; charset=utf-8"
	}
	return string(b)
}

// EncodedTimestamp reads only the timestamp of an encoded slot, without checking its sum.
func EncodedTimestamp(b []byte) Timestamp {
	if len(b) < BytesMin {
		return 0
	}
	return Timestamp(binary.LittleEndian.Uint64(b[1:]))
}

// EncodedTombstone reports whether one of the versions in an encoded slot is a tombstone.
func EncodedTombstone(path string, b []byte) bool {
	if len(b) > HeaderBytes && b[0] == Format && b[9] == 1 {
		return b[HeaderBytes]&flagTombstone != 0
	}
	s, err := Decode(path, b)
	return err == nil && s.hasTombstone()
}

// EncodedBoth reports whether an encoded slot has a consensus half.
func EncodedBoth(b []byte) bool { return len(b) > 0 && b[0] == FormatBoth }
