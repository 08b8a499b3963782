package tombstones

import (
	"encoding/binary"
	"fmt"
	"slices"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// stamps is what a node has to refuse: frames up to the floors, and versions up to the fence.
type stamps struct {
	floors []wire.Floor // sorted by member.

	// fence is at or above every version, promise and ballot of the tombstones that were dropped. The node's own clock
	// stays above it, so that a value written where a tombstone was is never older than it. This member accepts no
	// round at or below it.
	fence slot.Timestamp

	generation uint32 // counts parts of the grace time: see index.go.
}

// The record m/stamps: format u8, fence u64, generation u32, count u32, then for each member its ID u64 and stamp u64.

// TooLate reports whether a frame is at or below its sender's floor: the sender has acknowledged a tombstone since.
func (m *Machine) TooLate(from slot.ID, s wire.Stamp) bool {
	i, known := findFloor(m.stamps.floors, from)
	return known && s <= m.stamps.floors[i].Stamp
}

// Fence is at or above every version, promise and ballot of the tombstones that were dropped; zero: none was.
func (m *Machine) Fence() slot.Timestamp { return m.stamps.fence }

// findFloor is the index of a member's floor, or where it would be.
func findFloor(floors []wire.Floor, member slot.ID) (i int, known bool) {
	return slices.BinarySearchFunc(floors, member, func(f wire.Floor, id slot.ID) int {
		return slot.CompareID(f.Member, id)
	})
}

// raise refuses frames of member up to the stamp at. Floors only rise: a floor that is too high costs a repetition, one
// that is too low can bring a deleted value back.
func (s *stamps) raise(member slot.ID, at wire.Stamp) {
	i, known := findFloor(s.floors, member)
	if !known {
		s.floors = slices.Insert(s.floors, i, wire.Floor{Member: member})
	}
	s.floors[i].Stamp = max(s.floors[i].Stamp, at)
}

// raiseFence raises the fence, and with it the node's own clock.
func (m *Machine) raiseFence(to slot.Timestamp) {
	m.stamps.fence = max(m.stamps.fence, to)
	m.HLC.Observe(m.stamps.fence)
}

// stampsChange writes floors and fence. Identities that are no longer members are left out when there are very many:
// their frames are refused anyway.
func (m *Machine) stampsChange() contract.Change {
	if len(m.stamps.floors) > wire.FloorsMax/2 {
		m.stamps.floors = slices.DeleteFunc(m.stamps.floors, func(f wire.Floor) bool {
			_, known := m.RosterIndex(f.Member)
			return !known
		})
	}
	b := []byte{schema.Format}
	b = binary.LittleEndian.AppendUint64(b, uint64(m.stamps.fence))
	b = binary.LittleEndian.AppendUint32(b, m.stamps.generation)
	b = wire.AppendFloors(b, m.stamps.floors)
	return contract.Change{Key: schema.KeyStamps, Value: schema.Seal(schema.KeyStamps, b)}
}

// Recover reads the floors and the fence of a former run, and raises the clock above the fence.
func (m *Machine) Recover() error {
	r, err := m.ReadMeta(schema.KeyStamps)
	if err != nil {
		return fmt.Errorf("recover stamps: %w", err)
	}
	if r == nil {
		return nil
	}
	fence := slot.ReadTimestamp(r)
	m.stamps.generation = r.U32()
	m.stamps.floors = wire.ReadFloors(r)
	if r.End() != nil {
		return fmt.Errorf("recover stamps: impossible content: %w", codec.ErrCorrupt)
	}
	m.raiseFence(fence)
	return nil
}
