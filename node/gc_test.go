package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// keysWith counts the keys below a prefix on a machine's disk.
func (m *machine) keysWith(prefix string) (count int) {
	for _, k := range m.store.keys {
		if _, there := m.store.m[k]; there && strings.HasPrefix(k, prefix) {
			count++
		}
	}
	return count
}

// grace shortens the grace time.
func grace(d time.Duration) func(*Tuning) { return func(t *Tuning) { t.TombstoneGrace = d } }

// gone reports whether no machine that is up holds anything under a record's or a tombstone's key.
func (b *bench) gone() bool {
	for _, m := range b.machine {
		if m.up && m.keysWith(prefixRecord)+m.keysWith(prefixTombstone) > 0 {
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
	b.lose = func(from string, s Send) bool {
		if s.To == "n3" && !lost && s.Transport == TransportFrame && msgKind(s.Data[1]) == msgGoneWord {
			lost = true
			b.note("  (it never reaches n3)")
			return true
		}
		return false
	}
	b.do(0, OpPut, "a", "one")
	b.do(1, OpDelete, "a", "")
	b.run(30*time.Second, b.gone)
	b.run(5*time.Second, nil)
	b.say = nil
	require.True(t, lost)
	require.True(t, b.gone())
	golden(t, "tombstone-end.txt", []byte(say.String()))
}

func TestTombstonesWaitForTheDead(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.do(0, OpPut, "a", "one")
	b.run(2*time.Second, b.same)
	b.crash(2)
	b.do(0, OpDelete, "a", "")
	b.run(5*time.Minute, nil)
	require.Equal(t, 1, b.machine[0].keysWith(prefixRecord), "one member may still bring the value back")
	b.start(2)
	b.run(time.Minute, b.gone)
	for i := range b.machine {
		require.Equal(t, "", b.shows(i, "a"))
	}
}

// Space is really given back: of many deleted keys nothing stays, and values beside them do.
func TestManyTombstonesGo(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	const keys = 3*collectMax + 7
	for i := range keys {
		b.request(i%3, OpPut, fmt.Sprintf("k%04d", i), "v")
	}
	b.do(0, OpPut, "stays", "v")
	b.run(time.Minute, b.same)
	for i := range keys {
		b.request((i+1)%3, OpDelete, fmt.Sprintf("k%04d", i), "")
	}
	b.run(time.Minute, func() bool {
		for _, m := range b.machine {
			if m.keysWith(prefixRecord) != 1 || m.keysWith(prefixTombstone) != 0 {
				return false
			}
		}
		return true
	})
	require.True(t, b.same())
	require.Equal(t, "v", b.shows(2, "stays"))
}

// A key that is written again after its tombstone went has a version above it, whatever the clocks say, restarts included.
func TestWrittenAgainAfterTheEnd(t *testing.T) {
	b := newBenchWith(t, 2, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.machine[0].wall = time.Hour.Milliseconds()
	del := b.do(0, OpDelete, "a", "")
	b.run(time.Minute, b.gone)
	for i := range b.machine {
		b.machine[i].wall = 0
		b.crash(i)
		b.start(i)
	}
	b.run(5*time.Second, func() bool { return b.members(2) })
	put := b.do(1, OpPut, "a", "again")
	require.Greater(t, put.Record.TS, del.Record.TS)
}

// A value that was on its way when its tombstone went does not come back; the record of its sender's stamps outlives restarts.
func TestLateValueStaysDead(t *testing.T) {
	b := newBenchWith(t, 2, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(2) })
	var late [][]byte
	b.lose = func(from string, s Send) bool {
		if from == "n1" && s.Transport == TransportFrame && msgKind(s.Data[1]) == msgReplicate && len(late) == 0 {
			late = append(late, append([]byte{}, s.Data...))
			return true
		}
		return false
	}
	b.do(0, OpPut, "a", "one")
	b.run(time.Second, func() bool { return len(late) == 1 })
	b.run(5*time.Second, b.same)
	b.do(0, OpDelete, "a", "")
	b.run(time.Minute, b.gone)
	b.crash(1)
	b.start(1)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.step(1, &Frame{Data: late[0]})
	b.run(time.Minute, nil)
	require.True(t, b.gone())
	require.Equal(t, uint64(1), b.machine[1].node.counters.FramesLate)
}

func TestConflictsEndWhenSettled(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.cut = func(from, to string) bool { return true }
	b.step(0, &Request{ID: 901, Op: OpPut, Level: Eventual, Path: "a", Value: []byte("x")})
	b.step(1, &Request{ID: 902, Op: OpDelete, Level: Eventual, Path: "a"})
	b.run(50*time.Millisecond, nil)
	require.Equal(t, b.machine[0].replies[901].Record.TS, b.machine[1].replies[902].Record.TS)
	b.cut = nil
	b.run(time.Minute, func() bool { return b.same() && b.machine[2].keysWith(prefixRecord) < 2 && b.members(3) })
	b.run(30*time.Second, nil)
	require.True(t, b.same())
	slot := Slot{}
	if b.machine[0].keysWith(prefixRecord) == 1 {
		_, slot, _ = b.machine[0].node.currentSlot("a")
		require.False(t, b.machine[0].node.electorate.Visible(&slot).Tombstone, "a settled tombstone ends")
	}
}

// A write that was accepted by a majority without its proposer learning of it, then deleted, and whose tombstone is gone, must not
// be done once more: that nothing is there does not mean that it never was.
func TestEndedAttemptIsUnknown(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) })
	n := b.machine[0].node
	del := b.do(1, OpDelete, "a", "")
	b.run(2*time.Second, b.same)
	n.now.Mono = b.now
	o := &registerOp{request: &Request{Path: "a"}, uuid: UUID{1}, firstAt: b.now}
	require.False(t, n.mayHaveEnded(o), "no ACCEPT was sent")
	o.first = del.Record.TS + 1
	require.False(t, n.mayHaveEnded(o), "what is there is older")
	o.first = del.Record.TS
	require.True(t, n.mayHaveEnded(o), "a tombstone that others may have dropped")
	o.uuid = del.Record.UUID
	require.False(t, n.mayHaveEnded(o), "its own, and there was no time for its end")
	o.firstAt -= time.Second
	require.True(t, n.mayHaveEnded(o))
	b.run(time.Minute, b.gone)
	o.uuid = UUID{1}
	require.True(t, n.mayHaveEnded(o), "gone, under a fence as high")
}

