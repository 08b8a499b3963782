package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// grace shortens the grace time.
func grace(d time.Duration) func(*contract.Tuning) {
	return func(t *contract.Tuning) { t.TombstoneGrace = d }
}

// collected reports whether no machine that is up holds anything under a record's or a tombstone's key.
func (b *bench) collected() bool {
	for _, m := range b.machine {
		if m.replica.Up() && m.keysWith(schema.PrefixRecord)+m.keysWith(schema.PrefixTombstone) > 0 {
			return false
		}
	}
	return true
}

// The whole end of a tombstone, and what happens when one member misses the word.
func TestTranscriptTombstoneEnd(t *testing.T) {
	b := newBenchWith(t, 3, grace(2*time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	var say strings.Builder
	b.say = &say
	lost := false
	b.lose = func(from string, s contract.Send) bool {
		if s.To == "n3" && !lost && s.Transport == contract.TransportFrame &&
			wire.Kind(s.Data[1]) == wire.KindCollected {
			lost = true
			b.note("  (it never reaches n3)")
			return true
		}
		return false
	}
	b.do(0, contract.OpPut, "a", "one")
	b.do(1, contract.OpDelete, "a", "")
	b.run(30*time.Second, b.collected)
	b.run(5*time.Second, nil)
	b.say = nil
	require.True(t, lost)
	require.True(t, b.collected())
	golden(t, "tombstone-end.txt", []byte(say.String()))
}

func TestTombstonesWaitForTheDead(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.do(0, contract.OpPut, "a", "one")
	b.run(2*time.Second, b.same)
	b.crash(2)
	b.do(0, contract.OpDelete, "a", "")
	b.run(5*time.Minute, nil)
	require.Equal(t, 1, b.machine[0].keysWith(schema.PrefixRecord), "one member may still bring the value back")
	b.start(2)
	b.run(time.Minute, b.collected)
	for i := range b.machine {
		require.Equal(t, "", b.shows(i, "a"))
	}
}

// Space is really given back: of many deleted keys nothing stays, and values beside them do.
func TestManyTombstonesGo(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	const keys = 3*wire.CollectMax + 7
	for i := range keys {
		b.request(i%3, contract.OpPut, fmt.Sprintf("k%04d", i), "v")
	}
	b.do(0, contract.OpPut, "stays", "v")
	b.run(time.Minute, b.same)
	for i := range keys {
		b.request((i+1)%3, contract.OpDelete, fmt.Sprintf("k%04d", i), "")
	}
	b.run(time.Minute, func() bool {
		for _, m := range b.machine {
			if m.keysWith(schema.PrefixRecord) != 1 || m.keysWith(schema.PrefixTombstone) != 0 {
				return false
			}
		}
		return true
	})
	require.True(t, b.same())
	require.Equal(t, "v", b.shows(2, "stays"))
}

// A key that is written again after its tombstone went has a version above it, whatever the clocks say, restarts
// included.
func TestWrittenAgainAfterTheEnd(t *testing.T) {
	b := newBenchWith(t, 2, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.machine[0].wall = time.Hour.Milliseconds()
	del := b.do(0, contract.OpDelete, "a", "")
	b.run(time.Minute, b.collected)
	for i := range b.machine {
		b.machine[i].wall = 0
		b.crash(i)
		b.start(i)
	}
	b.run(5*time.Second, func() bool { return b.members(2) })
	put := b.do(1, contract.OpPut, "a", "again")
	require.Greater(t, put.Record.TS, del.Record.TS)
}

// A value that was on its way when its tombstone went does not come back; the record of its sender's stamps outlives
// restarts.
func TestLateValueStaysDead(t *testing.T) {
	b := newBenchWith(t, 2, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(2) })
	var late [][]byte
	b.lose = func(from string, s contract.Send) bool {
		if from == "n1" && s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindReplicate &&
			len(late) == 0 {
			late = append(late, append([]byte{}, s.Data...))
			return true
		}
		return false
	}
	b.do(0, contract.OpPut, "a", "one")
	b.run(time.Second, func() bool { return len(late) == 1 })
	b.run(5*time.Second, b.same)
	b.do(0, contract.OpDelete, "a", "")
	b.run(time.Minute, b.collected)
	b.crash(1)
	b.start(1)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.step(1, &contract.Frame{Data: late[0]})
	b.run(time.Minute, nil)
	require.True(t, b.collected())
	require.Equal(t, uint64(1), b.machine[1].node.Counters.FramesLate)
}

func TestConflictsEndWhenSettled(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.cut = func(from, to string) bool { return true }
	b.step(0, &contract.Request{ID: 901, Op: contract.OpPut, Level: contract.Eventual, Path: "a", Value: []byte("x")})
	b.step(1, &contract.Request{ID: 902, Op: contract.OpDelete, Level: contract.Eventual, Path: "a"})
	b.run(50*time.Millisecond, nil)
	require.Equal(t, b.machine[0].replies[901].Record.TS, b.machine[1].replies[902].Record.TS)
	b.cut = nil
	b.run(time.Minute, func() bool {
		return b.same() && b.machine[2].keysWith(schema.PrefixRecord) < 2 && b.members(3)
	})
	b.run(30*time.Second, nil)
	require.True(t, b.same())
	slot := slot.Slot{}
	if b.machine[0].keysWith(schema.PrefixRecord) == 1 {
		_, slot, _ = b.machine[0].node.CurrentSlot("a")
		require.False(t, b.machine[0].node.Electorate.Visible(&slot).Tombstone, "a settled tombstone ends")
	}
}

// An eventual delete over a value that a linearizable write left ends too: what lies beneath is replaced first.
func TestTombstoneOverLinearizableValue(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) && b.machine[0].node.InForce != nil })
	b.nextReq++
	b.step(0, &contract.Request{ID: b.nextReq, Op: contract.OpPut, Level: contract.Linearizable, Path: "a",
		Value: []byte("one")})
	b.run(5*time.Second, func() bool { return b.machine[0].replies[b.nextReq].Code == contract.CodeCreated })
	b.run(5*time.Second, b.same)
	b.do(1, contract.OpDelete, "a", "")
	b.run(2*time.Second, b.same)
	_, slot, err := b.machine[2].node.CurrentSlot("a")
	require.NoError(t, err)
	require.Equal(t, "one", string(slot.Consensus.Record.Value))
	b.run(30*time.Second, b.collected)
}

