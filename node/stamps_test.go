package node

import (
	"testing"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"

	"github.com/stretchr/testify/require"
)

// An identity's stamps rise from envelope to envelope and from run to run.
func TestStampsRiseOverRestarts(t *testing.T) {
	n := sampleNode()
	last := n.LastStamp()
	for range 3 {
		n.Boots++
		n.Sealed = 0
		for range 100 {
			s := wire.ReadStamp(n.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: 1}))
			require.Greater(t, s, last)
			last = s
		}
	}
}

// A frame that its sender stamped before what it acknowledged last is refused, also after a restart; a later one is
// not.
func TestLateFramesAreRefused(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	sender, receiver := b.machine[0].node, b.machine[1].node
	r := sampleRecord()
	frame := func(path string) []byte {
		return sender.Frame(wire.KindReplicate,
			&wire.Replicate{Entries: []wire.Entry{{Path: path, Record: encodeRecord(path, &r)}}})
	}
	early := frame("early")
	floor := sender.LastStamp()
	late := frame("late")

	for _, stamp := range []wire.Stamp{floor, 1} { // floors only rise.
		word := &wire.Collected{Floors: []wire.Floor{{Member: sender.Self, Stamp: stamp}}}
		require.NoError(t, receiver.tombstones.HandleCollected(receiver.Peer(sender.Self), word))
	}
	b.step(1, contract.Tick{})
	b.run(50*time.Millisecond, nil)
	b.crash(1)
	b.start(1)
	b.run(5*time.Second, func() bool { return b.machine[1].node.Peer(sender.Self) != nil })
	b.step(1, &contract.Frame{Data: early})
	require.Equal(t, uint64(1), b.machine[1].node.Counters.FramesLate)
	b.step(1, &contract.Frame{Data: late})
	b.run(50*time.Millisecond, nil)
	require.Equal(t, uint64(1), b.machine[1].node.Counters.FramesLate)
	require.Equal(t, "", b.shows(1, "early"))
	require.Equal(t, "hello", b.shows(1, "late"))
}

// What waits for a peer, or is sent again, carries what its sender holds by then: never an old record under a new
// stamp.
func TestNothingOldUnderANewStamp(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	carried := map[string]wire.Stamp{} // by value: the highest stamp of a frame from n1 to n2 that carried it.
	b.cut = func(from, to string) bool { return from == "n2" && to == "n1" }
	b.spy = func(from string, s contract.Send) {
		kind, _, body, err := wire.Open(s.Data, wire.ClusterHash("test"))
		require.NoError(t, err)
		if from != "n1" || s.To != "n2" || kind != wire.KindReplicate {
			return
		}
		var m wire.Replicate
		require.NoError(t, m.Decode(body))
		for _, e := range m.Entries {
			slot, err := slot.Decode(e.Path, e.Record)
			require.NoError(t, err)
			carried[e.Path+"="+string(slot.Candidates[0].Value)] = wire.ReadStamp(s.Data)
		}
	}
	b.do(0, contract.OpPut, "flying", "old")  // sent, and never acknowledged.
	b.do(0, contract.OpPut, "waiting", "old") // queued behind it.
	b.do(2, contract.OpPut, "flying", "new")
	b.do(2, contract.OpPut, "waiting", "new")
	b.run(5*time.Second, func() bool { return b.shows(0, "flying") == "new" && b.shows(0, "waiting") == "new" })
	known := b.machine[0].node.LastStamp()
	b.run(5*time.Second, func() bool { return carried["flying=new"] != 0 })
	b.cut = nil
	b.run(20*time.Second, func() bool { return carried["waiting=new"] != 0 })
	require.Less(t, carried["flying=old"], known)
	require.Zero(t, carried["waiting=old"])
}

