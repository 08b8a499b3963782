package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/node/wire"
)

func (b *bench) state(viewer int, id slot.ID) string {
	m, ok := b.machine[viewer].node.membership.Lookup(id)
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

// A member dies and is removed; what it held alone stays its own when it comes back, it is told why, and it may join
// again with an empty disk.
func TestTranscriptRemoval(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(20*time.Second, func() bool { c := b.machine[0].node.InForce; return c != nil && len(c.Voters) == 3 })
	b.run(5*time.Second, nil)
	b.say = &strings.Builder{}
	id := b.machine[2].node.Self

	b.note("n3 is cut off, takes a write, and dies")
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	b.do(2, contract.OpPut, "a", "only on n3")
	b.crash(2)
	b.run(time.Minute, func() bool { return b.state(0, id) == "dead" && b.state(1, id) == "dead" })
	require.ErrorIs(t, b.machine[0].node.CanRemove(b.machine[1].node.Self, false), swim.ErrMemberAlive)
	require.NoError(t, b.machine[0].node.CanRemove(id, false))
	b.note("n1 is told to remove n3")
	b.step(0, &contract.Remove{ID: id})
	b.run(10*time.Second, func() bool {
		s := b.machine[0].node.Status()
		return s.Booked && b.state(1, id) == "removed"
	})
	b.run(20*time.Second, func() bool {
		return !b.machine[0].node.InForce.Votes(id) && !b.machine[1].node.InForce.Votes(id)
	})
	for i := range 2 {
		_, votes := b.machine[i].node.RosterIndex(id)
		require.False(t, votes)
		require.Nil(t, b.machine[i].node.Peer(id))
		require.Len(t, b.machine[i].electorate.Members(), 2)
	}
	b.note("n3 is back, with its data")
	b.cut = nil
	b.start(2)
	b.run(10*time.Second, func() bool { return b.machine[2].node.membership.Gone() })
	require.True(t, b.hasSaid(2, "this member was removed on "))
	s := b.machine[2].node.Status()
	require.Equal(t, contract.ModeReadOnly, s.Mode)
	require.Contains(t, s.ModeReasons[0], "set its data folder aside")
	require.Equal(t, contract.CodeReadOnly, b.do(2, contract.OpPut, "b", "refused").Code)
	say := b.say
	b.say = nil
	b.run(time.Minute, nil)
	b.say = say
	require.Empty(t, b.shows(0, "a"))
	require.True(t, b.members(2) || b.state(0, id) == "removed")

	b.note("n3 starts with an empty disk")
	b.crash(2)
	b.wipe(2)
	b.newcomers = true
	b.start(2)
	b.run(20*time.Second, func() bool { return b.members(3) && b.machine[2].node.Mode() == contract.ModeNormal })
	b.do(2, contract.OpPut, "c", "from the new n3")
	b.run(10*time.Second, func() bool { return b.shows(0, "c") != "" && b.shows(1, "c") != "" })
	require.Len(t, b.machine[0].electorate.Members(), 3)
	transcript(t, b, "removal.txt")
}

// What a removed member sends is refused although its sender does not know yet.
func TestFramesOfTheRemovedAreRefused(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	frame := b.machine[2].node.Frame(wire.KindReplicate,
		&wire.Replicate{Entries: []wire.Entry{
			{Path: "a", Record: encodeRecord("a", &slot.Record{TS: 1 << 60, UUID: slot.UUID{1}, Value: []byte("v")})}}})
	b.step(0, &contract.Remove{ID: b.machine[2].node.Self, Force: true})
	b.step(0, &contract.Frame{Data: frame})
	b.run(time.Second, nil)
	require.Empty(t, b.shows(0, "a"))
}

// A removal is known from the first moment after a restart, on all sides.
func TestRemovalIsKept(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	id := b.machine[2].node.Self
	b.step(0, &contract.Remove{ID: id, Force: true})
	b.run(20*time.Second, func() bool { return b.machine[2].node.membership.Gone() && b.state(1, id) == "removed" })
	b.run(time.Second, nil)
	for i := range 3 {
		b.crash(i)
		b.start(i)
		require.Equal(t, "removed", b.state(i, id))
		require.Len(t, b.machine[i].electorate.Members(), 2)
		require.Nil(t, b.machine[i].node.Peer(id))
	}
	require.True(t, b.machine[2].node.membership.Gone())
	require.Empty(t, b.machine[2].node.Peers)
}

// A member that leaves hands over first; afterwards the others count without it.
func TestLeaving(t *testing.T) {
	b := founded(t, 3)
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	b.do(2, contract.OpPut, "a", "v")
	have, need := b.machine[2].node.handedOver()
	require.Equal(t, 0, have)
	require.Equal(t, 2, need)
	b.cut = nil
	b.run(20*time.Second, func() bool { have, need := b.machine[2].node.handedOver(); return have >= need })
	require.Equal(t, "v", b.shows(0, "a"))
	b.step(2, contract.Leave{})
	b.run(10*time.Second, func() bool { s := b.machine[2].node.Status(); return s.Left && s.Booked })
	b.run(10*time.Second, func() bool {
		return b.state(0, b.machine[2].node.Self) == "left" && b.state(1, b.machine[2].node.Self) == "left"
	})
	b.run(time.Minute, func() bool { return len(b.machine[0].node.InForce.Voters) == 2 })
	b.crash(1)
	require.Equal(t, contract.CodeNoQuorum, b.doQuorum(0, contract.OpPut, "b", "v").Code, "one of two that count")
	b.crash(2)
	b.start(2)
	require.True(t, b.hasSaid(2, "left the cluster for good on"))
	require.Empty(t, b.machine[2].node.Peers)
}

// Of a cluster of two the one that left would be a majority of those that it still counts.
func TestWhoLeftAnswersNoQuorumRead(t *testing.T) {
	b := founded(t, 2)
	require.Equal(t, contract.CodeCreated, b.doQuorum(0, contract.OpPut, "a", "one").Code)
	require.Equal(t, "one", string(b.doQuorum(1, contract.OpGet, "a", "").Record.Value))
	b.nextReq++ // it gives up its vote first, as kvs leave does.
	b.step(1, &contract.Request{ID: b.nextReq, Op: contract.OpDemote, Level: contract.Linearizable,
		Path: b.machine[1].node.Self.String(), Deadline: b.now + 5*time.Second})
	b.run(10*time.Second, func() bool { return len(b.machine[0].node.InForce.Voters) == 1 })
	b.step(1, contract.Leave{})
	b.run(10*time.Second, func() bool { return b.state(0, b.machine[1].node.Self) == "left" })
	require.Equal(t, contract.CodeOK, b.doQuorum(0, contract.OpPut, "a", "two").Code)
	r := b.doQuorum(1, contract.OpGet, "a", "")
	require.Equal(t, contract.CodeNoQuorum, r.Code)
	require.Contains(t, r.Detail, "left the cluster")
}

// Two processes with one identity say so, and how often is bounded.
func TestClashIsSaid(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.add()
	b.restore(2, b.machine[1].store)
	b.start(2)
	b.run(3*time.Minute, nil)
	for _, i := range []int{1, 2} {
		require.NotEmpty(t, b.machine[i].node.Status().Clash)
		said := 0
		for _, l := range b.machine[i].logs {
			if l.Level == contract.LogError && strings.Contains(l.Msg, "has the identity of this node") {
				said++
			}
		}
		require.True(t, said >= 1 && said <= 4, "n%d said it %d times", i+1, said)
	}
}

// One of three that sees nobody may be the one that is cut off: it does not retire the two others.
func TestAMinorityRemovesNoVoter(t *testing.T) {
	b := founded(t, 3)
	b.crash(1)
	b.crash(2)
	second := b.machine[1].node.Self
	b.run(time.Minute, func() bool {
		return b.state(0, second) == "dead" && b.machine[0].node.VotersAlive() == 1
	})
	require.ErrorIs(t, b.machine[0].node.CanRemove(second, false), ErrVotersAway)
	b.step(0, &contract.Remove{ID: second})
	require.Equal(t, "dead", b.state(0, second))
	b.start(2)
	b.run(time.Minute, func() bool { return b.machine[0].node.VotersAlive() == 2 })
	require.NoError(t, b.machine[0].node.CanRemove(second, false), "two of three can do without it")
	b.crash(2)
	b.run(time.Minute, func() bool { return b.machine[0].node.VotersAlive() == 1 })
	b.step(0, &contract.Remove{ID: second, Force: true})
	require.Equal(t, "removed", b.state(0, second))
}
