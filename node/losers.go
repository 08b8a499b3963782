package node

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"
)

// The loser store keeps every slot with several candidates, values and votes included, for conflictTTL after its last change,
// also when a later write has replaced it under its path: an acknowledged write that lost to the conflict rule can be fetched
// for a while, and what was decided outlives a restart. It is this node's own: nothing of it travels.
//
// Its entries and their bytes are bounded; beyond a bound the oldest go and are counted.
//
// Time here is how long this node has been running, all runs together: no wall clock, which may jump by an hour or a year,
// can make an entry go early. A node that is down does not age its entries; one that crashes forgets at most
// conflictClockInterval of a run, and so keeps them longer, never shorter.
const (
	ConflictsKeptMax      = 1024
	conflictBytesMax      = 64 << 20 // a single larger entry is kept all the same.
	conflictTTL           = 24 * time.Hour
	conflictClockInterval = 10 * time.Minute
)

// The store's keys and values. Integers in values are little-endian, those in keys big-endian. Values are sealed like those
// under m/: a format byte, 1, the fields, and a CRC-32C over the key and everything before. An unknown format is dropped with
// a warning, as rot is: these are copies.
//
//	c/                  uptime u64: the clock, milliseconds          (no path is empty, so no entry has this key)
//	c/PATH 0x00 TS u64  uptime u64 and wall time u64 of the last change, milliseconds; the slot as stored under r/PATH
const (
	conflictFormat   = 1
	conflictOverhead = 1 + 8 + 8 + 4
	keyConflictClock = prefixConflict
)

// A path holds no control character, so 0x00 ends it.
func conflictKeys(path string) string { return prefixConflict + path + "\x00" }

func conflictKey(path string, ts Timestamp) string {
	return string(binary.BigEndian.AppendUint64([]byte(conflictKeys(path)), uint64(ts)))
}

func encodeConflict(key string, age uint64, seen int64, slot []byte) []byte {
	b := make([]byte, 0, conflictOverhead+len(slot))
	b = append(b, conflictFormat)
	b = binary.LittleEndian.AppendUint64(b, age)
	b = binary.LittleEndian.AppendUint64(b, uint64(seen))
	return sealMeta(key, append(b, slot...))
}

// decodeConflict reads an entry. The slot's values are parts of b.
func decodeConflict(key string, b []byte) (path string, slot Slot, age uint64, seen int64, err error) {
	bad := func(why string) (string, Slot, uint64, int64, error) {
		return "", Slot{}, 0, 0, fmt.Errorf("kept conflict %q: %s: %w", key, why, ErrCorrupt)
	}
	path, _, ok := strings.Cut(strings.TrimPrefix(key, prefixConflict), "\x00")
	if !ok || len(b) < conflictOverhead || b[0] != conflictFormat {
		return bad("no entry of a known format")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, body) != sum {
		return bad("checksum does not match")
	}
	r := wireReader{b: body[1:]}
	age, seen = r.u64(), int64(r.u64())
	if slot, err = DecodeSlot(path, r.b); err != nil {
		return "", Slot{}, 0, 0, err
	}
	if !slot.Conflict() || conflictKey(path, slot.TS) != key {
		return bad("the slot is another one")
	}
	return path, slot, age, seen, nil
}

// uptime is the loser store's clock, in milliseconds.
func (n *Node) uptime() uint64 {
	return n.conflicts.base + uint64((n.now.Mono - n.started).Milliseconds())
}

// keepConflict puts a slot into the store, in place of what was known of its timestamp, and drops what is too much.
func (n *Node) keepConflict(r ConflictRecord, s *Slot) {
	l := &n.conflicts
	if i := l.find(r.Path, s.TS); i >= 0 {
		l.remove(i)
	}
	key := conflictKey(r.Path, s.TS)
	r.age = n.uptime()
	kept := contested(s)
	value := encodeConflict(key, r.age, r.Seen, EncodeSlot(r.Path, &kept))
	r.size = len(key) + len(value)
	l.add(r)
	l.stored = r.age // the entry tells the time as well.
	n.ops = append(n.ops, Op{Key: key, Value: value})
	n.boundConflicts()
}

