package node

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/swim"
)

func (b *bench) state(viewer int, id ID) string {
	m, ok := b.machine[viewer].node.swim.Lookup(id)
	if !ok {
		return "nothing"
	}
	return m.State.String()
}

func (b *bench) hasSaid(i int, text string) bool {
	for _, l := range b.machine[i].logs {
		if strings.Contains(l.Msg, text) {
			return true
		}
	}
	return false
}

// A member dies and is removed; what it held alone stays its own when it comes back, it is told why, and it may join again
// with an empty disk.
func TestTranscriptRemoval(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(20*time.Second, func() bool { c := b.machine[0].node.config; return c != nil && len(c.Voters) == 3 })
	b.run(5*time.Second, nil)
	b.say = &strings.Builder{}
	id := b.machine[2].node.id

	b.note("n3 is cut off, takes a write, and dies")
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	b.do(2, OpPut, "a", "only on n3")
	b.crash(2)
	b.run(time.Minute, func() bool { return b.state(0, id) == "dead" && b.state(1, id) == "dead" })
	require.ErrorIs(t, b.machine[0].node.CanRemove(b.machine[1].node.id, false), swim.ErrMemberAlive)
	require.NoError(t, b.machine[0].node.CanRemove(id, false))
	b.note("n1 is told to remove n3")
	b.step(0, &Remove{ID: id})
	b.run(10*time.Second, func() bool { s := b.machine[0].node.Status(); return s.Booked && b.state(1, id) == "removed" })
	b.run(20*time.Second, func() bool { return !b.machine[0].node.config.Votes(id) && !b.machine[1].node.config.Votes(id) })
	for i := range 2 {
		_, votes := b.machine[i].node.rosterIndex(id)
		require.False(t, votes)
		require.Nil(t, b.machine[i].node.peer(id))
		require.Len(t, b.machine[i].electorate.Members(), 2)
	}
	b.note("n3 is back, with its data")
	b.cut = nil
	b.start(2)
	b.run(10*time.Second, func() bool { return b.machine[2].node.gone() })
	require.True(t, b.hasSaid(2, "this member was removed on "))
	s := b.machine[2].node.Status()
	require.Equal(t, ModeReadOnly, s.Mode)
	require.Contains(t, s.ModeReasons[0], "remove its data folder")
	require.Equal(t, CodeReadOnly, b.do(2, OpPut, "b", "refused").Code)
	say := b.say
	b.say = nil
	b.run(time.Minute, nil)
	b.say = say
	require.Empty(t, b.shows(0, "a"))
	require.True(t, b.members(2) || b.state(0, id) == "removed")

	b.note("n3 starts with an empty disk")
	b.crash(2)
	b.machine[2].store, b.newcomers = newMapStore(), true
	b.start(2)
	b.run(20*time.Second, func() bool { return b.members(3) && b.machine[2].node.Mode() == ModeNormal })
	b.do(2, OpPut, "c", "from the new n3")
	b.run(10*time.Second, func() bool { return b.shows(0, "c") != "" && b.shows(1, "c") != "" })
	require.Len(t, b.machine[0].electorate.Members(), 3)
	transcript(t, b, "removal.txt")
}

// What a removed member sends is refused although its sender does not know yet.
func TestFramesOfTheRemovedAreRefused(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	frame := b.machine[2].node.encodeReplicate(&replicate{entries: []entry{{"a", encodeRecord("a", &Record{TS: 1 << 60, UUID: UUID{1}, Value: []byte("v")})}}})
	b.step(0, &Remove{ID: b.machine[2].node.id, Force: true})
	b.step(0, &Frame{Data: frame})
	b.run(time.Second, nil)
	require.Empty(t, b.shows(0, "a"))
}

// A removal is known from the first moment after a restart, on all sides.
func TestRemovalIsKept(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	id := b.machine[2].node.id
	b.step(0, &Remove{ID: id, Force: true})
	b.run(20*time.Second, func() bool { return b.machine[2].node.gone() && b.state(1, id) == "removed" })
	b.run(time.Second, nil)
	for i := range 3 {
		b.crash(i)
		b.start(i)
		require.Equal(t, "removed", b.state(i, id))
		require.Len(t, b.machine[i].electorate.Members(), 2)
		require.Nil(t, b.machine[i].node.peer(id))
	}
	require.True(t, b.machine[2].node.gone())
	require.Empty(t, b.machine[2].node.peers)
}

// A member that leaves hands over first; afterwards the others count without it.
func TestLeaving(t *testing.T) {
	b := founded(t, 3)
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	b.do(2, OpPut, "a", "v")
	have, need := b.machine[2].node.handedOver()
	require.Equal(t, 0, have)
	require.Equal(t, 2, need)
	b.cut = nil
	b.run(20*time.Second, func() bool { have, need := b.machine[2].node.handedOver(); return have >= need })
	require.Equal(t, "v", b.shows(0, "a"))
	b.step(2, Leave{})
	b.run(10*time.Second, func() bool { s := b.machine[2].node.Status(); return s.Left && s.Booked })
	b.run(10*time.Second, func() bool {
		return b.state(0, b.machine[2].node.id) == "left" && b.state(1, b.machine[2].node.id) == "left"
	})
	b.run(time.Minute, func() bool { return len(b.machine[0].node.config.Voters) == 2 })
	b.crash(1)
	require.Equal(t, CodeNoQuorum, b.doQuorum(0, OpPut, "b", "v").Code, "one of two that count")
	b.crash(2)
	b.start(2)
	require.True(t, b.hasSaid(2, "left the cluster for good on"))
	require.Empty(t, b.machine[2].node.peers)
}

