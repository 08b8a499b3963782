package checks

import (
	"encoding/binary"
	"fmt"

	"kvs/node"
	"kvs/node/schema"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// indexCheck checks disks when a process starts on them, and at the end.
type indexCheck struct {
	check
	index map[string]node.Version // by path: memory that is used again.
}

func newIndexCheck(w *world.World) *indexCheck {
	return &indexCheck{check{w, promiseIndex, sim.Events(sim.EventStarting)}, make(map[string]node.Version)}
}

// Observe implements sim.Checker.
func (c *indexCheck) Observe(e *sim.Event) { c.w.Violate(c.compare(c.w.Of(e.Replica))...) }

// Finish implements sim.Checker.
func (c *indexCheck) Finish() {
	for n := 1; n <= c.w.Nodes(); n++ {
		c.w.Violate(c.compare(&c.w.Replicas[n])...)
	}
}

// compare compares a replica's index with its records: comparisons of members use only the index. Undetected rot is no
// difference; other checkers judge faults of the disk.
func (c *indexCheck) compare(r *world.Replica) (out []sim.Violation) {
	index := c.index
	clear(index)
	_ = r.Store().Scan(schema.PrefixIndex, schema.PrefixIndex, func(key string, value []byte) bool {
		if len(key) > len(schema.PrefixIndex)+4 && len(value) == 24 {
			index[key[len(schema.PrefixIndex)+4:]] = node.Version{TS: node.Timestamp(binary.LittleEndian.Uint64(value)),
				UUID: node.UUID(value[8:])}
		}
		return true
	})
	bad := func(path, format string, args ...any) {
		out = append(out, sim.Violation{Promise: promiseIndex, Node: r.Number, Path: path,
			Detail: fmt.Sprintf(format, args...)})
	}
	records := 0
	var slot node.Slot // memory that is used again.
	_ = r.Store().Scan(schema.PrefixRecord, schema.PrefixRecord, func(key string, value []byte) bool {
		path, _ := world.CutRecordPrefix(key)
		err := slot.Decode(path, value)
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
