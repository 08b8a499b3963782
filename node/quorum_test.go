package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (b *bench) quorum(i int, op OpKind, path, value string) uint64 {
	b.nextReq++
	b.note("client -> %s: quorum %s %s %q", b.machine[i].name, op, path, value)
	b.step(i, &Request{ID: b.nextReq, Op: op, Level: Quorum, Path: path, Value: []byte(value), Deadline: b.now + 3*time.Second})
	return b.nextReq
}

func (b *bench) doQuorum(i int, op OpKind, path, value string) Response {
	b.t.Helper()
	id := b.quorum(i, op, path, value)
	b.run(5*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

// A write that reached one other member of three is answered; a reader elsewhere finds it, and puts it on a majority of disks
// itself before it answers.
func TestTranscriptQuorumReadRepairs(t *testing.T) {
	b := founded(t, 3)
	b.run(2*time.Second, nil)
	b.say = &strings.Builder{}
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	r := b.doQuorum(0, OpPut, "a", "one")
	require.Equal(t, CodeCreated, r.Code)
	require.Equal(t, Quorum, r.Level)
	require.Equal(t, "one", b.shows(1, "a"), "on a majority before the answer")
	b.cut = func(from, to string) bool { return from == "n1" || to == "n1" }
	r = b.doQuorum(2, OpGet, "a", "")
	require.Equal(t, "one", string(r.Record.Value))
	require.Equal(t, "one", b.shows(2, "a"))
	b.cut = nil
	require.Equal(t, CodeNotFound, b.doQuorum(1, OpGet, "nothing", "").Code)
	require.Equal(t, CodeOK, b.doQuorum(1, OpDelete, "a", "").Code)
	require.Equal(t, CodeNotFound, b.doQuorum(2, OpGet, "a", "").Code)
	transcript(t, b, "quorum.txt")
	b.run(time.Minute, func() bool { return b.same() && len(b.machine[0].node.quorum.ops) == 0 })
	for _, m := range b.machine {
		require.Zero(t, m.node.quorum.open)
	}
}

func TestQuorumWithoutMajority(t *testing.T) {
	b := founded(t, 3)
	b.cut = func(from, to string) bool { return true }
	r := b.doQuorum(0, OpPut, "a", "one")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeUnknown, r.Outcome, "it is stored here, and will spread")
	require.Contains(t, r.Detail, "1 of 3 voters answered in time, 2 are needed")
	b.run(time.Minute, nil) // until the others are known to be dead.
	r = b.doQuorum(0, OpPut, "b", "one")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Empty(t, b.shows(0, "b"))
	require.Equal(t, CodeNoQuorum, b.doQuorum(0, OpGet, "a", "").Code)
	b.cut = nil
	b.run(2*time.Minute, func() bool { return b.members(3) && b.shows(2, "a") == "one" })
}

// A member that missed two changes of voters finds no majority in those it still takes for voters, although one of them answers it: what
// the only voter of today acknowledged is on no disk but its own.
func TestQuorumObeysEpochs(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, CodeCreated, b.doQuorum(0, OpPut, "a", "one").Code)
	b.run(time.Second, func() bool { return b.same() })
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	require.Equal(t, CodeOK, b.voterOp(0, OpDemote, b.machine[2].node.id).Code)
	require.Equal(t, CodeOK, b.voterOp(0, OpDemote, b.machine[1].node.id).Code)
	b.run(time.Second, func() bool { return b.machine[1].node.epoch() == 3 })
	b.cut = func(from, to string) bool { return from == "n1" || to == "n1" }
	require.Equal(t, CodeOK, b.doQuorum(0, OpPut, "a", "two").Code)
	require.Equal(t, uint64(1), b.machine[2].node.epoch())
	r := b.doQuorum(2, OpGet, "a", "")
	require.Equal(t, CodeNoQuorum, r.Code, "it read %q", r.Record.Value)
	require.Equal(t, uint64(3), b.machine[2].node.epoch(), "it was told")
	r = b.doQuorum(2, OpPut, "b", "one")
	require.Equal(t, CodeNoQuorum, r.Code)
	b.cut = nil
	b.run(time.Minute, func() bool { return b.members(3) })
	require.Equal(t, "two", string(b.doQuorum(2, OpGet, "a", "").Record.Value))
}

// An operation under way when the voters change asks anew, under the new epoch, and ends well.
func TestQuorumGoesOnInTheNextEpoch(t *testing.T) {
	b := founded(t, 3)
	b.lose = func(from string, s Send) bool {
		return s.Transport == TransportFrame && msgKind(s.Data[1]) == msgStored
	}
	id := b.quorum(0, OpPut, "a", "one")
	b.run(100*time.Millisecond, nil)
	b.lose = nil
	require.Equal(t, CodeOK, b.voterOp(1, OpDemote, b.machine[2].node.id).Code)
	b.run(5*time.Second, func() bool { _, ok := b.machine[0].replies[id]; return ok })
	require.Equal(t, CodeCreated, b.machine[0].replies[id].Code)
	require.Equal(t, uint64(2), b.machine[0].node.epoch())
}

// Before members have met there are no voters, so that nobody takes itself for a majority.
func TestQuorumBeforeMembersHaveMet(t *testing.T) {
	b := newBench(t, 2)
	b.events = nil // the first messages are lost.
	b.cut = func(from, to string) bool { return true }
	r := b.doQuorum(1, OpPut, "a", "alone")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	one := newBench(t, 1)
	one.machine[0].node.opts.ExpectedMembers = 1 // its seed n2 does not exist.
	one.run(time.Second, func() bool { return one.machine[0].node.config != nil })
	require.Equal(t, CodeCreated, one.doQuorum(0, OpPut, "a", "alone").Code)
}
