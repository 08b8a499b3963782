package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A record: see the package comment.
const (
	recordHeaderBytes = 4 + 4 + 8 + 8 + 8
	recordAlign       = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a record that was read, or its header.
type record struct {
	segment uint64
	seq     uint64
	synced  uint64
	content []byte
}

// sumOf is the initial value of the checksums of a journal's records. Without the identity, which is random and never
// leaves the folder, a client cannot make a value that looks like a record.
func sumOf(identity Identity) uint32 { return crc32.Checksum(identity[:], castagnoli) }

// aligned is where the next record begins after one that ends at n.
func aligned(n int64) int64 { return (n + recordAlign - 1) / recordAlign * recordAlign }

// beginRecord makes room for the header in b, which is empty.
func beginRecord(b []byte) []byte { return append(b, make([]byte, recordHeaderBytes)...) }

// endRecord fills in the header of a record that beginRecord has begun, and pads it.
func endRecord(b []byte, sum uint32, r record) []byte {
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-recordHeaderBytes))
	binary.LittleEndian.PutUint64(b[8:], r.segment)
	binary.LittleEndian.PutUint64(b[16:], r.seq)
	binary.LittleEndian.PutUint64(b[24:], r.synced)
	binary.LittleEndian.PutUint32(b, crc32.Update(sum, castagnoli, b[4:]))
	var padding [recordAlign]byte
	return append(b, padding[:aligned(int64(len(b)))-int64(len(b))]...)
}

// readRecord reads the record of a segment that begins at b. end is where the next one begins; zero: b does not begin
// with a record.
func readRecord(b []byte, sum uint32, segment uint64) (r record, end int64) {
	if len(b) < recordHeaderBytes || binary.LittleEndian.Uint64(b[8:]) != segment {
		return r, 0
	}
	length := int64(binary.LittleEndian.Uint32(b[4:]))
	if length > int64(len(b)-recordHeaderBytes) {
		return r, 0
	}
	whole := b[:recordHeaderBytes+length]
	if crc32.Update(sum, castagnoli, whole[4:]) != binary.LittleEndian.Uint32(whole) {
		return r, 0
	}
	return record{
		segment: segment,
		seq:     binary.LittleEndian.Uint64(b[16:]),
		synced:  binary.LittleEndian.Uint64(b[24:]),
		content: whole[recordHeaderBytes:len(whole):len(whole)],
	}, aligned(int64(len(whole)))
}
