// Package expiry is the machine that ends values with a time to live: it measures how long this member has held them,
// and replaces a value that has outlived its time by a tombstone.
//
// It uses no wall clock, and collects no tombstones (node/tombstones does). Begin with the rule in machine.go.
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

// The expiry of values. A value may have a time to live. Its end is a delete like others, made by the members
// themselves, so every level and every comparison treats it as a delete, and its space is freed as after a delete.
//
// The time is measured, not read off a wall clock: a member ends a value when it has held it, while running, for its
// time to live. That is never too early: the value was written no later than it arrived here. A wall clock that jumps
// forwards cannot end a value early, and one that goes back cannot keep it for ever. The end may be late by the time
// that members were down, and a crash loses up to ClockInterval of running time. Record.Expires, in hybrid time, is for
// people and carries the time to live.
//
// The member that made a value ends it; the others wait Patience longer, in case it is gone. All members make the same
// tombstone: one step above the value's own version, so that any write after the value wins over it, however late it
// arrives. The next write of the same member may have just that timestamp, when its clock stands still: the end counts
// as lower than any write that has it, see slot.CompareEventual. What a linearizable operation wrote is ended by a
// linearizable compare-and-set.

// The bounds of expiry. A value is ended at most Sweep after this member has held it for its time to live, or Patience
// later when another member made it. A crash loses at most ClockInterval of the running time.
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

// Owner is what the machine asks of its node.
type Owner interface {
	// Syncing reports whether the node is still fetching its data: it ends no values meanwhile.
	Syncing() bool
	// Write puts a slot in the running step's persist, and Replicate queues its encoding for the other holders of its
	// path.
	Write(path string, stored slot.Stored)
	Replicate(path string, record []byte)
	// EndChosen begins a linearizable delete of exactly this version, and reports whether it has begun.
	EndChosen(path string, version slot.Version) bool
}

// Machine ends values. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	base   uint64        // running time of former runs, milliseconds.
	stored uint64        // on disk.
	next   time.Duration // when the index is looked at next.
	cursor string        // where to go on in the index under x/.
}

// New returns a machine with a running time of zero: call Recover before other methods.
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

// Wrote makes an entry for a slot that the running step writes and that holds a value which expires. A version that is
// stored again, because something else in its slot changed, keeps its first entry.
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
	m.keepRunningTime() // with the entry: the running time on disk may be old if no value has been waiting to expire.
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
		if m.Durable == m.Persists { // otherwise an entry may be in flight to the disk.
			m.next = never // until one is written.
		}
		return
	}
	m.keepRunningTime()
	for i := range ripe {
		m.end(&ripe[i])
	}
}

// outlived reports whether this member has held a value for its time to live.
func (m *Machine) outlived(e *entry) bool {
	now := m.runningTime()
	return now >= e.since && now-e.since >= e.life
}

// end ends a value, or drops the entry of one that is no longer there.
func (m *Machine) end(e *entry) {
	if _, pending := m.Overlay.ByPath[e.path]; pending {
		return // the next look finds it again.
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
	case !m.endsIt(&rec, e):
		return
	case stored.ConsensusShows(): // whatever it has replaced, a conflict that stays open included.
		if m.owner.EndChosen(e.path, e.version) {
			m.Counters.Expired++
		}
		return
	case stored.Conflict() && !m.Electorate.Winner(&stored).Final:
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

// endsIt reports whether it is this member's turn to end a value: the origin ends it at once, the others after
// Patience.
func (m *Machine) endsIt(rec *slot.Record, e *entry) bool {
	return rec.Origin == m.Self || m.runningTime()-e.since-e.life >= uint64(Patience.Milliseconds())
}