// Of a cluster of two the one that left would be a majority of those that it still counts.
func TestWhoLeftAnswersNoQuorumRead(t *testing.T) {
	b := founded(t, 2)
	require.Equal(t, CodeCreated, b.doQuorum(0, OpPut, "a", "one").Code)
	require.Equal(t, "one", string(b.doQuorum(1, OpGet, "a", "").Record.Value))
	b.nextReq++ // it gives up its vote first, as kvs leave does.
	b.step(1, &Request{ID: b.nextReq, Op: OpDemote, Level: Linearizable, Path: b.machine[1].node.id.String(), Deadline: b.now + 5*time.Second})
	b.run(10*time.Second, func() bool { return len(b.machine[0].node.config.Voters) == 1 })
	b.step(1, Leave{})
	b.run(10*time.Second, func() bool { return b.state(0, b.machine[1].node.id) == "left" })
	require.Equal(t, CodeOK, b.doQuorum(0, OpPut, "a", "two").Code)
	r := b.doQuorum(1, OpGet, "a", "")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Contains(t, r.Detail, "left the cluster")
}

// Two processes with one identity say so, and how often is bounded.
func TestClashIsSaid(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.machine = append(b.machine, &machine{name: "n3", store: copyOf(b.machine[1].store), replies: map[uint64]Response{}})
	b.start(2)
	b.run(3*time.Minute, nil)
	for _, i := range []int{1, 2} {
		require.NotEmpty(t, b.machine[i].node.Status().Clash)
		said := 0
		for _, l := range b.machine[i].logs {
			if l.Level == LogError && strings.Contains(l.Msg, "has the identity of this node") {
				said++
			}
		}
		require.True(t, said >= 1 && said <= 4, "n%d said it %d times", i+1, said)
	}
}

func copyOf(s *mapStore) *mapStore {
	return &mapStore{m: maps.Clone(s.m), keys: slices.Clone(s.keys)}
}

// The address book of every format is read; those who are gone come first.
func TestBookGolden(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	n := b.machine[0].node
	n.swim.Tick(b.now, &swim.Output{})
	require.NoError(t, n.swim.Remove(b.now, b.machine[1].node.id, true, 1_700_000_000_000, &swim.Output{}))
	v2 := n.bookOp().Value
	v1 := []byte{1, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, byte(swim.Suspect), 2, 0, 'n', '2', 4, 0, 'n', '2', ':', '1'}
	v1 = sealMeta(keyMembers, v1)
	golden(t, "book.hex", fmt.Appendf(nil, "1 %x\n2 %x\n", v1, v2))

	for _, c := range []struct {
		data []byte
		want swim.Member
	}{
		{v1, swim.Member{ID: 2, Born: 9, State: swim.Suspect, Name: "n2", Addr: "n2:1"}},
		{v2, swim.Member{ID: b.machine[1].node.id, Born: uint64(b.machine[1].node.born), State: swim.Removed, GoneAt: 1_700_000_000_000, Name: "n2", Addr: "n2"}},
	} {
		r, format, err := openMetaUpTo(keyMembers, c.data, bookFormat)
		require.NoError(t, err)
		book, ok := decodeBook(r, format, 1000)
		require.True(t, ok)
		require.Equal(t, []swim.Member{c.want}, book, hex.EncodeToString(c.data))
	}
}

func FuzzBook(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0}, byte(2))
	f.Fuzz(func(t *testing.T, data []byte, format byte) {
		book, ok := decodeBook(&wireReader{b: data}, format, 1000)
		if !ok {
			return
		}
		for _, m := range book {
			require.LessOrEqual(t, m.State, swim.Removed)
			require.Equal(t, m.State.Gone(), m.GoneAt != 0)
		}
	})
}

// One of three that sees nobody may be the one that is cut off: it does not retire the two others.
func TestAMinorityRemovesNoVoter(t *testing.T) {
	b := founded(t, 3)
	b.crash(1)
	b.crash(2)
	second := b.machine[1].node.id
	b.run(time.Minute, func() bool { return b.state(0, second) == "dead" && b.machine[0].node.votersAlive() == 1 })
	require.ErrorIs(t, b.machine[0].node.CanRemove(second, false), ErrVotersAway)
	b.step(0, &Remove{ID: second})
	require.Equal(t, "dead", b.state(0, second))
	b.start(2)
	b.run(time.Minute, func() bool { return b.machine[0].node.votersAlive() == 2 })
	require.NoError(t, b.machine[0].node.CanRemove(second, false), "two of three can do without it")
	b.crash(2)
	b.run(time.Minute, func() bool { return b.machine[0].node.votersAlive() == 1 })
	b.step(0, &Remove{ID: second, Force: true})
	require.Equal(t, "removed", b.state(0, second))
}
