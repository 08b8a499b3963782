package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/wire"
)

func (b *bench) quorum(i int, op contract.OpKind, path, value string) uint64 {
	b.nextReq++
	b.note("client -> %s: quorum %s %s %q", b.machine[i].name, op, path, value)
	b.step(i, &contract.Request{ID: b.nextReq, Op: op, Level: contract.Quorum, Path: path, Value: []byte(value),
		Deadline: b.now + 3*time.Second})
	return b.nextReq
}

func (b *bench) doQuorum(i int, op contract.OpKind, path, value string) contract.Response {
	b.t.Helper()
	id := b.quorum(i, op, path, value)
	b.run(5*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

// A write that reached one other member of three is answered; a reader elsewhere finds it, and puts it on a majority of
// disks itself before it answers.
func TestTranscriptQuorumReadRepairs(t *testing.T) {
	b := founded(t, 3)
	b.run(2*time.Second, nil)
	b.say = &strings.Builder{}
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	r := b.doQuorum(0, contract.OpPut, "a", "one")
	require.Equal(t, contract.CodeCreated, r.Code)
	require.Equal(t, contract.Quorum, r.Level)
	require.Equal(t, "one", b.shows(1, "a"), "on a majority before the answer")
	b.cut = func(from, to string) bool { return from == "n1" || to == "n1" }
	r = b.doQuorum(2, contract.OpGet, "a", "")
	require.Equal(t, "one", string(r.Record.Value))
	require.Equal(t, "one", b.shows(2, "a"))
	b.cut = nil
	require.Equal(t, contract.CodeNotFound, b.doQuorum(1, contract.OpGet, "nothing", "").Code)
	require.Equal(t, contract.CodeOK, b.doQuorum(1, contract.OpDelete, "a", "").Code)
	require.Equal(t, contract.CodeNotFound, b.doQuorum(2, contract.OpGet, "a", "").Code)
	transcript(t, b, "quorum.txt")
	b.run(time.Minute, func() bool { return b.same() && b.machine[0].node.quorum.Idle() })
	for _, m := range b.machine {
		require.Empty(t, m.node.OpenOperations())
	}
}

func TestQuorumWithoutMajority(t *testing.T) {
	b := founded(t, 3)
	b.cut = func(from, to string) bool { return true }
	r := b.doQuorum(0, contract.OpPut, "a", "one")
	require.Equal(t, contract.CodeNoQuorum, r.Code)
	require.Equal(t, contract.OutcomeUnknown, r.Outcome, "it is stored here, and will spread")
	require.Contains(t, r.Detail, "1 of 3 voters answered in time, 2 are needed")
	b.run(time.Minute, nil) // until the others are known to be dead.
	r = b.doQuorum(0, contract.OpPut, "b", "one")
	require.Equal(t, contract.CodeNoQuorum, r.Code)
	require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	require.Empty(t, b.shows(0, "b"))
	require.Equal(t, contract.CodeNoQuorum, b.doQuorum(0, contract.OpGet, "a", "").Code)
	b.cut = nil
	b.run(2*time.Minute, func() bool { return b.members(3) && b.shows(2, "a") == "one" })
}

// A member that missed two changes of voters finds no majority in those it still takes for voters, although one of them
// answers it: what the only voter of today acknowledged is on no disk but its own.
func TestQuorumObeysEpochs(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, contract.CodeCreated, b.doQuorum(0, contract.OpPut, "a", "one").Code)
	b.run(time.Second, func() bool { return b.same() })
	b.cut = func(from, to string) bool { return from == "n3" || to == "n3" }
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpDemote, b.machine[2].node.Self).Code)
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpDemote, b.machine[1].node.Self).Code)
	b.run(time.Second, func() bool { return b.machine[1].node.Epoch() == 3 })
	b.cut = func(from, to string) bool { return from == "n1" || to == "n1" }
	require.Equal(t, contract.CodeOK, b.doQuorum(0, contract.OpPut, "a", "two").Code)
	require.Equal(t, uint64(1), b.machine[2].node.Epoch())
	r := b.doQuorum(2, contract.OpGet, "a", "")
	require.Equal(t, contract.CodeNoQuorum, r.Code, "it read %q", r.Record.Value)
	require.Equal(t, uint64(3), b.machine[2].node.Epoch(), "it was told")
	r = b.doQuorum(2, contract.OpPut, "b", "one")
	require.Equal(t, contract.CodeNoQuorum, r.Code)
	b.cut = nil
	b.run(time.Minute, func() bool { return b.members(3) })
	require.Equal(t, "two", string(b.doQuorum(2, contract.OpGet, "a", "").Record.Value))
}

// An operation under way when the voters change asks anew, under the new epoch, and ends well.
func TestQuorumGoesOnInTheNextEpoch(t *testing.T) {
	b := founded(t, 3)
	b.lose = func(from string, s contract.Send) bool {
		return s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindStored
	}
	id := b.quorum(0, contract.OpPut, "a", "one")
	b.run(100*time.Millisecond, nil)
	b.lose = nil
	require.Equal(t, contract.CodeOK, b.voterOp(1, contract.OpDemote, b.machine[2].node.Self).Code)
	b.run(5*time.Second, func() bool { _, ok := b.machine[0].replies[id]; return ok })
	require.Equal(t, contract.CodeCreated, b.machine[0].replies[id].Code)
	require.Equal(t, uint64(2), b.machine[0].node.Epoch())
}

// Before members have met there are no voters, so that nobody takes itself for a majority.
func TestQuorumBeforeMembersHaveMet(t *testing.T) {
	b := newBench(t, 2)
	b.forget() // the first messages are lost.
	b.cut = func(from, to string) bool { return true }
	r := b.doQuorum(1, contract.OpPut, "a", "alone")
	require.Equal(t, contract.CodeNoQuorum, r.Code)
	require.Equal(t, contract.OutcomeNotApplied, r.Outcome)
	one := newBench(t, 1)
	one.machine[0].node.opts.Seeds = nil // its seed n2 does not exist.
	one.run(time.Second, func() bool { return one.machine[0].node.InForce != nil })
	require.Equal(t, contract.CodeCreated, one.doQuorum(0, contract.OpPut, "a", "alone").Code)
}