// What a voter promised between its acknowledgement of a tombstone and the word that the tombstone may go is no less a
// promise: with the slot it would be forgotten, and an older ballot accepted. Two creations of one path would both
// succeed.
func TestPromiseOutlivesItsTombstone(t *testing.T) {
	b := newBenchWith(t, 3, func(x *contract.Tuning) { x.TombstoneGrace = 400 * time.Millisecond })
	b.found(3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "x", always).Code)
	kind := func(s contract.Send, k wire.Kind) bool {
		return s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == k
	}
	var word []byte
	b.spy = func(from string, s contract.Send) {
		if s.To == "n2" && kind(s, wire.KindCollected) && word == nil {
			word = append([]byte{}, s.Data...)
		}
	}
	b.lose = func(from string, s contract.Send) bool { return s.To == "n2" && kind(s, wire.KindCollected) }
	require.Equal(t, contract.CodeOK, b.doLinear(0, contract.OpDelete, "a", "", always).Code)
	b.run(20*time.Second, func() bool { return word != nil })

	// n1 and n3 prepare at n2 alone, one after the other: n2 has promised the higher ballot of n3.
	create := contract.Condition{Kind: contract.IfNoneMatch, Any: true}
	b.lose = func(from string, s contract.Send) bool {
		late := kind(s, wire.KindReplicate) || kind(s, wire.KindLeafAnswer) // copies that travel in the background.
		return accepts(s) || kind(s, wire.KindPrepare) && s.To != "n2" || kind(s, wire.KindCollected) ||
			late
	}
	one := b.linear(0, contract.OpPut, "a", "first", create)
	b.run(time.Second, func() bool { return b.accepted(0, "a") })
	two := b.linear(2, contract.OpPut, "a", "second", create)
	b.run(time.Second, func() bool { return b.accepted(2, "a") })
	_, slot, err := b.machine[1].node.CurrentSlot("a")
	require.NoError(t, err)
	promised := slot.Consensus.Promise()
	b.push(benchEvent{at: b.now, to: 1, input: &contract.Frame{Data: word}})
	b.run(10*time.Millisecond, nil)
	_, slot, err = b.machine[1].node.CurrentSlot("a")
	require.NoError(t, err)
	require.False(t, slot.Exists(), "the tombstone was collected")
	require.GreaterOrEqual(t, b.machine[1].node.tombstones.Fence(), promised.TS)

	b.lose = func(from string, s contract.Send) bool {
		return accepts(s) && (from != "n1" || s.To != "n2")
	}
	b.run(3*time.Second, func() bool { _, ok := b.machine[0].replies[one]; return ok })
	b.lose = func(from string, s contract.Send) bool { return accepts(s) && from == "n1" }
	b.run(3*time.Second, func() bool { _, ok := b.machine[2].replies[two]; return ok })
	created := 0
	for _, r := range []contract.Response{b.machine[0].replies[one], b.machine[2].replies[two]} {
		if r.Code == contract.CodeCreated {
			created++
		}
	}
	require.LessOrEqual(t, created, 1)
}

