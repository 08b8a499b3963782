// Package changelog is the machine that keeps a log of the paths that have changed, while clients watch: a bounded ring
// in the store, whose entries become durable together with the changes. A client that was away goes on from it.
//
// It knows no watchers (node/watch does), and no values: who reads the log reads the paths. Begin with Machine.
package changelog

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/step"
)

// Machine keeps the log. It is not safe for concurrent use: the goroutine of its node owns it.
//
// A log has a number, drawn at random, and gives each change a position, counted from 1. It covers every change from
// its oldest position on, or it is ended and another one begun: while there has been no watcher for long, there is
// none, and a run of an older program, which writes no entries, ends it too.
type Machine struct {
	*step.Shared

	log     uint64   // zero: there is none.
	last    uint64   // the position given out last.
	paths   []string // of the running step.
	ring    []entry  // the oldest first.
	bytes   int
	pending []part   // not durable yet.
	garbage []string // keys of former logs, to be dropped.
	next    time.Duration
	found   []part // what a start has found on the disk.
	damaged bool   // an entry on the disk cannot be read: perhaps the last one, whose positions must not be used again.
}

// entry is what is remembered of an entry on the disk.
type entry struct {
	number uint32
	first  uint64
	bytes  int
}

type part struct {
	persist contract.PersistID
	contract.Changed
}

// Bounds of dropping former logs.
const (
	garbageMax   = 256 // keys in one step.
	garbagePause = 20 * time.Millisecond
)

// New returns a machine without a log: call Recover and Begin before other methods.
func New(shared *step.Shared) *Machine { return &Machine{Shared: shared} }

// Recover reads the log from the disk.
func (m *Machine) Recover() error {
	r, err := m.ReadMeta(schema.KeyChanges)
	if err != nil {
		return fmt.Errorf("recover the log of changes: %w", err)
	}
	log, run, places := uint64(0), uint64(0), uint32(0)
	if r != nil {
		if log, run, places = r.U64(), r.U64(), r.U32(); r.End() != nil || log == 0 {
			return fmt.Errorf("recover the log of changes: impossible content: %w", codec.ErrCorrupt)
		}
	}
	var all []decoded
	err = m.Store.Scan(schema.PrefixChange, schema.PrefixChange, func(key string, value []byte) bool {
		d, ok := decode(key, value)
		m.damaged = m.damaged || !ok
		if !ok || d.log != log {
			m.garbage = append(m.garbage, key)
			return true
		}
		all = append(all, d)
		return true
	})
	if err != nil {
		return fmt.Errorf("recover the log of changes: %w", err)
	}
	if log == 0 {
		return nil
	}
	m.log = log
	// The run before this one may have been of a program that keeps no log; and a ring of another size would lose its
	// newest entries, whose positions must not be used again.
	if run+1 != m.Boots || m.damaged || places != uint32(m.Tuning.ChangesMax) {
		for _, d := range all {
			m.garbage = append(m.garbage, key(d.number))
		}
		m.log = 0
		return nil
	}
	m.take(all)
	return nil
}

// take puts the entries that were found in order. The log begins after the last gap between them.
func (m *Machine) take(all []decoded) {
	slices.SortFunc(all, func(a, b decoded) int { return cmp.Compare(a.first, b.first) })
	from := 0
	for i := 1; i < len(all); i++ {
		before := &all[i-1]
		if before.first+uint64(len(before.paths)) != all[i].first || m.after(before.number) != all[i].number {
			from = i
		}
	}
	for i := range all[:from] {
		m.garbage = append(m.garbage, key(all[i].number))
	}
	all = all[from:]
	for i := range all {
		d := &all[i]
		m.ring = append(m.ring, entry{d.number, d.first, d.bytes})
		m.bytes += d.bytes
		m.last = d.first + uint64(len(d.paths)) - 1
		m.found = append(m.found, part{Changed: contract.Changed{Log: m.log, First: d.first, Paths: d.paths,
			Oldest: all[0].first}})
	}
}

// after is the place of the ring behind another one.
func (m *Machine) after(number uint32) uint32 { return (number + 1) % uint32(m.Tuning.ChangesMax) }

// Begin goes on with the log that was recovered, and tells the world what it holds; or ends it.
func (m *Machine) Begin() {
	switch {
	case m.log == 0 && len(m.garbage) == 0:
		return
	case m.log == 0:
		m.next = m.Now.Mono + garbagePause
		m.Changes = append(m.Changes, contract.Change{Key: schema.KeyChanges})
		return
	case len(m.ring) == 0: // nothing has changed since it was begun.
		m.begin()
		return
	}
	m.store()
	for i := range m.found {
		m.Eff.Changed = append(m.Eff.Changed, m.found[i].Changed)
	}
	m.found = nil
}

