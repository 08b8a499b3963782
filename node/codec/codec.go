// Package codec reads and writes the fields of what a node stores and sends: little-endian integers, counts, and short
// strings, closed by a CRC-32C. It does not know the formats of messages and records. Begin with Reader.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"kvs/node/invariant"
)

// Castagnoli is the table of CRC-32C, the checksum of every envelope and of every stored record.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the checksum of a record that is stored under a name: of the name and of the record, so that a record under a
// wrong name is detected. The name goes through the table by hand: crc32.Update takes bytes, and a copy of the name
// would go to the heap.
func Sum(name string, record []byte) uint32 {
	crc := ^uint32(0)
	for i := range len(name) {
		crc = Castagnoli[byte(crc)^name[i]] ^ crc>>8
	}
	return crc32.Update(^crc, Castagnoli, record)
}

// ErrBadMessage is wrapped by every error of a message that cannot be decoded.
var ErrBadMessage = errors.New("bad message")

// ErrCorrupt is wrapped by every error that means: what was read is not what was written.
var ErrCorrupt = errors.New("stored data is corrupt")

// StringBytesMax bounds what AppendString takes: a path of the largest size, and one byte for the edge of a range
// behind it.
const StringBytesMax = 1024 + 1

// Reader reads fields front to back. After a read beyond the end it has failed, and every further read gives zero
// values, so that decoders check once, with End. Slices that it returns share the memory of what it reads.
type Reader struct {
	b   []byte
	bad bool
}

// Read returns a Reader over b.
func Read(b []byte) *Reader { return &Reader{b: b} }

// Take reads n bytes.
func (r *Reader) Take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// U8 reads one byte.
func (r *Reader) U8() byte {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads an integer of 16 bits.
func (r *Reader) U16() uint16 {
	if b := r.Take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads an integer of 32 bits.
func (r *Reader) U32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads an integer of 64 bits.
func (r *Reader) U64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Bool reads what AppendBool appends; any other byte fails.
func (r *Reader) Bool() bool {
	v := r.U8()
	r.FailIf(v > 1)
	return v == 1
}

// Count reads how many items follow. It fails for more than itemsMax, and for more than fit into what is left, so that
// a short hostile message cannot make the caller allocate much.
func (r *Reader) Count(itemsMax, itemBytesMin int) int {
	n := int(r.U32())
	if n < 0 || n > itemsMax || n*itemBytesMin > len(r.b) {
		r.bad = true
		return 0
	}
	return n
}

// Fail marks the input as invalid.
func (r *Reader) Fail() { r.bad = true }

// FailIf is Fail when bad is true.
func (r *Reader) FailIf(bad bool) { r.bad = r.bad || bad }

// Failed reports whether a read went beyond the end, or Fail was called.
func (r *Reader) Failed() bool { return r.bad }

// Rest is what has not been read yet.
func (r *Reader) Rest() []byte { return r.b }

// Len is the number of bytes that have not been read yet.
func (r *Reader) Len() int { return len(r.b) }

// End returns an error unless everything was read and nothing was missing.
func (r *Reader) End() error {
	if r.bad || len(r.b) != 0 {
		return fmt.Errorf("%w: lengths do not add up", ErrBadMessage)
	}
	return nil
}

// AppendBool appends one byte, 1 for true.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendString appends a length of 16 bits and s.
func AppendString(b []byte, s string) []byte {
	if len(s) > StringBytesMax { // asked here, so that the number does not go to the heap each time.
		invariant.That(false, "a string too long for the wire", "bytes", len(s))
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