// A tombstone that came in below a promise is not acknowledged: the round that has the promise may have seen what was
// deleted, and repeat it. A linearizable read settles it first. deletes-retried, seed 198.
func TestWeakTombstoneIsNotAcknowledged(t *testing.T) {
	b := newBenchWith(t, 3, grace(400*time.Millisecond))
	b.found(3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "x", always).Code)
	b.run(time.Second, nil)
	kind := func(s contract.Send, k wire.Kind) bool {
		return s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == k
	}
	b.lose = func(from string, s contract.Send) bool { // n3's tombstone stays with itself, and n1 hears nothing of it.
		return from == "n3" && !kind(s, wire.KindPrepare) && s.Transport == contract.TransportFrame ||
			s.To == "n3" && from == "n1"
	}
	b.nextReq++
	b.step(2, &contract.Request{ID: b.nextReq, Op: contract.OpDelete, Level: contract.Linearizable, Path: "a",
		Deadline: b.now + 100*time.Millisecond})
	b.run(time.Second, func() bool {
		r, ok := b.machine[2].replies[b.nextReq]
		return ok && r.Outcome == contract.OutcomeUnknown
	})
	refused := b.doLinear(0, contract.OpPut, "a", "y", contract.Condition{Kind: contract.IfNoneMatch, Any: true})
	require.Equal(t, contract.CodePrecondition, refused.Code)
	// No round settles it meanwhile: no look is answered.
	b.lose = func(from string, s contract.Send) bool { return kind(s, wire.KindLook) }
	weak := func(i int) bool {
		_, s, err := b.machine[i].node.CurrentSlot("a")
		require.NoError(t, err)
		return s.Consensus.Accepted() && s.Consensus.Weak && b.machine[i].node.Electorate.Visible(&s).Tombstone
	}
	b.run(20*time.Second, func() bool { return weak(0) && weak(1) })
	require.True(t, weak(0) && weak(1))
	b.run(5*time.Second, nil)
	require.True(t, weak(0) && weak(1), "it stays")
	b.lose = nil
	b.run(30*time.Second, b.collected)
	require.Equal(t, contract.CodeNotFound, b.doLinear(1, contract.OpGet, "a", "", always).Code)
}

// refused sends machine i an ACCEPT of a ballot, and returns the ballot that stands against it.
func (b *bench) refused(i int, path string, ballot slot.Ballot) (promised slot.Ballot) {
	from := b.machine[(i+1)%len(b.machine)].node
	ask := &wire.Accept{
		Question: wire.Question{Round: 1, Epoch: from.Epoch(), Path: path, Ballot: ballot},
		Consensus: &slot.Consensus{Promised: ballot, Ballot: ballot,
			Record: slot.Record{TS: ballot.TS, UUID: slot.UUID{1}}},
	}
	answers := 0
	spy := b.spy
	b.spy = func(_ string, s contract.Send) {
		if a := new(wire.Accepted); s.Transport == contract.TransportFrame &&
			wire.Kind(s.Data[1]) == wire.KindAccepted {
			require.NoError(b.t, a.Decode(s.Data[wire.HeaderBytes:len(s.Data)-4]))
			require.False(b.t, a.OK)
			promised = a.Promised
			answers++
		}
	}
	b.step(i, &contract.Frame{Data: from.Frame(wire.KindAccept, ask)})
	b.spy = spy
	require.Equal(b.t, 1, answers)
	return promised
}

// Versions of kvs before format 2 of m/promises stored promises as slots of their own. Those end as tombstones do, and
// are kept by the fence: no ballot below them gets in, and no copy below them counts for an answer.
func TestPromisesEnd(t *testing.T) {
	b := newBenchWith(t, 3, grace(400*time.Millisecond))
	b.found(3)
	b.run(time.Second, nil)
	n := b.machine[1].node
	promised := slot.Ballot{Epoch: n.Epoch(), TS: n.HLC.Last() + 5, Member: b.machine[0].node.Self}
	mere := &slot.Slot{Consensus: &slot.Consensus{Promised: promised}}
	for i := range b.machine {
		b.crash(i)
		for k := range 100 {
			path := fmt.Sprintf("p%d", k)
			require.NoError(t, b.machine[i].store.Apply([]contract.Change{
				{Key: schema.RecordKey(path), Value: slot.Encode(path, mere)},
				{Key: schema.PrefixTombstone + path, Value: []byte{1, 0, 0, 0, 0}},
			}))
		}
	}
	for i := range b.machine {
		b.start(i)
	}
	held := func(i int) (count int) {
		for _, prefix := range []string{schema.PrefixRecord, schema.PrefixTombstone} {
			require.NoError(t, b.machine[i].store.Scan(prefix, "", func(string, []byte) bool { count++; return true }))
		}
		return count
	}
	require.Equal(t, 200, held(1))
	b.run(time.Minute, func() bool { return held(0)+held(1)+held(2) == 0 })
	for i := range b.machine {
		require.Zero(t, held(i))
	}

	n = b.machine[1].node
	require.GreaterOrEqual(t, n.tombstones.Fence(), promised.TS)
	below := promised
	below.TS--
	require.GreaterOrEqual(t, b.refused(1, "p99", below).Compare(promised), 0, "the promise stands")
	late := slot.Slot{Consensus: &slot.Consensus{Promised: below, Ballot: below,
		Record: slot.Record{TS: below.TS, UUID: slot.UUID{1}, Origin: 1}}}
	_, err := n.replication.Merge(n.Peers[0], "p99", slot.Encode("p99", &late))
	require.NoError(t, err)
	_, stored, err := n.CurrentSlot("p99")
	require.NoError(t, err)
	require.True(t, stored.Consensus.Weak, "what stood below a promise is shown, and counts for nothing")

	b.crash(1)
	b.start(1)
	require.GreaterOrEqual(t, b.machine[1].node.tombstones.Fence(), promised.TS, "on disk before the promise was gone")
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "p1", "there", always).Code)
}
