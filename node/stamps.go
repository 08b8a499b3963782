package node

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Stamp numbers the envelopes that one identity seals. It rises from each to the next, restarts included: its upper part is the
// number of the start, which is on disk before anything is said, so nothing more has to be persisted for it.
//
// What stamps are for: once a tombstone is dropped, an older version that is still under way would bring the value back. Each
// member that acknowledges a tombstone does so in an envelope, and whatever it sealed before may hold what the tombstone had
// replaced. So whoever drops a tombstone refuses from then on all frames that a member stamped up to its acknowledgement. This
// is right only if a frame holds nothing older than its stamp says: a frame that is sent again is either the very same, with its
// old stamp, or encoded anew from what its sender holds by then. Never an old content under a new stamp.
//
// The floor is one for a sender and not one for a path: it costs eight bytes a member instead of a record for each path that
// ever was. A frame that is refused although it would do no harm is repeated by its sender, like one that got lost.
type Stamp uint64

// stampCountBits is the lower part: so many envelopes in one run, at a million a second half a year. The upper part has room
// for a million starts.
const stampCountBits = 44

// stamps is what a node knows of them.
type stamps struct {
	sealed uint64  // envelopes of this run.
	floors []floor // sorted by member.

	// fence is at or above every version, promise and ballot of the tombstones that were dropped. The node's own clock
	// stays above it, so that a value written where a tombstone was is never older than it. No round at or below it may get
	// anything from this member.
	fence Timestamp

	generation uint32 // counts parts of the grace time: see gc.go.
}

// floor is the highest stamp of a member up to which its frames are refused.
type floor struct {
	member ID
	stamp  Stamp
}

// The record m/stamps: format u8, fence u64, generation u32, count u32, then for each member its ID u64 and stamp u64.
const (
	keyStamps  = prefixMeta + "stamps"
	floorBytes = 16
	floorsMax  = 4096
)

func (n *Node) nextStamp() Stamp {
	n.stamps.sealed++
	if n.stamps.sealed >= 1<<stampCountBits || n.boots >= 1<<(64-stampCountBits) {
		invariant(false, "stamps are used up: restart the node", "sealed", n.stamps.sealed, "boots", n.boots)
	}
	return n.lastStamp()
}

// lastStamp is at or above the stamp of everything that this node has sealed.
func (n *Node) lastStamp() Stamp { return Stamp(n.boots<<stampCountBits | n.stamps.sealed) }

// tooLate reports whether a frame is older than what its sender has acknowledged since.
func (n *Node) tooLate(from ID, s Stamp) bool {
	i, known := n.stamps.find(from)
	return known && s <= n.stamps.floors[i].stamp
}

func (s *stamps) find(member ID) (int, bool) {
	return slices.BinarySearchFunc(s.floors, member, func(f floor, id ID) int { return compareID(f.member, id) })
}

// raise refuses what member stamped up to at. Floors only rise: refusing too much costs a repetition, refusing too little a
// deleted value's return.
func (s *stamps) raise(member ID, at Stamp) {
	i, known := s.find(member)
	if !known {
		s.floors = slices.Insert(s.floors, i, floor{member: member})
	}
	s.floors[i].stamp = max(s.floors[i].stamp, at)
}

// raiseFence lifts the fence, and with it the node's own clock.
func (n *Node) raiseFence(to Timestamp) {
	n.stamps.fence = max(n.stamps.fence, to)
	n.clock.Observe(n.stamps.fence)
}

// stampsOp writes floors and fence. Identities that are no members any more are left out when there are very many: their frames
// are refused for that reason alone.
func (n *Node) stampsOp() Op {
	if len(n.stamps.floors) > floorsMax/2 {
		n.stamps.floors = slices.DeleteFunc(n.stamps.floors, func(f floor) bool {
			_, known := n.rosterIndex(f.member)
			return !known
		})
	}
	b := []byte{metaFormat}
	b = binary.LittleEndian.AppendUint64(b, uint64(n.stamps.fence))
	b = binary.LittleEndian.AppendUint32(b, n.stamps.generation)
	b = appendFloors(b, n.stamps.floors)
	return Op{Key: keyStamps, Value: sealMeta(keyStamps, b)}
}

func appendFloors(b []byte, floors []floor) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(floors)))
	for _, f := range floors {
		b = binary.LittleEndian.AppendUint64(b, uint64(f.member))
		b = binary.LittleEndian.AppendUint64(b, uint64(f.stamp))
	}
	return b
}

func (r *wireReader) floors() []floor {
	count := r.count(floorsMax, floorBytes)
	out := make([]floor, 0, count)
	for range count {
		f := floor{member: ID(r.u64()), stamp: Stamp(r.u64())}
		if k := len(out); k > 0 && out[k-1].member >= f.member {
			r.bad = true
		}
		out = append(out, f)
	}
	return out
}

// recoverStamps reads what a former run refused, and lifts the clock above the fence.
func (n *Node) recoverStamps() error {
	r, err := n.readMeta(keyStamps)
	if err != nil {
		return fmt.Errorf("recover stamps: %w", err)
	}
	if r == nil {
		return nil
	}
	fence := Timestamp(r.u64())
	n.stamps.generation = r.u32()
	n.stamps.floors = r.floors()
	if r.end() != nil {
		return fmt.Errorf("recover stamps: impossible content: %w", ErrCorrupt)
	}
	n.raiseFence(fence)
	return nil
}
