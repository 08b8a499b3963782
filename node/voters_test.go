package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/voting"

	"github.com/stretchr/testify/require"
)

// voterOp promotes or demotes a member and returns the answer.
func (b *bench) voterOp(i int, op contract.OpKind, who slot.ID) contract.Response {
	b.t.Helper()
	b.nextReq++
	id := b.nextReq
	b.step(i, &contract.Request{ID: id, Op: op, Level: contract.Linearizable, Path: who.String(),
		Deadline: b.now + 10*time.Second})
	b.run(20*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

// allVote says whether all that are up know just these machines as voters.
func (b *bench) allVote(want ...int) func() bool {
	return func() bool {
		for _, m := range b.machine {
			if !m.replica.Up() {
				continue
			}
			var got []int
			for k, other := range b.machine {
				if m.node.InForce.Votes(other.node.Self) {
					got = append(got, k)
				}
			}
			if !slices.Equal(got, want) {
				return false
			}
		}
		return true
	}
}

// A member that joins a founded cluster becomes a voter by itself; another one is demoted; what was chosen under three
// configurations is still there.
func TestTranscriptVotersChange(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "one", always).Code)
	b.run(100*time.Millisecond, nil)
	b.add()
	b.say = &strings.Builder{}
	b.note("-- n4 joins, learns the configuration, and asks to become a voter")
	b.start(3)
	b.run(time.Minute, b.allVote(0, 1, 2, 3))
	b.run(3*time.Second, func() bool { return b.machine[3].node.CaughtUp == 2 })
	b.note("-- n1 is demoted")
	r := b.voterOp(1, contract.OpDemote, b.machine[0].node.Self)
	require.Equal(t, contract.CodeOK, r.Code, r.Detail)
	b.run(time.Minute, b.allVote(1, 2, 3))
	transcript(t, b, "voters-change.txt")
	require.Equal(t, "one", string(b.doLinear(3, contract.OpGet, "a", "", always).Record.Value))
	r = b.doLinear(0, contract.OpPut, "a", "two", always)
	require.Equal(t, contract.CodeOK, r.Code, "a member that does not vote proposes all the same")
	require.Equal(t, "two", string(b.doLinear(2, contract.OpGet, "a", "", always).Record.Value))
	b.run(time.Minute, b.same)
}

func TestVoterRequestsRefused(t *testing.T) {
	b := founded(t, 1)
	r := b.voterOp(0, contract.OpDemote, b.machine[0].node.Self)
	require.Equal(t, contract.CodePrecondition, r.Code)
	require.Contains(t, r.Detail, "only voter")
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpPromote, b.machine[0].node.Self).Code,
		"it is one already")
	for _, op := range []contract.OpKind{contract.OpPromote, contract.OpDemote} {
		r = b.voterOp(0, op, 0xff)
		require.Equal(t, contract.CodePrecondition, r.Code, "nobody has ever heard of it")
		require.Contains(t, r.Detail, "no member")
	}
}

// Every voter loses its disk, one after the other: it comes back as a new member, becomes a voter, and its former self
// is demoted. The value stays, and so it does when everybody restarts at once.
func TestEveryVoterIsReplaced(t *testing.T) {
	b := founded(t, 3)
	require.Equal(t, contract.CodeCreated, b.doLinear(0, contract.OpPut, "a", "precious", always).Code)
	for i := range 3 {
		other := (i + 1) % 3
		old := b.machine[i].node.Self
		b.crash(i)
		b.wipe(i)
		b.start(i)
		require.NotEqual(t, old, b.machine[i].node.Self)
		b.run(2*time.Minute, func() bool { return b.machine[other].node.InForce.Votes(b.machine[i].node.Self) })
		for range 20 {
			if b.voterOp(other, contract.OpDemote, old).Code == contract.CodeOK {
				break
			}
			b.run(time.Second, nil)
		}
		require.False(t, b.machine[other].node.InForce.Votes(old))
	}
	require.Equal(t, "precious", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value))
	require.Equal(t, uint64(7), b.machine[1].node.InForce.Epoch)
	for i := range 3 {
		b.crash(i)
	}
	for i := range 3 {
		b.start(i)
	}
	b.run(time.Minute, func() bool { return b.members(3) })
	require.Equal(t, "precious", string(b.doLinear(2, contract.OpGet, "a", "", always).Record.Value))
}

// Who was demoted by somebody stays so, restarts included, until somebody promotes it; a member that only gave up its
// vote comes back by itself.
func TestWhoIsHeldDoesNotPromoteItself(t *testing.T) {
	b := founded(t, 3)
	hold := func(i int) contract.Response {
		b.nextReq++
		id := b.nextReq
		b.step(0, &contract.Request{ID: id, Op: contract.OpDemote, Hold: true, Level: contract.Linearizable,
			Path: b.machine[i].node.Self.String(), Deadline: b.now + 10*time.Second})
		b.run(20*time.Second, func() bool { _, ok := b.machine[0].replies[id]; return ok })
		return b.machine[0].replies[id]
	}
	require.Equal(t, contract.CodeOK, hold(2).Code)
	b.run(30*time.Second, nil)
	require.True(t, b.allVote(0, 1)())
	require.Equal(t, contract.CodeOK, b.voterOp(1, contract.OpDemote, b.machine[1].node.Self).Code)
	b.run(30*time.Second, b.allVote(0, 1))
	b.crash(2)
	b.start(2)
	b.run(30*time.Second, nil)
	require.Equal(t, []slot.ID{b.machine[2].node.Self}, b.machine[2].node.InForce.Held)
	require.True(t, b.allVote(0, 1)())
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpPromote, b.machine[2].node.Self).Code)
	require.True(t, b.allVote(0, 1, 2)())
	require.Empty(t, b.machine[0].node.InForce.Held)

	// One that does not vote can be held, too, and who is removed is forgotten.
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpDemote, b.machine[2].node.Self).Code)
	require.Equal(t, contract.CodeOK, hold(2).Code)
	b.run(30*time.Second, nil)
	require.True(t, b.allVote(0, 1)())
	b.step(0, &contract.Remove{ID: b.machine[2].node.Self, Force: true})
	b.run(10*time.Second, func() bool {
		return b.machine[2].node.membership.Gone() && b.state(1, b.machine[2].node.Self) == "removed"
	})
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpDemote, b.machine[1].node.Self).Code)
	require.Empty(t, b.machine[0].node.InForce.Held)
}

func TestConfigRoundTrips(t *testing.T) {
	c := &voting.Config{Epoch: 2, Founding: slot.UUID{1}, Former: []slot.UUID{{2}}, Previous: []slot.ID{1, 2},
		Voters: []slot.ID{1, 2}, Strong: []string{"a/"}, Held: []slot.ID{3, 4}}
	r := codec.Read(voting.Append(nil, c))
	require.Equal(t, c, voting.Read(r))
	require.NoError(t, r.End())
}
