package node

import (
	"encoding/binary"
	"maps"
	"slices"
)

// AppendOperationState appends an unambiguous form of everything in memory that the further course of linearizable operations depends
// on: those under way, whose turn it is, the clock, the configuration. Together with the store, what waits for the disk and the
// messages on their way it is the state of an explorer. Left out: when timers are due, the names of exchanges to come, and whatever is
// not about operations.
func (n *Node) AppendOperationState(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, n.epoch())
	b = binary.LittleEndian.AppendUint64(b, n.passed)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.clock.Last()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(n.register.ops)))
	for _, o := range n.register.ops {
		b = o.appendState(b, n.durable)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(n.register.turns)))
	for _, path := range slices.Sorted(maps.Keys(n.register.turns)) {
		t := n.register.turns[path]
		b = appendString(b, path)
		b = binary.LittleEndian.AppendUint64(b, t.holder.request.ID)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.waiting)))
		for _, o := range t.waiting {
			b = o.appendState(b, n.durable)
		}
	}
	return b
}

func (o *registerOp) appendState(b []byte, durable PersistID) []byte {
	b = binary.LittleEndian.AppendUint64(b, o.request.ID)
	b = append(b, byte(o.phase), boolByte(o.internal), boolByte(o.created))
	b = append(b, o.uuid[:]...)
	b = binary.LittleEndian.AppendUint64(b, o.round)
	b = appendBallot(b, o.ballot)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(o.answers)))
	for i := range o.answers {
		b = binary.LittleEndian.AppendUint64(b, uint64(o.answers[i].voter))
		b = appendSlotState(b, o.request.Path, &o.answers[i].slot)
	}
	b = appendIDs(appendIDs(b, o.oks), o.against)
	b = binary.LittleEndian.AppendUint64(b, uint64(o.first))
	b = binary.LittleEndian.AppendUint64(b, uint64(o.raised))
	b = binary.LittleEndian.AppendUint32(b, uint32(o.lost))
	b = appendSlotState(b, o.request.Path, &Slot{Consensus: o.next})
	for _, waits := range []PersistID{o.after, o.local} {
		if waits <= durable {
			waits = 0
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(waits))
	}
	return append(b, byte(o.result.Code), byte(o.result.Outcome))
}

// appendSlotState appends a slot and its length, which is zero for one that holds nothing.
func appendSlotState(b []byte, path string, s *Slot) []byte {
	var slot []byte
	if s.Consensus != nil || len(s.Candidates) > 0 {
		slot = EncodeSlot(path, s)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(slot))), slot...)
}

func boolByte(is bool) byte {
	if is {
		return 1
	}
	return 0
}
