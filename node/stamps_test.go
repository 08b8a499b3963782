package node

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStampsGolden(t *testing.T) {
	n := sampleNode()
	n.stamps = stamps{fence: 77, generation: 3, floors: []floor{{member: 5, stamp: 9}, {member: 6, stamp: 1 << stampCountBits}}}
	op, grave := n.stampsOp(), n.tombstoneOp("a/b")
	golden(t, "stamps-v1.hex", []byte(hex.EncodeToString(op.Value)+"\n"+hex.EncodeToString(grave.Value)+"\n"))

	again := sampleNode()
	store := newMapStore()
	require.NoError(t, store.Apply([]Op{op}))
	again.store = store
	require.NoError(t, again.recoverStamps())
	require.Equal(t, n.stamps, again.stamps)
	require.Equal(t, Timestamp(77), again.clock.Last(), "the clock stays above the fence")
	for i := range op.Value {
		require.NoError(t, store.Apply([]Op{{Key: keyStamps, Value: op.Value[:i]}}))
		require.ErrorIs(t, again.recoverStamps(), ErrCorrupt, "cut to %d", i)
	}
}

// An identity's stamps rise from envelope to envelope and from run to run.
func TestStampsRiseOverRestarts(t *testing.T) {
	n := sampleNode()
	last := n.lastStamp()
	for range 3 {
		n.boots++
		n.stamps.sealed = 0
		for range 100 {
			s := envelopeStamp(n.encodeReplicateAck(1))
			require.Greater(t, s, last)
			last = s
		}
	}
}

// A frame that its sender stamped before what it acknowledged last is refused, also after a restart; a later one is not.
func TestLateFramesAreRefused(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	sender, receiver := b.machine[0].node, b.machine[1].node
	r := sampleRecord()
	frame := func(path string) []byte {
		return sender.encodeReplicate(&replicate{entries: []entry{{path, encodeRecord(path, &r)}}})
	}
	early := frame("early")
	floor := sender.lastStamp()
	late := frame("late")

	receiver.stamps.raise(sender.id, floor)
	receiver.stamps.raise(sender.id, 1)
	receiver.ops = append(receiver.ops, receiver.stampsOp())
	b.step(1, Tick{})
	b.run(50*time.Millisecond, nil)
	b.crash(1)
	b.start(1)
	b.run(5*time.Second, func() bool { return b.machine[1].node.peer(sender.id) != nil })
	b.step(1, &Frame{Data: early})
	require.Equal(t, uint64(1), b.machine[1].node.counters.FramesLate)
	b.step(1, &Frame{Data: late})
	b.run(50*time.Millisecond, nil)
	require.Equal(t, uint64(1), b.machine[1].node.counters.FramesLate)
	require.Equal(t, "", b.shows(1, "early"))
	require.Equal(t, "hello", b.shows(1, "late"))
}

// What waits for a peer, or is sent again, carries what its sender holds by then: never an old record under a new stamp.
func TestNothingOldUnderANewStamp(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	carried := map[string]Stamp{} // by value: the highest stamp of a frame from n1 to n2 that carried it.
	b.cut = func(from, to string) bool { return from == "n2" && to == "n1" }
	b.spy = func(from string, s Send) {
		kind, _, body, err := openEnvelope(s.Data, clusterHash("test"))
		require.NoError(t, err)
		if from != "n1" || s.To != "n2" || kind != msgReplicate {
			return
		}
		m, err := decodeReplicate(body)
		require.NoError(t, err)
		for _, e := range m.entries {
			slot, err := DecodeSlot(e.path, e.record)
			require.NoError(t, err)
			carried[e.path+"="+string(slot.Candidates[0].Value)] = envelopeStamp(s.Data)
		}
	}
	b.do(0, OpPut, "flying", "old")  // sent, and never acknowledged.
	b.do(0, OpPut, "waiting", "old") // queued behind it.
	b.do(2, OpPut, "flying", "new")
	b.do(2, OpPut, "waiting", "new")
	b.run(5*time.Second, func() bool { return b.shows(0, "flying") == "new" && b.shows(0, "waiting") == "new" })
	known := b.machine[0].node.lastStamp()
	b.run(5*time.Second, func() bool { return carried["flying=new"] != 0 })
	b.cut = nil
	b.run(20*time.Second, func() bool { return carried["waiting=new"] != 0 })
	require.Less(t, carried["flying=old"], known)
	require.Zero(t, carried["waiting=old"])
}