// An eventual delete over a value that a linearizable write left ends too: what lies beneath is replaced first.
func TestTombstoneOverLinearizableValue(t *testing.T) {
	b := newBenchWith(t, 3, grace(time.Second))
	b.run(5*time.Second, func() bool { return b.members(3) && b.machine[0].node.config != nil })
	b.nextReq++
	b.step(0, &Request{ID: b.nextReq, Op: OpPut, Level: Linearizable, Path: "a", Value: []byte("one")})
	b.run(5*time.Second, func() bool { return b.machine[0].replies[b.nextReq].Code == CodeCreated })
	b.run(5*time.Second, b.same)
	b.do(1, OpDelete, "a", "")
	b.run(2*time.Second, b.same)
	_, slot, err := b.machine[2].node.currentSlot("a")
	require.NoError(t, err)
	require.Equal(t, "one", string(slot.Consensus.Record.Value))
	b.run(30*time.Second, b.gone)
}

// What a voter promised between its acknowledgement of a tombstone and the word that the tombstone may go is no less a promise: with the
// slot it would be forgotten, and an older ballot accepted. Two creations of one path would both succeed.
func TestPromiseOutlivesItsTombstone(t *testing.T) {
	b := newBenchWith(t, 3, func(x *Tuning) { x.TombstoneGrace = 400 * time.Millisecond })
	b.found(3)
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "a", "x", always).Code)
	kind := func(s Send, k msgKind) bool { return s.Transport == TransportFrame && msgKind(s.Data[1]) == k }
	var word []byte
	b.spy = func(from string, s Send) {
		if s.To == "n2" && kind(s, msgGoneWord) && word == nil {
			word = append([]byte{}, s.Data...)
		}
	}
	b.lose = func(from string, s Send) bool { return s.To == "n2" && kind(s, msgGoneWord) }
	require.Equal(t, CodeOK, b.doLinear(0, OpDelete, "a", "", always).Code)
	b.run(20*time.Second, func() bool { return word != nil })

	// n1 and n3 prepare at n2 alone, one after the other: n2 has promised the higher ballot of n3.
	create := Condition{Kind: IfNoneMatch, Any: true}
	b.lose = func(from string, s Send) bool {
		return kind(s, msgAccept) || kind(s, msgPrepare) && s.To != "n2" || kind(s, msgGoneWord)
	}
	one := b.linear(0, OpPut, "a", "first", create)
	b.run(time.Second, func() bool { return b.accepted(0, "a") })
	two := b.linear(2, OpPut, "a", "second", create)
	b.run(time.Second, func() bool { return b.accepted(2, "a") })
	_, slot, err := b.machine[1].node.currentSlot("a")
	require.NoError(t, err)
	promised := slot.Consensus.promised()
	b.push(benchEvent{at: b.now, to: 1, in: &Frame{Data: word}})
	b.run(10*time.Millisecond, nil)
	_, slot, err = b.machine[1].node.currentSlot("a")
	require.NoError(t, err)
	require.False(t, slot.Exists(), "the tombstone is gone")
	require.GreaterOrEqual(t, b.machine[1].node.stamps.fence, promised.TS)

	b.lose = func(from string, s Send) bool { return kind(s, msgAccept) && (from != "n1" || s.To != "n2") }
	b.run(3*time.Second, func() bool { _, ok := b.machine[0].replies[one]; return ok })
	b.lose = func(from string, s Send) bool { return kind(s, msgAccept) && from == "n1" }
	b.run(3*time.Second, func() bool { _, ok := b.machine[2].replies[two]; return ok })
	created := 0
	for _, r := range []Response{b.machine[0].replies[one], b.machine[2].replies[two]} {
		if r.Code == CodeCreated {
			created++
		}
	}
	require.LessOrEqual(t, created, 1)
}

