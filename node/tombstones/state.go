package tombstones

import (
	"kvs/node/schema"
	"kvs/node/slot"
)

// state is what is on disk under an indexed path.
type state uint8

const (
	stateNone    state = iota // there is none that shows or may come to show.
	statePromise              // nothing at all: only a promise.
	stateOpen                 // there is one, but it is not to be collected, or not now.
	stateCovers               // it shows, over a live value that linearizable operations left.
	stateWeak                 // it, or what lies beneath, came in below a promise: a round under way may not know it.
	stateHeld                 // it shows, and nothing but the other members stands against its end.
)

// tombstone reads a path from the disk: what is not durable here cannot be acknowledged, and what is in flight beside
// it makes it another slot soon.
func (m *Machine) tombstone(path string) (slot.Slot, state) {
	if _, pending := m.Overlay.ByPath[path]; pending {
		return slot.Slot{}, stateOpen
	}
	b, ok, err := m.Store.Get(schema.PrefixRecord + path)
	if err != nil {
		return slot.Slot{}, stateOpen
	}
	if !ok || !slot.EncodedTombstone(path, b) && !slot.EncodedBoth(b) {
		return slot.Slot{}, stateNone
	}
	stored, err := slot.Decode(path, b)
	switch c := stored.Consensus; {
	case err == nil && !stored.Exists() && !c.Blind:
		return stored, statePromise
	case err == nil && !slot.EncodedTombstone(path, b):
		return stored, stateNone
	}
	if err != nil {
		return slot.Slot{}, stateOpen
	}
	rec := m.Electorate.Visible(&stored)
	switch s := stored.Consensus; {
	case stored.Conflict() && !m.Electorate.Winner(&stored).Final:
		return stored, stateOpen
	case rec.Live():
		return stored, stateNone // the one there is has lost.
	case s != nil && s.Blind:
		return stored, stateOpen
	case s.Accepted() && s.Weak:
		return stored, stateWeak
	case s.Accepted() && !s.Record.Tombstone:
		return stored, stateCovers
	}
	return stored, stateHeld
}

// collector is the member that asks about a tombstone: the one that made it, or else the oldest.
func (m *Machine) collector(s *slot.Slot) slot.ID {
	rec := m.Electorate.Visible(s)
	if _, known := m.RosterIndex(rec.Origin); known {
		return rec.Origin
	}
	return m.Electorate.Oldest()
}

// dropPromise lets go of a slot that holds nothing but a promise, which a refused condition on a path without a value
// leaves behind. The fence keeps what was promised, for all paths: every ballot that the promise stood against is below
// the bar of an acceptor from now on, and what comes in as a copy below it is weak as before. So no member has to be
// asked. The promise is older than the grace time; ballots of rounds under way are above it, but for those of clocks
// that are far behind, which begin anew.
func (m *Machine) dropPromise(path string, s *slot.Slot) {
	m.raiseFence(s.Consensus.Promised.TS)
	m.owner.Erase(path)
	m.Changes = append(m.Changes, m.stampsChange()) // in the same persist.
}