// Who was ever given a record counts for the end of a tombstone, and as a voter: a member that is dead, and was last heard of
// before a restart, is not forgotten, and those hear of it who never met it.
func TestTheDeadAreRememberedByAll(t *testing.T) {
	b := newBench(t, 3)
	b.crash(1)
	b.run(time.Second, func() bool { return b.machine[0].node.peer(b.machine[2].node.id) != nil })
	b.crash(0)
	dead := b.machine[2].node.id
	b.start(1) // never met n3.
	b.crash(2)
	b.machine[1].store = newMapStore()
	b.crash(1)
	b.start(1)
	b.start(0)
	b.run(20*time.Second, func() bool {
		_, first := b.machine[0].node.rosterIndex(dead)
		_, second := b.machine[1].node.rosterIndex(dead)
		return first && second && b.members(2)
	})
	for range 2 { // the address book is written anew by a run that has not met the dead one either.
		b.crash(0)
		b.start(0)
		b.machine[0].node.booksDirty = true
		b.step(0, Tick{})
		b.run(50*time.Millisecond, nil)
	}
	_, known := b.machine[0].node.rosterIndex(dead)
	require.True(t, known)
}

func TestAcknowledgementOfAFormerRun(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.run(5*time.Second, nil)
	var ack []byte
	b.lose = func(from string, s Send) bool {
		if from == "n2" && s.Transport == TransportFrame && msgKind(s.Data[1]) == msgReplicateAck {
			ack = append([]byte{}, s.Data...)
		}
		return ack != nil
	}
	b.do(0, OpPut, "a", "one")
	b.run(time.Second, func() bool { return ack != nil })
	b.crash(0)
	b.lose = nil
	b.start(0)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.cut = func(from, to string) bool { return true }
	n := b.machine[0].node
	b.do(0, OpPut, "b", "two")
	p := n.peer(b.machine[1].node.id)
	require.Equal(t, uint64(1), n.batches)
	b.step(0, &Frame{Data: ack})
	require.NotNil(t, p.inflight.frame, "what is in flight was not delivered")
}

// A batch that was on its way to a member arrives at whoever is at its address by then, and is acknowledged by that one.
func TestAcknowledgementOfAnotherMembersBatch(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(5*time.Second, nil)
	b.cut = func(from, to string) bool { return true }
	b.do(0, OpPut, "a", "one")
	b.run(100*time.Millisecond, nil)
	n, second, third := b.machine[0].node, b.machine[1].node, b.machine[2].node
	toSecond, toThird := n.peer(second.id), n.peer(third.id)
	require.NotNil(t, toThird.inflight.frame)
	b.step(0, &Frame{Data: second.encodeReplicateAck(toThird.inflight.seq)})
	require.NotNil(t, toSecond.inflight.frame, "it has acknowledged what was meant for another one")
	b.step(0, &Frame{Data: second.encodeReplicateAck(toSecond.inflight.seq)})
	require.Nil(t, toSecond.inflight.frame)
}

// The same question of two members, or of two runs of one, has two names: an answer counts for one of them alone.
func TestExchangesAreNamedApart(t *testing.T) {
	seen := map[uint64]bool{}
	for id := ID(1); id <= 100; id++ {
		for boots := uint64(1); boots <= 100; boots++ {
			first := firstExchange(id, boots)
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
	id := b.quorum(0, OpPut, "a", "one")
	b.run(10*time.Millisecond, nil)
	require.Len(t, n.quorum.ops, 1)
	b.step(0, &Frame{Data: second.encodeStored(third.exchangeID(n.quorum.last), n.epoch())})
	b.run(10*time.Millisecond, nil)
	require.NotContains(t, b.machine[0].replies, id, "somebody else's write was stored")
	b.step(0, &Frame{Data: second.encodeStored(n.exchangeID(n.quorum.last), n.epoch())})
	b.run(10*time.Millisecond, nil)
	require.Contains(t, b.machine[0].replies, id)
}
