package tombstones

import (
	"encoding/binary"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

const (
	graceParts = 4    // generations in one grace time; a tombstone waits for one more.
	scanMax    = 1024 // index entries looked at in one step.
)

// The record g/PATH: format u8, generation u32, and a copy of the tombstone, encoded as a slot (slot.Remnant). It means
// that there may be a tombstone under the path, or a mere promise, written in that generation or later. It is written
// with every tombstone and mere promise, and deleted when the collection finds neither. That of a mere promise, and
// that of format 1, ends after the generation. An unreadable record counts as of the present generation.
const (
	indexFormat      = 2
	indexFormatFirst = 1 // without the copy.
	indexBytes       = 5 // before the copy.
)

// List puts a path on the index, in the running step's persist: there may be a tombstone under it, which record has, or
// a mere promise (nil).
func (m *Machine) List(path string, record []byte) {
	m.Changes = append(m.Changes, m.listed(path, record))
}

// Unlist takes a path off the index, in the running step's persist: there is neither a tombstone under it nor a mere
// promise.
func (m *Machine) Unlist(path string) {
	m.Changes = append(m.Changes, contract.Change{Key: schema.PrefixTombstone + path})
}

func (m *Machine) listed(path string, record []byte) contract.Change {
	var kept []byte
	if record != nil {
		kept = slot.Remnant(path, record)
	}
	b := append(make([]byte, 0, indexBytes+len(kept)), indexFormat)
	b = binary.LittleEndian.AppendUint32(b, m.stamps.generation)
	return contract.Change{Key: schema.PrefixTombstone + path, Value: append(b, kept...)}
}

// ReplaceValues replaces the values in what the store has under the key of a path in the index.
func ReplaceValues(path string, value []byte, by slot.Replacer) []byte {
	if len(value) <= indexBytes {
		return value
	}
	return append(value[:indexBytes:indexBytes], slot.ReplaceEncoded(path, value[indexBytes:], by)...)
}

// ripe reports whether an index entry is older than the grace time.
func (m *Machine) ripe(value []byte) bool {
	if len(value) < indexBytes || value[0] != indexFormat && value[0] != indexFormatFirst {
		return false
	}
	born := binary.LittleEndian.Uint32(value[1:indexBytes])
	return born+graceParts+1 <= m.stamps.generation
}

// turnGeneration makes all tombstones older by a part of the grace time. While there are none it writes nothing.
func (m *Machine) turnGeneration() {
	m.turn = m.Now.Mono + m.Tuning.TombstoneGrace/graceParts
	some := false
	err := m.Store.Scan(schema.PrefixTombstone, "", func(string, []byte) bool {
		some = true
		return false
	})
	if some || err != nil {
		m.stamps.generation++
		m.Changes = append(m.Changes, m.stampsChange())
	}
}

// scanIndex returns the ripe paths of the next part of the index, and whether more parts follow.
func (m *Machine) scanIndex() (ripe []string, more bool) {
	seen := 0
	next := ""
	err := m.Store.Scan(schema.PrefixTombstone, schema.PrefixTombstone+m.cursor, func(key string, value []byte) bool {
		path := key[len(schema.PrefixTombstone):]
		if seen == scanMax || len(ripe) == wire.CollectMax {
			next = path
			return false
		}
		seen++
		if m.ripe(value) {
			ripe = append(ripe, path)
		}
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "scan of tombstones failed", "error", err.Error())
	}
	m.cursor = next
	return ripe, next != ""
}
