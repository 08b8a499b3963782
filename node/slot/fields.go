package slot

import (
	"encoding/binary"

	"kvs/node/codec"
)

// ReadPath reads a path that CheckPath accepts.
func ReadPath(r *codec.Reader) string {
	p := string(r.Take(int(r.U16())))
	if !r.Failed() && CheckPath(p) != nil {
		r.Fail()
	}
	return p
}

// ReadBound reads an edge of a key range. Unlike a path it need not be a valid one.
func ReadBound(r *codec.Reader) string {
	n := int(r.U16())
	if n > PathBytesMax+1 {
		r.Fail()
	}
	return string(r.Take(n))
}

// ReadTimestamp reads a timestamp, zero included. A timestamp that no clock can have issued fails the reader: every
// message and every stored record is read by this function, so all members refuse the same.
func ReadTimestamp(r *codec.Reader) Timestamp {
	ts := Timestamp(r.U64())
	r.FailIf(ts.Absurd())
	return ts
}

// ReadVersion reads what AppendVersion wrote.
func ReadVersion(r *codec.Reader) Version {
	return Version{TS: ReadTimestamp(r), UUID: ReadUUID(r)}
}

func ReadUUID(r *codec.Reader) UUID {
	if b := r.Take(len(UUID{})); b != nil {
		return UUID(b)
	}
	return UUID{}
}

// VersionBytes is what AppendVersion appends.
const VersionBytes = 8 + 16

// AppendVersion appends a timestamp and a UUID: 24 bytes.
func AppendVersion(b []byte, v Version) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(v.TS))
	return append(b, v.UUID[:]...)
}

// AppendBallot appends epoch, timestamp and member: 24 bytes.
func AppendBallot(b []byte, v Ballot) []byte {
	b = binary.LittleEndian.AppendUint64(b, v.Epoch)
	b = binary.LittleEndian.AppendUint64(b, uint64(v.TS))
	return binary.LittleEndian.AppendUint64(b, uint64(v.Member))
}

// ReadBallot reads what AppendBallot wrote.
func ReadBallot(r *codec.Reader) Ballot {
	return Ballot{Epoch: r.U64(), TS: ReadTimestamp(r), Member: ID(r.U64())}
}