// A tombstone that came in below a promise is not acknowledged: the round that has the promise may have seen what was deleted, and repeat
// it. A linearizable read settles it first. deletes-retried, seed 198.
func TestWeakTombstoneIsNotAcknowledged(t *testing.T) {
	b := newBenchWith(t, 3, grace(400*time.Millisecond))
	b.found(3)
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "a", "x", always).Code)
	b.run(time.Second, nil)
	kind := func(s Send, k msgKind) bool { return s.Transport == TransportFrame && msgKind(s.Data[1]) == k }
	b.lose = func(from string, s Send) bool { // n3's tombstone stays with itself, and n1 hears nothing of it.
		return from == "n3" && !kind(s, msgPrepare) && s.Transport == TransportFrame || s.To == "n3" && from == "n1"
	}
	b.nextReq++
	b.step(2, &Request{ID: b.nextReq, Op: OpDelete, Level: Linearizable, Path: "a", Deadline: b.now + 100*time.Millisecond})
	b.run(time.Second, func() bool { r, ok := b.machine[2].replies[b.nextReq]; return ok && r.Outcome == OutcomeUnknown })
	refused := b.doLinear(0, OpPut, "a", "y", Condition{Kind: IfNoneMatch, Any: true})
	require.Equal(t, CodePrecondition, refused.Code)
	for _, m := range b.machine { // nobody settles it meanwhile.
		m.node.register.open += absorbMax
	}
	b.lose = nil
	weak := func(i int) bool {
		_, state := b.machine[i].node.tombstone("a")
		return state == tombstoneWeak
	}
	b.run(20*time.Second, func() bool { return weak(0) && weak(1) })
	require.True(t, weak(0) && weak(1))
	b.run(5*time.Second, nil)
	require.True(t, weak(0) && weak(1), "it stays")
	for _, m := range b.machine {
		m.node.register.open -= absorbMax
	}
	b.run(30*time.Second, b.gone)
	require.Equal(t, CodeNotFound, b.doLinear(1, OpGet, "a", "", always).Code)
}

// Conditions that are refused on paths without a value leave a promise behind at each voter. Those end as tombstones do, and are kept by
// the fence: no ballot below them gets in, and no copy below them counts for an answer.
func TestPromisesEnd(t *testing.T) {
	b := newBenchWith(t, 3, grace(400*time.Millisecond))
	b.found(3)
	for i := range 100 {
		path := fmt.Sprintf("p%d", i)
		require.Equal(t, CodePrecondition, b.doLinear(i%3, OpPut, path, "x", Condition{Kind: IfMatch, Any: true}).Code)
	}
	held := func(i int) (count int) {
		for _, prefix := range []string{prefixRecord, prefixTombstone} {
			require.NoError(t, b.machine[i].store.Scan(prefix, "", func(string, []byte) bool { count++; return true }))
		}
		return count
	}
	_, slot, err := b.machine[1].node.currentSlot("p99")
	require.NoError(t, err)
	promised := slot.Consensus.promised()
	require.False(t, promised.IsZero())
	b.run(time.Minute, func() bool { return held(0)+held(1)+held(2) == 0 })
	for i := range b.machine {
		require.Zero(t, held(i))
	}

	n := b.machine[1].node
	require.GreaterOrEqual(t, n.stamps.fence, promised.TS)
	below := promised
	below.TS--
	v, ok := n.accept("p99", &Consensus{Promised: below, Ballot: below, Record: Record{TS: below.TS, UUID: UUID{1}}})
	require.True(t, ok)
	require.False(t, v.ok, "the promise stands")
	late := Slot{Consensus: &Consensus{Promised: below, Ballot: below, Record: Record{TS: below.TS, UUID: UUID{1}, Origin: 1}}}
	_, err = n.merge(n.peers[0], "p99", EncodeSlot("p99", &late))
	require.NoError(t, err)
	_, slot, err = n.currentSlot("p99")
	require.NoError(t, err)
	require.True(t, slot.Consensus.Weak, "what stood below a promise is shown, and counts for nothing")

	b.crash(1)
	b.start(1)
	require.GreaterOrEqual(t, b.machine[1].node.stamps.fence, promised.TS, "on disk before the promise was gone")
	require.Equal(t, CodeCreated, b.doLinear(0, OpPut, "p1", "there", always).Code)
}
