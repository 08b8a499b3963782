// Package expiry is the machine that ends values which say how long they live: it measures how long this member has
// held them, and puts the tombstone of its end in the place of a value that has outlived its time.
//
// It reads no clock but that of the run, and ends no tombstone (node/tombstones does). Begin with the rule in
// machine.go.
package expiry

import (
	"encoding/binary"
	"fmt"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
)

// The expiry of values. A value may say how long it lives. Its end is a delete like others, made by the members
// themselves, so every level and every comparison sees it as one, and its space is given back like that of others.
//
// When it ends is measured, not read off a clock: a member lets a value go when it has held it, while running, for as
// long as the value lives. That is never too early: the value was written no later than it arrived here. No clock that
// jumps by an hour can make it early, and none that went back can keep it for ever. It may be late by the time that
// members were down, and a member that crashes forgets up to ClockInterval of its running time. Record.Expires, in
// hybrid time, is for people and carries the length of life.
//
// The member that made a value ends it; the others wait Patience longer, in case it is gone. All make the very same
// tombstone: one step above the value's own version, so that whatever was written after the value wins over it, however
// late it arrives. The next write of the same member may have just that timestamp, when its clock stands still: the end
// counts as lower than any write that has it, see slot.CompareEventual. What a linearizable operation wrote is ended by
// a linearizable compare-and-set.

// The terms on which a value ends. A value is ended at most Sweep after this member has held it for as long as it
// lives, or Patience later when another member made it. Of the running time at most ClockInterval is lost by a crash.
const (
	Sweep         = time.Second // between looks at the index.
	Patience      = 5 * time.Second
	ClockInterval = 10 * time.Second
)

const (
	scanMax   = 1024                  // index entries looked at in one step.
	scanPause = 50 * time.Millisecond // before the next part of a long index.
	never     = time.Duration(1<<63 - 1)
)

// Owner is what the machine asks of the node that it belongs to.
type Owner interface {
	// Syncing reports whether the node is still fetching its data: it ends no values meanwhile.
	Syncing() bool
	// Write puts a slot in the running step's persist, and Replicate queues its encoding for the other holders of its
	// path.
	Write(path string, stored slot.Stored)
	Replicate(path string, record []byte)
	// EndChosen begins a linearizable delete of just this version, and reports whether it has begun.
	EndChosen(path string, version slot.Version) bool
}

// Machine ends values. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	base   uint64        // running time of former runs, milliseconds.
	stored uint64        // on disk.
	next   time.Duration // when the index is looked at next.
	cursor string        // the index under x/ is read on from here.
}

// New returns a machine that has not been running yet: call Recover before anything else.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Due is the time of the next timer.
func (m *Machine) Due() time.Duration { return m.next }

// Recover reads how long this member has been running in all.
func (m *Machine) Recover() error {
	r, err := m.ReadMeta(schema.KeyUptime)
	if err != nil || r == nil {
		return err
	}
	m.base = r.U64()
	m.stored = m.base
	if r.End() != nil {
		return fmt.Errorf("recover running time: impossible content: %w", codec.ErrCorrupt)
	}
	return nil
}

// runningTime is how long this member has been running, all runs together, in milliseconds.
func (m *Machine) runningTime() uint64 {
	return m.base + uint64((m.Now.Mono - m.Started).Milliseconds())
}

// keepRunningTime stores the running time, in the running step's persist, when what is stored is old.
func (m *Machine) keepRunningTime() {
	now := m.runningTime()
	if now < m.stored+uint64(ClockInterval.Milliseconds()) {
		return
	}
	m.stored = now
	b := binary.LittleEndian.AppendUint64([]byte{schema.Format}, now)
	m.Changes = append(m.Changes, contract.Change{Key: schema.KeyUptime, Value: schema.Seal(schema.KeyUptime, b)})
}

// Wrote lists a slot that the running step writes and that shows a value which expires. A version that is stored once
// more, because something else in its slot changed, keeps its first entry.
func (m *Machine) Wrote(path string, stored *slot.Stored) {
	if stored.Expiring == (slot.Version{}) {
		return
	}
	key := schema.PrefixExpiry + path
	if b, found, err := m.Store.Get(key); err == nil && found {
		if old, ok := decode(path, b); ok && old.version == stored.Expiring {
			return
		}
	}
	e := entry{path: path, version: stored.Expiring, since: m.runningTime(), life: stored.Life}
	m.Changes = append(m.Changes, contract.Change{Key: key, Value: e.encode()})
	m.keepRunningTime() // with the entry: nothing may have waited for its end for long, so that no look has stored it.
	m.next = min(m.next, m.Now.Mono+Sweep)
}

// Tick looks at a part of the index.
func (m *Machine) Tick() {
	if m.Now.Mono < m.next {
		return
	}
	m.next = m.Now.Mono + Sweep
	if m.owner.Syncing() {
		return
	}
	seen := 0
	var ripe []entry
	from := m.cursor
	m.cursor = ""
	err := m.Store.Scan(schema.PrefixExpiry, schema.PrefixExpiry+from, func(key string, value []byte) bool {
		path := key[len(schema.PrefixExpiry):]
		if seen == scanMax {
			m.cursor, m.next = path, m.Now.Mono+scanPause
			return false
		}
		seen++
		if e, ok := decode(path, value); !ok || m.outlived(&e) {
			e.path = path
			ripe = append(ripe, e)
		}
		return true
	})
	if err != nil {
		m.Log(contract.LogError, "scan of expiring values failed", "error", err.Error())
		return
	}
	if seen == 0 && from == "" {
		if m.Durable == m.Persists { // else an entry may be on its way to the disk.
			m.next = never // until one is written.
		}
		return
	}
	m.keepRunningTime()
	for i := range ripe {
		m.end(&ripe[i])
	}
}

// outlived reports whether this member has held a value for as long as it lives.
func (m *Machine) outlived(e *entry) bool {
	now := m.runningTime()
	return now >= e.since && now-e.since >= e.life
}

// end ends a value, or drops the entry of one that is no longer there.
func (m *Machine) end(e *entry) {
	if _, pending := m.Overlay.ByPath[e.path]; pending {
		return // seen again at the next look.
	}
	_, stored, err := m.CurrentSlot(e.path)
	if err != nil {
		return
	}
	rec := m.Electorate.Visible(&stored)
	switch {
	case !rec.Live() || rec.Version() != e.version:
		m.Changes = append(m.Changes, contract.Change{Key: schema.PrefixExpiry + e.path})
		return
	case !m.endsIt(&rec, e), stored.Conflict() && !m.Electorate.Winner(&stored).Final:
		return
	case stored.ConsensusShows():
		if m.owner.EndChosen(e.path, e.version) {
			m.Counters.Expired++
		}
		return
	}
	end := rec.End()
	m.HLC.Observe(end.TS) // as if it had come from another member, as it may have.
	out := slot.Of(&end)
	out.Consensus = stored.Consensus
	encoded := slot.Store(e.path, &out, m.Electorate)
	m.owner.Write(e.path, encoded)
	m.Changes = append(m.Changes, contract.Change{Key: schema.PrefixExpiry + e.path})
	m.owner.Replicate(e.path, encoded.Record)
	m.Counters.Expired++
}

// endsIt reports whether it is this member's turn to end a value: its origin's at once, that of the others after a
// while.
func (m *Machine) endsIt(rec *slot.Record, e *entry) bool {
	return rec.Origin == m.Self || m.runningTime()-e.since-e.life >= uint64(Patience.Milliseconds())
}
