package tombstones

import (
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// Tombstones that rot. An acknowledgement stays true only while the member holds the tombstone. A record whose checksum
// is wrong is lost, and a copy of another member replaces it: one that has been on its way since before the tombstone
// would bring the value back here, and once the others have dropped the tombstone, everywhere. So the list of
// tombstones has a copy of each (index.go), written in the same persist, and what rots is made anew from it.

// Left is what is left of a slot that cannot be read: a consensus half above all that it may have held, and the
// tombstone that the list has a copy of. That one is taken in as the copy of a peer would be: this member has held it,
// and if it has held something newer since, the tombstone loses against that.
func (m *Machine) Left(path string) slot.Slot {
	left := slot.Slot{Consensus: m.Lost(path)}
	b, ok, err := m.Store.Get(schema.PrefixTombstone + path)
	if err != nil || !ok || len(b) <= indexBytes || b[0] != indexFormat {
		return left
	}
	kept, err := slot.Decode(path, b[indexBytes:])
	if err != nil {
		return left
	}
	left, _ = slot.Merge(&left, &kept, m.Self, m.Self, m.Electorate)
	return left
}

// Remake writes a tombstone anew that has rotted under a path. Was is the version that the record had. It reports
// whether the list has a copy of that version: what was lost may be a newer one, which is for other members to send.
func (m *Machine) Remake(path string, was slot.Version) bool {
	left := m.Left(path)
	if !left.Exists() || left.Top() != was.TS || !m.shows(&left) {
		return false
	}
	m.Log(contract.LogWarn, "a tombstone that was damaged is made anew", "path", path)
	m.owner.Write(path, slot.Store(path, &left, m.Electorate))
	return true
}

// shows reports whether a tombstone shows.
func (m *Machine) shows(s *slot.Slot) bool {
	rec := m.Electorate.Visible(s)
	return rec.Tombstone
}

// strip takes a tombstone out of a slot on which this member is blind, when all members have acknowledged it, or a
// later one: it has rotted here since. The mark stays, because this member may have accepted a record after its
// acknowledgement.
func (m *Machine) strip(k *wire.HeldVersion) {
	if _, pending := m.Overlay.ByPath[k.Path]; pending {
		return
	}
	b, ok, err := m.Store.Get(schema.PrefixRecord + k.Path)
	if err != nil || !ok || !slot.EncodedBoth(b) {
		return
	}
	s, err := slot.Decode(k.Path, b)
	if err != nil || !s.Consensus.Blind || !s.Exists() || s.Top() > k.TS || !m.shows(&s) {
		return
	}
	bare := slot.Slot{Consensus: &slot.Consensus{Blind: true, Promised: s.Consensus.Promised}}
	m.owner.Write(k.Path, slot.Store(k.Path, &bare, m.Electorate))
	m.List(k.Path, nil)
	m.Counters.TombstonesDropped++
}
