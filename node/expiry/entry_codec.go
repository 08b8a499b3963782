package expiry

import (
	"encoding/binary"
	"kvs/node/codec"
	"kvs/node/slot"
)

// The record x/PATH holds since when this member has had a value that expires. Integers are little-endian.
//
//	0      format version, 1
//	1-8    timestamp of the version, 9-24 its UUID
//	25-32  running time of this member when it came, milliseconds
//	33-40 time to live of the value, milliseconds
//
// An entry of another length or format is dropped: the next write of the path makes a new one. m/uptime is format u8
// and u64 the running time in milliseconds, sealed like its neighbours.
const (
	format     = 1
	entryBytes = 41
)

// entry is one line of the index.
type entry struct {
	path    string
	version slot.Version
	since   uint64
	life    uint64
}

func (e *entry) encode() []byte {
	b := slot.AppendVersion([]byte{format}, e.version)
	b = binary.LittleEndian.AppendUint64(b, e.since)
	return binary.LittleEndian.AppendUint64(b, e.life)
}

func decode(path string, b []byte) (e entry, ok bool) {
	if len(b) != entryBytes || b[0] != format {
		return e, false
	}
	r := codec.Read(b[1:])
	e = entry{path: path, version: slot.ReadVersion(r), since: r.U64(), life: r.U64()}
	return e, r.End() == nil
}
