package comparison

import (
	"errors"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"time"
)

// scrub walks through records and index from time to time and compares them: rot is found without reads, and an
// index that does not fit is put right.
type scrub struct {
	next    time.Duration
	record  string // the next path to look at; empty: from the beginning.
	entry   string // the next index key.
	entries bool   // whose turn it is.
}

const (
	scrubInterval = time.Second
	scrubKeys     = 64 // looked at each time: a million keys take four hours.

	// scrubBytesMax is what is read each time, and one record more: the loop waits for it.
	scrubBytesMax = 1 << 20
)

// tickScrub looks at some records, or some entries of the index, and puts the index right.
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
	keys, next := m.scrubPart(prefix, *from)
	bytes := 0
	for _, key := range keys {
		if bytes >= scrubBytesMax {
			next = key
			break
		}
		path := key
		if prefix == schema.PrefixIndex {
			path = path[min(4, len(path)):]
		}
		bytes += m.scrubPath(path)
	}
	*from = next
}

// scrubPart returns the next keys below a prefix, without it, and where to go on.
func (m *Machine) scrubPart(prefix, from string) (keys []string, next string) {
	err := contract.ScanKeys(m.Store, prefix, prefix+from, func(key string) bool {
		if len(keys) == scrubKeys {
			next = key[len(prefix):]
			return false
		}
		keys = append(keys, key[len(prefix):])
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "scan failed", "from", from, "error", err.Error())
	}
	return keys, next
}

// scrubPath compares a record with the index. One that is rotten is taken out of it, so that comparisons bring a peer's
// copy. It returns how many bytes of values it has read.
func (m *Machine) scrubPath(path string) (bytes int) {
	if _, busy := m.Overlay.ByPath[path]; busy || slot.CheckPath(path) != nil {
		return 0
	}
	key, _, _ := indexKey(path)
	slot := &m.scratch
	err := m.StoredInto(slot, path)
	if errors.Is(err, step.ErrRead) {
		return 0 // it may be as good as ever.
	}
	m.index.recent.Drop(path) // what counts here is what stands on the disk.
	if v, known := m.indexed(path, key); known && v != slot.Version() {
		m.Counters.ScrubRepairs++
		if err != nil {
			m.Log(contract.LogWarn, "corrupt record found, a peer's copy will replace it", "path", path,
				"error", err.Error())
		} else {
			m.Log(contract.LogWarn, "the index did not fit a record and was put right", "path", path)
		}
		m.setIndexed(path, slot.Version())
		m.Soon()
	}
	return slot.ValueBytes()
}
