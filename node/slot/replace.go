package slot

import (
	"encoding/binary"
	"hash/crc32"

	"kvs/node/codec"
)

// Replacer gives other bytes for values, and other numbers for hashes, so that a copy of a node's data can be passed on
// without the values. It gives the same for the same each time, and never the same for two that differ. Nothing in the
// core depends on the bytes of a value, so a core decides the same with both: the versions that it compares are
// timestamps and random numbers.
type Replacer interface {
	// Value returns as many bytes as it is given, in other memory.
	Value(value []byte) []byte
	// Hash returns another hash; zero for zero.
	Hash(hash uint64) uint64
}

// Replaceable is what holds values, or hashes of them, in the memory of a node.
type Replaceable interface {
	// ReplaceValues replaces those that are its own, and reports whether its parts may hold more.
	ReplaceValues(by Replacer) (inside bool)
}

// ReplaceValues implements Replaceable.
func (r *Record) ReplaceValues(by Replacer) bool {
	r.Value = replaced(r.Value, by)
	return false
}

// ReplaceValues implements Replaceable.
func (c *Candidate) ReplaceValues(by Replacer) bool {
	c.Value = replaced(c.Value, by)
	return false
}

// ReplaceValues implements Replaceable: of an idempotency key only hashes are kept, and a fingerprint is one of the
// value.
func (a *Applied) ReplaceValues(by Replacer) bool {
	a.Key = ReplaceKey(a.Key, by)
	return false
}

// replaceValues replaces all values in a slot that shares its parts with no other. A Slot is not Replaceable: those in
// the memory of a node may share a Consensus, in which values are replaced once.
func (s *Slot) replaceValues(by Replacer) {
	for i := range s.Candidates {
		s.Candidates[i].ReplaceValues(by)
	}
	if c := s.Consensus; c != nil {
		c.Record.ReplaceValues(by)
		for i := range c.Applied {
			c.Applied[i].ReplaceValues(by)
		}
	}
}

func replaced(value []byte, by Replacer) []byte {
	if len(value) == 0 {
		return value // nil and empty stay what they are.
	}
	return by.Value(value)
}

// ReplaceKey replaces the halves of the key of an Applied, each for itself: a request has the first one alone.
func ReplaceKey(key UUID, by Replacer) (out UUID) {
	for at := 0; at < len(key); at += 8 {
		binary.LittleEndian.PutUint64(out[at:], by.Hash(binary.LittleEndian.Uint64(key[at:])))
	}
	return out
}

// ReplaceEncoded replaces the values in an encoded slot. One that is damaged stays so, and every byte behind its header
// is replaced: it cannot be told which of them were a value.
func ReplaceEncoded(path string, b []byte, by Replacer) []byte {
	if s, err := Decode(path, b); err == nil {
		s.replaceValues(by)
		return Encode(path, &s)
	}
	const kept = HeaderBytes + 1 // with the flags of the first candidate, which EncodedTombstone reads.
	return ReplaceSealed(b, kept, by.Value)
}

// ReplaceSealed replaces what stands behind the first bytes of something that ends in a CRC-32C of everything before,
// and perhaps of more. What was damaged stays damaged, by the same bits: a CRC is linear, so that two of equally long
// texts differ by what their texts differ by, whatever comes before them.
func ReplaceSealed(b []byte, first int, replace func(rest []byte) []byte) []byte {
	if len(b) <= first+4 {
		return b
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	out := append(append(make([]byte, 0, len(b)), b[:first]...), replace(body[first:])...)
	sum ^= crc32.Checksum(body, codec.Castagnoli) ^ crc32.Checksum(out, codec.Castagnoli)
	return binary.LittleEndian.AppendUint32(out, sum)
}