// Who was ever given a record counts for the end of a tombstone, and as a voter: a member that is dead, and was last
// heard of before a restart, is not forgotten, and those hear of it who never met it.
func TestTheDeadAreRememberedByAll(t *testing.T) {
	b := newBench(t, 3)
	b.crash(1)
	b.run(time.Second, func() bool {
		return b.machine[0].node.Peer(b.machine[2].node.Self) != nil && b.machine[0].node.Status().Booked
	})
	b.crash(0)
	dead := b.machine[2].node.Self
	b.start(1) // never met n3.
	b.crash(2)
	b.crash(1)
	b.wipe(1)
	b.start(1)
	b.start(0)
	b.run(20*time.Second, func() bool {
		_, first := b.machine[0].node.RosterIndex(dead)
		_, second := b.machine[1].node.RosterIndex(dead)
		return first && second && b.members(2)
	})
	for i := range 2 {
		// the address book is written anew, for the sake of a newcomer, by a run that has not met the dead one either.
		b.crash(0)
		b.start(0)
		newcomer := b.add()
		b.start(3 + i)
		b.run(20*time.Second, func() bool { return b.machine[0].node.Peer(newcomer.node.Self) != nil })
		b.run(50*time.Millisecond, nil)
	}
	_, known := b.machine[0].node.RosterIndex(dead)
	require.True(t, known)
}

func TestAcknowledgementOfAFormerRun(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(5*time.Second, nil)
	var ack []byte
	b.lose = func(from string, s contract.Send) bool {
		if from == "n2" && s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindReplicateAck {
			ack = append([]byte{}, s.Data...)
		}
		return ack != nil
	}
	b.do(0, contract.OpPut, "a", "one")
	b.run(time.Second, func() bool { return ack != nil })
	b.crash(0)
	b.lose = nil
	b.start(0)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true }
	n := b.machine[0].node
	b.do(0, contract.OpPut, "b", "two")
	p := n.Peer(b.machine[1].node.Self)
	require.Equal(t, n.ExchangeID(1), n.replication.Status(p).InFlight)
	b.step(0, &contract.Frame{Data: ack})
	require.NotZero(t, n.replication.Status(p).InFlight, "what is in flight was not delivered")
}

// A batch that was on its way to a member arrives at whoever is at its address by then, and is acknowledged by that
// one.
func TestAcknowledgementOfAnotherMembersBatch(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(5*time.Second, nil)
	b.cut = func(from, to string) bool { return true }
	b.do(0, contract.OpPut, "a", "one")
	b.run(100*time.Millisecond, nil)
	n, second, third := b.machine[0].node, b.machine[1].node, b.machine[2].node
	toSecond, toThird := n.Peer(second.Self), n.Peer(third.Self)
	require.NotZero(t, n.replication.Status(toThird).InFlight)
	b.step(0, &contract.Frame{
		Data: second.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: n.replication.Status(toThird).InFlight})})
	require.NotZero(t, n.replication.Status(toSecond).InFlight, "it has acknowledged what was meant for another one")
	b.step(0, &contract.Frame{
		Data: second.Frame(wire.KindReplicateAck, &wire.ReplicateAck{Seq: n.replication.Status(toSecond).InFlight})})
	require.Zero(t, n.replication.Status(toSecond).InFlight)
}

// The same question of two members, or of two runs of one, has two names: an answer counts for one of them alone.
func TestExchangesAreNamedApart(t *testing.T) {
	seen := map[uint64]bool{}
	for id := slot.ID(1); id <= 100; id++ {
		for boots := uint64(1); boots <= 100; boots++ {
			first := step.FirstExchange(id, boots, 5)
			require.Less(t, first, uint64(1)<<63, "there is room for a run")
			require.False(t, seen[first>>24], "two runs begin near each other")
			seen[first>>24] = true
		}
	}
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(5*time.Second, nil)
	b.cut = func(from, to string) bool { return true }
	n, second, third := b.machine[0].node, b.machine[1].node, b.machine[2].node
	var asked wire.Store
	b.spy = func(_ string, s contract.Send) {
		if s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindStore {
			require.NoError(t, asked.Decode(s.Data[wire.HeaderBytes:len(s.Data)-4]))
		}
	}
	id := b.quorum(0, contract.OpPut, "a", "one")
	b.run(10*time.Millisecond, nil)
	require.NotZero(t, asked.Op)
	theirs := third.ExchangeID(asked.Op - n.ExchangeID(0))
	b.step(0, &contract.Frame{Data: second.Frame(wire.KindStored, &wire.Stored{Op: theirs, Epoch: n.Epoch()})})
	b.run(10*time.Millisecond, nil)
	require.NotContains(t, b.machine[0].replies, id, "somebody else's write was stored")
	b.step(0, &contract.Frame{Data: second.Frame(wire.KindStored, &wire.Stored{Op: asked.Op, Epoch: n.Epoch()})})
	b.run(10*time.Millisecond, nil)
	require.Contains(t, b.machine[0].replies, id)
}
