package conflicts

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// The loser store keeps every slot with several candidates, values and votes included, for ttl after its last change,
// also when a later write has replaced it under its path. So an acknowledged write that lost by the conflict rule can
// be fetched for a while, and decisions survive a restart. The store is local to this node: it is not replicated.
//
// Its entries and their bytes are bounded; beyond a bound the oldest are dropped and counted.
//
// Ages are measured in running time of this node, all runs together: a wall clock that jumps cannot drop an entry
// early. Entries do not age while the node is down; a crash loses at most clockInterval of running time, so entries are
// kept longer, never shorter.
const (
	KeptMax       = 1024
	bytesMax      = 64 << 20 // a single larger entry is kept nevertheless.
	ttl           = 24 * time.Hour
	clockInterval = 10 * time.Minute
)

// The store's keys and values. Integers in values are little-endian, those in keys big-endian. Values are sealed like
// those under m/: a format byte, 1, the fields, and a CRC-32C over the key and everything before. An entry of an
// unknown format is dropped with a warning, as a rotten one is: entries are copies.
//
//	c/                  uptime u64: the clock, milliseconds          (no path is empty, so no entry has this key)
//	c/PATH 0x00 TS u64  uptime u64 and wall time u64 of the last change, milliseconds; the slot as stored under r/PATH
const (
	format   = 1
	overhead = 1 + 8 + 8 + 4
)

// A path holds no control character, so 0x00 ends it.
func keysOf(path string) string { return schema.PrefixConflict + path + "\x00" }

func keyOf(path string, ts slot.Timestamp) string {
	return string(binary.BigEndian.AppendUint64([]byte(keysOf(path)), uint64(ts)))
}

func encode(key string, age uint64, seen int64, slot []byte) []byte {
	b := make([]byte, 0, overhead+len(slot))
	b = append(b, format)
	b = binary.LittleEndian.AppendUint64(b, age)
	b = binary.LittleEndian.AppendUint64(b, uint64(seen))
	return schema.Seal(key, append(b, slot...))
}

// decode reads an entry. The slot's values are parts of b.
func decode(key string, b []byte) (path string, stored slot.Slot, age uint64, seen int64, err error) {
	if err = intact(key, b); err != nil {
		return "", slot.Slot{}, 0, 0, err
	}
	path, _, ok := strings.Cut(strings.TrimPrefix(key, schema.PrefixConflict), "\x00")
	if !ok {
		return "", slot.Slot{}, 0, 0, corrupt(key, "no path")
	}
	r := codec.Read(b[1 : len(b)-4])
	age, seen = r.U64(), int64(r.U64())
	if stored, err = slot.Decode(path, r.Rest()); err != nil {
		return "", slot.Slot{}, 0, 0, err
	}
	if !stored.Conflict() || keyOf(path, stored.TS) != key {
		return "", slot.Slot{}, 0, 0, corrupt(key, "the slot is another one")
	}
	return path, stored, age, seen, nil
}

// intact returns an error unless the checksum of an entry matches.
func intact(key string, b []byte) error {
	if len(b) < overhead || b[0] != format {
		return corrupt(key, "no entry of a known format")
	}
	if codec.Sum(key, b[:len(b)-4]) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return corrupt(key, "checksum does not match")
	}
	return nil
}

func corrupt(key, why string) error {
	return fmt.Errorf("kept conflict %q: %s: %w", key, why, codec.ErrCorrupt)
}

// uptime is the loser store's clock, in milliseconds.
func (m *Machine) uptime() uint64 {
	return m.base + uint64((m.Now.Mono - m.Started).Milliseconds())
}

// keep puts a slot into the store, in place of the former entry of its timestamp, and drops the oldest entries beyond
// the bounds.
func (m *Machine) keep(r contract.ConflictRecord, s *slot.Slot) {
	if i := m.find(r.Path, s.TS); i >= 0 {
		m.remove(i)
	}
	key := keyOf(r.Path, s.TS)
	r.Age = m.uptime()
	kept := contested(s)
	value := encode(key, r.Age, r.Seen, slot.Encode(r.Path, &kept))
	r.Size = len(key) + len(value)
	m.add(r)
	m.stored = r.Age // the entry holds the running time as well.
	m.Changes = append(m.Changes, contract.Change{Key: key, Value: value})
	m.bound()
}

func (m *Machine) bound() {
	for len(m.entries) > KeptMax || m.bytes > bytesMax && len(m.entries) > 1 {
		m.drop()
		m.Counters.ConflictsDropped++
	}
}