// store makes the running step's persist name this run as the last one that writes to the log.
func (m *Machine) store() {
	b := binary.LittleEndian.AppendUint64([]byte{schema.Format}, m.log)
	b = binary.LittleEndian.AppendUint64(b, m.Boots)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Tuning.ChangesMax))
	m.Changes = append(m.Changes, contract.Change{Key: schema.KeyChanges, Value: schema.Seal(schema.KeyChanges, b)})
}

// Watching begins a log, or ends it.
func (m *Machine) Watching(on bool) {
	switch {
	case on && m.log == 0:
		m.begin()
	case !on && m.log != 0:
		m.end()
		m.Changes = append(m.Changes, contract.Change{Key: schema.KeyChanges})
		m.pending = append(m.pending, part{persist: m.NextPersist()})
	}
}

// begin begins another log.
func (m *Machine) begin() {
	m.end()
	for m.log == 0 {
		m.log = m.Rand.Uint64()
	}
	m.store()
	m.pending = append(m.pending, part{m.NextPersist(), contract.Changed{Log: m.log, First: 1, Oldest: 1}})
}

// end forgets the log.
func (m *Machine) end() {
	for i := range m.ring {
		m.garbage = append(m.garbage, key(m.ring[i].number))
	}
	m.next = m.Now.Mono + garbagePause
	m.log, m.last, m.bytes = 0, 0, 0
	m.ring, m.paths, m.found = nil, nil, nil
}

// Wrote adds a path that the running step changes.
func (m *Machine) Wrote(path string) {
	if m.log != 0 {
		m.paths = append(m.paths, path)
	}
}

// Finish puts the paths of the running step into its persist.
func (m *Machine) Finish() {
	if len(m.paths) == 0 {
		return
	}
	number := uint32(0)
	if n := len(m.ring); n > 0 {
		number = m.after(m.ring[n-1].number)
	}
	first := m.last + 1
	value := encode(number, m.log, first, m.paths)
	if len(m.ring) == m.Tuning.ChangesMax { // the oldest one has this place.
		m.dropOldest()
	}
	for len(m.ring) > 0 && m.bytes+len(value) > m.Tuning.ChangesBytesMax {
		m.Changes = append(m.Changes, contract.Change{Key: key(m.ring[0].number)})
		m.dropOldest()
	}
	m.Changes = append(m.Changes, contract.Change{Key: key(number), Value: value})
	m.ring = append(m.ring, entry{number, first, len(value)})
	m.bytes += len(value)
	m.last += uint64(len(m.paths))
	m.pending = append(m.pending, part{m.NextPersist(),
		contract.Changed{Log: m.log, First: first, Paths: m.paths, Oldest: m.ring[0].first}})
	m.paths = nil
}

func (m *Machine) dropOldest() {
	m.bytes -= m.ring[0].bytes
	m.ring = m.ring[1:]
}

// BecameDurable hands the world what has become durable.
func (m *Machine) BecameDurable(upTo contract.PersistID) {
	done := 0
	for done < len(m.pending) && m.pending[done].persist <= upTo {
		m.Eff.Changed = append(m.Eff.Changed, m.pending[done].Changed)
		done++
	}
	if done > 0 {
		m.pending = slices.Delete(m.pending, 0, done)
	}
}

// Tick drops a part of former logs.
func (m *Machine) Tick() {
	if m.Now.Mono < m.next {
		return
	}
	m.next = m.Now.Mono + garbagePause
	n := min(len(m.garbage), garbageMax)
	for _, key := range m.garbage[:n] {
		if number, ok := numberOf(key); !ok || !m.holds(number) {
			m.Changes = append(m.Changes, contract.Change{Key: key})
		}
	}
	if m.garbage = m.garbage[n:]; len(m.garbage) == 0 {
		m.garbage = nil
	}
}

// holds reports whether a place of the ring has an entry of the present log.
func (m *Machine) holds(number uint32) bool {
	if len(m.ring) == 0 {
		return false
	}
	places := uint32(m.Tuning.ChangesMax)
	return (number+places-m.ring[0].number)%places < uint32(len(m.ring)) && number < places
}

// Due is the time of the next timer; zero: none.
func (m *Machine) Due() time.Duration {
	if len(m.garbage) == 0 {
		return 0
	}
	return m.next
}
