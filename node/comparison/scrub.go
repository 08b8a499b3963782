package comparison

import (
	"errors"
	"kvs/node/contract"
	"kvs/node/merkle"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"strings"
	"time"
)

// scrub walks through records and index from time to time and compares them: so it finds rot in records that no client
// reads, and corrects wrong entries of the index.
type scrub struct {
	next    time.Duration
	record  string   // the next path to look at; empty: from the beginning.
	entry   string   // the next index key.
	entries bool     // whose turn it is.
	keys    []string `image:"-"` // of a part, in whole: memory that is used again.
	// for each of keys the other key of its path: the entry's for a record, the record's for an entry.
	pairs []string `image:"-"`
}

const (
	scrubInterval = time.Second
	scrubKeys     = 64 // looked at each time: a million keys take four hours.

	// scrubBytesMax bounds what is read each time, up to one record more: the loop waits for the read.
	scrubBytesMax = 1 << 20
)

// tickScrub checks some records, or some entries of the index, and corrects the index.
func (m *Machine) tickScrub() {
	s := &m.index.scrub
	if m.Now.Mono < s.next {
		return
	}
	s.next = m.Now.Mono + scrubInterval
	m.rebuildIndex()
	prefix, from := schema.PrefixRecord, &s.record
	if s.entries = !s.entries; s.entries {
		prefix, from = schema.PrefixIndex, &s.entry
	}
	next := m.scrubPart(prefix, *from)
	bytes := 0
	s.pair()
	for i, key := range s.keys {
		if bytes >= scrubBytesMax {
			next = key[len(prefix):]
			break
		}
		bytes += m.scrubKey(key, s.pairs[i])
	}
	*from = next
}

// scrubPart finds the next keys below a prefix, and returns the key to continue from, without the prefix.
func (m *Machine) scrubPart(prefix, from string) (next string) {
	s := &m.index.scrub
	clear(s.keys)
	s.keys = s.keys[:0]
	err := contract.ScanKeys(m.Store, prefix, prefix+from, func(key string) bool {
		if len(s.keys) == scrubKeys {
			next = key[len(prefix):]
			return false
		}
		s.keys = append(s.keys, key)
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "scan failed", "from", from, "error", err.Error())
	}
	return next
}

// pair makes pairs. They share one piece of memory, which is much cheaper than one for each.
func (s *scrub) pair() {
	size := 0
	for _, key := range s.keys {
		size += len(schema.PrefixRecord) + len(schema.PrefixIndex) + 4 + len(key)
	}
	var all strings.Builder
	all.Grow(size)
	clear(s.pairs)
	s.pairs = s.pairs[:0]
	for _, key := range s.keys {
		begin := all.Len()
		if path, isRecord := strings.CutPrefix(key, schema.PrefixRecord); isRecord {
			digits := leafDigits(merkle.Leaf(merkle.Hash(path)))
			all.WriteString(schema.PrefixIndex)
			all.Write(digits[:])
			all.WriteString(path)
		} else {
			all.WriteString(schema.PrefixRecord)
			all.WriteString(entryPath(key))
		}
		s.pairs = append(s.pairs, all.String()[begin:])
	}
}

// entryPath is the path of an entry of the index; empty: the key is too short for one.
func entryPath(key string) string { return key[min(len(schema.PrefixIndex)+4, len(key)):] }

// scrubKey compares a record with the index: key is that of the record or that of its entry in the index, and pair is
// the other one of the two. A rotten record is taken out of the index, so that a comparison fetches a peer's copy. It
// returns how many bytes of values it has read.
func (m *Machine) scrubKey(key, pair string) (bytes int) {
	path, isRecord := strings.CutPrefix(key, schema.PrefixRecord)
	record, entry := key, pair
	if !isRecord {
		path, record, entry = entryPath(key), pair, key
	}
	if _, busy := m.Overlay.ByPath[path]; busy || slot.CheckPath(path) != nil {
		return 0
	}
	if !isRecord && !isIndexKey(entry, path) {
		entry = IndexKey(path)
	}
	slot := &m.scratch
	err := m.StoredInto(slot, path, record)
	if errors.Is(err, step.ErrRead) {
		return 0 // the record may be intact.
	}
	// The content of the disk counts here.
	if v, known := m.indexedAnew(path, entry); known && v != slot.Version() {
		m.Counters.ScrubRepairs++
		if err != nil && m.owner.Remake(path, v) {
			return 0
		}
		if err != nil {
			m.Log(contract.LogWarn, "corrupt record found, a peer's copy will replace it", "path", path,
				"error", err.Error())
		} else {
			m.Log(contract.LogWarn, "the index did not fit a record and was put right", "path", path)
		}
		m.setIndexed(path, slot.Version(), false)
		m.Soon()
	}
	return slot.ValueBytes()
}