// drop forgets the oldest entry.
func (m *Machine) drop() {
	e := m.remove(0)
	m.Changes = append(m.Changes, contract.Change{Key: keyOf(e.Path, e.Slot.TS)})
}

// Tick drops entries that are old enough, and keeps the clock on disk.
func (m *Machine) Tick() {
	now := m.uptime()
	for len(m.entries) > 0 && m.entries[0].Age+uint64(ttl.Milliseconds()) <= now {
		m.drop()
		m.Counters.ConflictsExpired++
	}
	if len(m.entries) > 0 && now >= m.stored+uint64(clockInterval.Milliseconds()) {
		m.stored = now
		b := binary.LittleEndian.AppendUint64([]byte{format}, now)
		m.Changes = append(m.Changes,
			contract.Change{Key: schema.KeyConflictClock, Value: schema.Seal(schema.KeyConflictClock, b)})
	}
}

// Due is the time of the store's next timer; zero: it has none.
func (m *Machine) Due() time.Duration {
	if len(m.entries) == 0 {
		return 0
	}
	at := min(m.entries[0].Age+uint64(ttl.Milliseconds()), m.stored+uint64(clockInterval.Milliseconds()))
	left := time.Duration(int64(at-m.base)) * time.Millisecond // below zero if it was due in an earlier run.
	return m.Started + left
}

// Recover reads the index back after a restart.
func (m *Machine) Recover() error {
	clock, err := m.ReadMeta(schema.KeyConflictClock)
	if err != nil {
		m.Log(contract.LogWarn, "the clock of kept conflicts cannot be read: they are kept longer", "error",
			err.Error())
	} else if clock != nil {
		m.base = clock.U64()
	}
	err = m.Store.Scan(schema.PrefixConflict, "", func(key string, value []byte) bool {
		if key == schema.KeyConflictClock {
			return true
		}
		path, slot, age, seen, err := decode(key, value)
		if err != nil {
			m.Log(contract.LogWarn, "a kept conflict cannot be read and is dropped", "error", err.Error())
			m.Changes = append(m.Changes, contract.Change{Key: key})
			return true
		}
		r := newRecord(path, &slot, m.Electorate.Decide(&slot), seen)
		r.Age, r.Size = age, len(key)+len(value)
		m.base = max(m.base, age)
		m.add(r)
		return true
	})
	if err != nil {
		return fmt.Errorf("recover kept conflicts: %w", err)
	}
	m.stored = m.base
	slices.SortStableFunc(m.entries, func(a, b contract.ConflictRecord) int {
		return slot.CompareID(slot.ID(a.Age), slot.ID(b.Age))
	})
	m.bound()
	return nil
}

// Candidate returns a write that took part in a conflict under path: from the slot in force, or from those that are
// kept. found is false when no such write is kept any more.
func Candidate(store contract.Reader, path string, u slot.UUID) (r slot.Record, found bool, err error) {
	b, ok, err := store.Get(schema.PrefixRecord + path)
	if err != nil {
		return r, false, fmt.Errorf("read %q: %w", path, err)
	}
	if ok {
		slot, damaged := slot.Decode(path, b)
		if i, held := slot.Find(u); damaged == nil && held {
			return slot.RecordAt(i), true, nil
		}
		err = damaged
	}
	scanErr := store.Scan(keysOf(path), "", func(key string, value []byte) bool {
		if !bytes.Contains(value, u[:]) { // a path may have many conflicts: only that of the write is decoded.
			if damaged := intact(key, value); damaged != nil {
				err = damaged
			}
			return true
		}
		_, slot, _, _, damaged := decode(key, value)
		if damaged != nil {
			err = damaged
			return true
		}
		if i, held := slot.Find(u); held {
			r, found = slot.RecordAt(i), true
			r.Value = slices.Clone(r.Value)
		}
		return !found
	})
	switch {
	case scanErr != nil:
		return slot.Record{}, false, fmt.Errorf("read the kept conflicts of %q: %w", path, scanErr)
	case found:
		return r, true, nil
	}
	return slot.Record{}, false, err
}

// ReplaceValues replaces the values in what the store has under a key of this package.
func ReplaceValues(key string, value []byte, by slot.Replacer) []byte {
	path, _, is := strings.Cut(strings.TrimPrefix(key, schema.PrefixConflict), "\x00")
	if !is {
		return value // the clock.
	}
	return slot.ReplaceSealed(value, overhead-4, func(stored []byte) []byte {
		return slot.ReplaceEncoded(path, stored, by)
	})
}
