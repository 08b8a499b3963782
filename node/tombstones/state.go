package tombstones

import (
	"kvs/node/schema"
	"kvs/node/slot"
)

// state is what is on disk under an indexed path.
type state uint8

const (
	stateNone    state = iota // no tombstone shows or may come to show.
	statePromise              // no version: only a promise.
	stateOpen                 // there is a tombstone, but it may not be collected, or not now.
	stateCovers               // a tombstone shows, over a live value of linearizable operations.
	// the tombstone, or the version beneath, came in below a promise: a round under way may not know it.
	stateWeak
	stateHeld // a tombstone shows, and only the acknowledgements of the other members are missing.
)

// tombstone reads a path from the disk: a version that is not durable here cannot be acknowledged, and with a write in
// flight the slot is about to change.
func (m *Machine) tombstone(path string) (slot.Slot, state) {
	if _, pending := m.Overlay.ByPath[path]; pending {
		return slot.Slot{}, stateOpen
	}
	b, ok, err := m.Store.Get(schema.PrefixRecord + path)
	if err != nil {
		return slot.Slot{}, stateOpen
	}
	if !ok {
		return slot.Slot{}, stateNone
	}
	stored, err := slot.Decode(path, b)
	switch {
	case err != nil:
		return slot.Slot{}, stateOpen // the list has the only copy of what may have been a tombstone.
	case !stored.Exists() && stored.Consensus.Blind:
		return stored, stateOpen
	case !stored.Exists():
		return stored, statePromise
	case !slot.EncodedTombstone(path, b):
		return stored, stateNone
	}
	rec := m.Electorate.Visible(&stored)
	switch s := stored.Consensus; {
	case stored.Conflict() && !m.Electorate.Winner(&stored).Final:
		return stored, stateOpen
	case rec.Live():
		return stored, stateNone // the tombstone in it has lost.
	case s != nil && s.Blind:
		return stored, stateOpen
	case s.Accepted() && s.Weak:
		return stored, stateWeak
	case s.Accepted() && !s.Record.Tombstone:
		return stored, stateCovers
	}
	return stored, stateHeld
}

// collector is the member that collects a tombstone: the one that made it, or else the oldest.
func (m *Machine) collector(s *slot.Slot) slot.ID {
	rec := m.Electorate.Visible(s)
	if _, known := m.RosterIndex(rec.Origin); known {
		return rec.Origin
	}
	return m.Electorate.Oldest()
}

// dropPromise drops a slot that holds only a promise, which a refused condition on a path without a value leaves
// behind. The fence keeps the promise, for all paths: every ballot below the promise is below the bar of an acceptor
// from now on, and a copy that comes in below it is weak as before. So no member has to be asked. The promise is older
// than the grace time; ballots of rounds under way are above it, except those of clocks that are far behind, which
// start again.
func (m *Machine) dropPromise(path string, s *slot.Slot) {
	m.raiseFence(s.Consensus.Promised.TS)
	m.owner.Erase(path)
	m.Changes = append(m.Changes, m.stampsChange()) // in the same persist.
}
