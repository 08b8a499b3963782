package sim

import (
	"encoding/binary"
	"fmt"

	"kvs/node"
)

// indexPrefix is that of the index in a node's store: four hexadecimal digits, a path, and 24 bytes of version.
const indexPrefix = "h/"

// checkIndex compares what a replica's index says with its records: comparisons of members see nothing but the index. Rot that
// nobody has found yet is no difference, and what was planted in the disk is judged by others.
func (w *world) checkIndex(r *replica) (out []Violation) {
	index := map[string]node.Version{}
	_ = r.disk.store.Scan(indexPrefix, indexPrefix, func(key string, value []byte) bool {
		if len(key) > len(indexPrefix)+4 && len(value) == 24 {
			index[key[len(indexPrefix)+4:]] = node.Version{TS: node.Timestamp(binary.LittleEndian.Uint64(value)), UUID: node.UUID(value[8:])}
		}
		return true
	})
	bad := func(path, format string, args ...any) {
		out = append(out, Violation{Promise: promiseIndex, Node: r.number, Path: path, Detail: fmt.Sprintf(format, args...)})
	}
	records := 0
	_ = r.disk.store.Scan(recordPrefix, recordPrefix, func(key string, value []byte) bool {
		path, _ := cutRecordPrefix(key)
		slot, err := node.DecodeSlot(path, value)
		got, indexed := index[path]
		switch want := slot.Version(); {
		case err != nil:
			if indexed {
				records++
			}
		case !slot.Exists() && indexed:
			bad(path, "the index has version %s, the record none", got.ETag())
		case slot.Exists() && got != want:
			bad(path, "the index has version %s, the record %s", got.ETag(), want.ETag())
		case slot.Exists():
			records++
		}
		return true
	})
	if len(out) == 0 && records != len(index) {
		bad("", "the index has %d entries, of which %d have a record", len(index), records)
	}
	return out
}
