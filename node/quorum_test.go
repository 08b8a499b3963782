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
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
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
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.cut = func(from, to string) bool { return true }
	r := b.doQuorum(0, OpPut, "a", "one")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeUnknown, r.Outcome, "it is stored here, and will spread")
	require.Contains(t, r.Detail, "1 of 3 members answered in time, 2 are needed")
	b.run(time.Minute, nil) // until the others are known to be dead.
	r = b.doQuorum(0, OpPut, "b", "one")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	require.Empty(t, b.shows(0, "b"))
	require.Equal(t, CodeNoQuorum, b.doQuorum(0, OpGet, "a", "").Code)
	b.cut = nil
	b.run(2*time.Minute, func() bool { return b.members(3) && b.shows(2, "a") == "one" })
}

// Before members have met, the expected size of the cluster keeps each from being a majority by itself.
func TestQuorumBeforeMembersHaveMet(t *testing.T) {
	b := newBench(t, 2)
	b.events = nil // the first messages are lost.
	b.cut = func(from, to string) bool { return true }
	r := b.doQuorum(1, OpPut, "a", "alone")
	require.Equal(t, CodeNoQuorum, r.Code)
	require.Equal(t, OutcomeNotApplied, r.Outcome)
	one := newBench(t, 1)
	one.machine[0].node.opts.ExpectedMembers = 1 // its seed n2 does not exist.
	require.Equal(t, CodeCreated, one.doQuorum(0, OpPut, "a", "alone").Code)
}
