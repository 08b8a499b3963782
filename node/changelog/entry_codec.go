package changelog

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"kvs/node/codec"
	"kvs/node/schema"
)

// The entry of the ring under w/NUMBER, the place in the ring as eight hexadecimal digits, has the paths that one
// persist changed. Integers are little-endian.
//
//	0      format version, 1
//	1-8    the log that it belongs to
//	9-16   position of its first path
//	17-20  how many paths, each a length u16 and its bytes
//	       CRC-32C over the key and everything before
//
// m/changes names the log, the last run that wrote to it, and the size of the ring. An entry that cannot
// be read ends the log at the next start: watchers get a snapshot.
const format = 1

// pathsMax bounds what a decoder makes room for: one step of a node changes fewer.
const pathsMax = 1 << 20

// pathBytesMin are the bytes of the shortest path.
const pathBytesMin = 3

func key(number uint32) string { return fmt.Sprintf("%s%08x", schema.PrefixChange, number) }

// numberOf is the place of a key of the ring.
func numberOf(key string) (uint32, bool) {
	digits := key[min(len(schema.PrefixChange), len(key)):]
	n, err := strconv.ParseUint(digits, 16, 32)
	return uint32(n), err == nil && len(digits) == 8
}

func encode(number uint32, log, first uint64, paths []string) []byte {
	n := 1 + 8 + 8 + 4 + 4
	for _, p := range paths {
		n += 2 + len(p)
	}
	b := append(make([]byte, 0, n), format)
	b = binary.LittleEndian.AppendUint64(b, log)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(paths)))
	for _, p := range paths {
		b = codec.AppendString(b, p)
	}
	return schema.Seal(key(number), b)
}

// decoded is an entry as it is read back.
type decoded struct {
	number     uint32
	log, first uint64
	paths      []string
	bytes      int
}

func decode(key string, b []byte) (d decoded, ok bool) {
	number, ok := numberOf(key)
	if !ok {
		return d, false
	}
	r, err := schema.Open(key, b)
	if err != nil {
		return d, false
	}
	d = decoded{number: number, log: r.U64(), first: r.U64(), bytes: len(b)}
	for range r.Count(pathsMax, pathBytesMin) {
		d.paths = append(d.paths, string(r.Take(int(r.U16()))))
	}
	return d, r.End() == nil && d.first > 0
}