func (n *Node) boundConflicts() {
	l := &n.conflicts
	for len(l.entries) > ConflictsKeptMax || l.bytes > conflictBytesMax && len(l.entries) > 1 {
		n.dropConflict()
		n.counters.ConflictsDropped++
	}
}

// dropConflict forgets the oldest entry.
func (n *Node) dropConflict() {
	e := n.conflicts.remove(0)
	n.ops = append(n.ops, Op{Key: conflictKey(e.Path, e.Slot.TS)})
}

// tickConflicts lets go what is old enough, and keeps the clock on disk.
func (n *Node) tickConflicts() {
	l := &n.conflicts
	now := n.uptime()
	for len(l.entries) > 0 && l.entries[0].age+uint64(conflictTTL.Milliseconds()) <= now {
		n.dropConflict()
		n.counters.ConflictsExpired++
	}
	if len(l.entries) > 0 && now >= l.stored+uint64(conflictClockInterval.Milliseconds()) {
		l.stored = now
		b := binary.LittleEndian.AppendUint64([]byte{conflictFormat}, now)
		n.ops = append(n.ops, Op{Key: keyConflictClock, Value: sealMeta(keyConflictClock, b)})
	}
}

// conflictsDue is the time of the store's next timer; zero: it has none.
func (n *Node) conflictsDue() time.Duration {
	l := &n.conflicts
	if len(l.entries) == 0 {
		return 0
	}
	at := min(l.entries[0].age+uint64(conflictTTL.Milliseconds()), l.stored+uint64(conflictClockInterval.Milliseconds()))
	left := time.Duration(int64(at-l.base)) * time.Millisecond // below zero when it was due in an earlier run.
	return n.started + left
}

// recoverConflicts reads the index back after a restart.
func (n *Node) recoverConflicts() error {
	l := &n.conflicts
	clock, err := n.readMeta(keyConflictClock)
	if err != nil {
		n.log(LogWarn, "the clock of kept conflicts cannot be read: they are kept longer", "error", err.Error())
	} else if clock != nil {
		l.base = clock.u64()
	}
	err = n.store.Scan(prefixConflict, "", func(key string, value []byte) bool {
		if key == keyConflictClock {
			return true
		}
		path, slot, age, seen, err := decodeConflict(key, value)
		if err != nil {
			n.log(LogWarn, "a kept conflict cannot be read and is dropped", "error", err.Error())
			n.ops = append(n.ops, Op{Key: key})
			return true
		}
		r := conflictRecord(path, &slot, n.electorate.Decide(&slot), seen)
		r.age, r.size = age, len(key)+len(value)
		l.base = max(l.base, age)
		l.add(r)
		return true
	})
	if err != nil {
		return fmt.Errorf("recover kept conflicts: %w", err)
	}
	l.stored = l.base
	slices.SortStableFunc(l.entries, func(a, b ConflictRecord) int { return compareID(ID(a.age), ID(b.age)) })
	n.boundConflicts()
	return nil
}

// Candidate returns a write that took part in a conflict under path: from the slot in force, or from those that are kept.
// It is not found when no such write is held any more.
func (v *View) Candidate(path string, u UUID) (r Record, found bool, err error) {
	b, ok, err := v.store.Get(prefixRecord + path)
	if err != nil {
		return r, false, fmt.Errorf("read %q: %w", path, err)
	}
	if ok {
		slot, damaged := DecodeSlot(path, b)
		if i, held := slot.find(u); damaged == nil && held {
			return slot.record(i), true, nil
		}
		err = damaged
	}
	scanErr := v.store.Scan(conflictKeys(path), "", func(key string, value []byte) bool {
		_, slot, _, _, damaged := decodeConflict(key, value)
		if damaged != nil {
			err = damaged
			return true
		}
		if i, held := slot.find(u); held {
			r, found = slot.record(i), true
			r.Value = slices.Clone(r.Value)
		}
		return !found
	})
	switch {
	case scanErr != nil:
		return Record{}, false, fmt.Errorf("read the kept conflicts of %q: %w", path, scanErr)
	case found:
		return r, true, nil
	}
	return Record{}, false, err
}
