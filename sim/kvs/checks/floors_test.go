package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// stampsRecord is what node/tombstones stores.
func stampsRecord(fence node.Timestamp, floors ...wire.Floor) []byte {
	b := slot.AppendVersion([]byte{schema.Format}, node.Version{TS: fence})[:9]
	b = append(b, 0, 0, 0, 0)
	return schema.Seal(schema.KeyStamps, wire.AppendFloors(b, floors))
}

// What belongs to the end of a tombstone and is not stored with it.
func TestUnstoredStampsAreFound(t *testing.T) {
	path := "a"
	word := wire.Collected{Fence: 9, Floors: []wire.Floor{{Member: 2, Stamp: 30}, {Member: 3, Stamp: 40}},
		Paths: []wire.HeldVersion{{Path: path}}}
	end := func(changes ...sim.Change) []sim.Violation {
		w := bare(t)
		c, r := newFloorCheck(w), &w.Replicas[1]
		r.ID = 3
		tombstone := slot.Of(&node.Record{TS: 8, UUID: node.UUID{1}, Tombstone: true})
		w.Disks.Stored(1, path, &tombstone)
		frame := speaker(2).Frame(wire.KindCollected, &word)
		c.stepped(r, &sim.Event{Input: &sim.Input{Kind: sim.InputFrame, Data: frame}, Effects: &sim.Effects{
			Persist: sim.Persist{Changes: append(changes, sim.Change{Key: schema.PrefixRecord + path})}}})
		return w.Violations()
	}
	stamps := func(fence node.Timestamp, floor wire.Stamp) sim.Change {
		return sim.Change{Key: schema.KeyStamps, Value: stampsRecord(fence, wire.Floor{Member: 2, Stamp: floor})}
	}
	require.Empty(t, end(stamps(9, 30)))
	requireBroken(t, end(), promiseFloors, "stores a fence at")
	requireBroken(t, end(stamps(8, 30)), promiseFloors, "which is below")
	requireBroken(t, end(stamps(9, 29)), promiseFloors, "up to stamp 29, which should be 30")
}

// What members acknowledge, and what the one that asked makes of it.
func TestWrongFloorsAreFound(t *testing.T) {
	w := bare(t)
	c, r := newFloorCheck(w), &w.Replicas[1]
	by := speaker(2)
	c.answered(r, []sim.Send{{Transport: sim.TransportFrame, Data: by.Frame(wire.KindReplicate, &wire.Replicate{})}})
	sealed := c.members[1].sealed
	say := func(upTo wire.Stamp) []byte {
		frame := by.Frame(wire.KindCollectAnswer, &wire.CollectAnswer{Round: 5, UpTo: upTo})
		c.answered(r, []sim.Send{{Transport: sim.TransportFrame, Data: frame}})
		return frame
	}
	said := say(sealed)
	require.Empty(t, w.Violations())
	word := wire.Collected{Floors: []wire.Floor{{Member: 2, Stamp: sealed}}}
	in := &sim.Input{Kind: sim.InputFrame, Data: said}
	c.concludes(r, in, []wire.Collected{word})
	require.Empty(t, w.Violations())
	word.Floors[0].Stamp--
	c.concludes(r, in, []wire.Collected{word})
	requireBroken(t, w.Violations(), promiseFloors, "passes on that frames of")

	w.TakeViolations()
	say(sealed - 1)
	requireBroken(t, w.Violations(), promiseFloors, "and has sent stamp")
}

// A frame below the floor that a member takes in.
func TestLateFrameIsFound(t *testing.T) {
	w, _ := lived(t)
	c, r := newFloorCheck(w.World), &w.Replicas[1]
	by := speaker(w.Replicas[2].ID)
	frame := by.Frame(wire.KindReplicateAck, &wire.ReplicateAck{})
	stamp := wire.ReadStamp(frame)
	take := func(floor wire.Stamp, counts uint64) []sim.Violation {
		w.TakeViolations()
		c.members[1].stamps.floors = []wire.Floor{{Member: w.Replicas[2].ID, Stamp: floor}}
		c.Observe(&sim.Event{Kind: sim.EventReceived, Replica: r.Replica, Transport: sim.TransportFrame,
			Message: frame})
		if l := c.members[1].late; l != nil {
			l.counted -= counts
		}
		c.Observe(&sim.Event{Kind: sim.EventStepped, Replica: r.Replica, Effects: &sim.Effects{}})
		return w.Violations()
	}
	require.Empty(t, take(stamp-1, 0), "it is above the floor")
	require.Empty(t, take(stamp, 1), "it was refused")
	requireBroken(t, take(stamp, 0), promiseFloors, "takes in a replicate-ack")
}

// A member on an older copy of its disk that does not know it.
func TestOlderCopyFires(t *testing.T) {
	w, _ := lived(t)
	c, r := newOlderCheck(w.World), &w.Replicas[1]
	frame := speaker(r.ID).Frame(wire.KindPromised, &wire.Promised{})
	say := func() {
		c.Observe(&sim.Event{Kind: sim.EventSent, Replica: r.Replica,
			Send: &sim.Send{Transport: sim.TransportFrame, Data: frame}})
	}
	say()
	require.Empty(t, w.Violations())
	r.Older = true
	say()
	requireBroken(t, w.Violations(), promiseOlder, "gives its word: promised")
	w.TakeViolations()
	for range int(olderMax / sim.WatchEvery) {
		require.Empty(t, w.Violations())
		c.Observe(&sim.Event{Kind: world.MemberLooked, Replica: r.Replica})
	}
	requireBroken(t, w.Violations(), promiseOlder, "has not found out")
}
