package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/wire"
)

// A member that returns after its removal acknowledges nothing, from its first moment on: it asks before it serves.
func TestAReturningMemberAsksBeforeItServes(t *testing.T) {
	b := founded(t, 3)
	b.do(0, contract.OpPut, "a", "v")
	b.run(5*time.Second, func() bool { return b.shows(2, "a") == "v" })
	id := b.machine[2].node.Self
	b.crash(2)
	b.run(time.Minute, func() bool { return b.state(0, id) == "dead" })
	b.step(0, &contract.Remove{ID: id})
	b.run(20*time.Second, func() bool { return b.state(1, id) == "removed" })
	b.start(2)
	require.Equal(t, contract.ModeSyncing, b.machine[2].node.Mode())
	require.Contains(t, b.machine[2].node.Status().ModeReasons[0], "asks the other members")
	require.Equal(t, contract.CodeSyncing, b.do(2, contract.OpPut, "b", "late").Code, "not yet")
	b.run(5*time.Second, func() bool { return b.machine[2].node.Mode() != contract.ModeSyncing })
	require.True(t, b.machine[2].node.membership.Gone())
	require.Equal(t, contract.CodeReadOnly, b.do(2, contract.OpPut, "b", "late").Code)

	b.crash(1) // one that is a member goes on at once, ...
	b.start(1)
	began := b.now
	b.run(5*time.Second, func() bool { return b.machine[1].node.Mode() == contract.ModeNormal })
	require.Less(t, b.now-began, time.Second)
	b.crash(1) // ... and after a while when nobody can be asked.
	b.crash(0)
	b.start(1)
	b.run(vouchWait-time.Millisecond, nil)
	require.Equal(t, contract.ModeSyncing, b.machine[1].node.Mode())
	b.run(time.Second, func() bool { return b.machine[1].node.Mode() == contract.ModeNormal })
	require.True(t, b.hasSaid(1, "no other member answers"))
}

// A data folder that is an older copy is found out, and serves nobody: also one that was copied just before the last
// start.
func TestAnOlderCopyIsFoundOut(t *testing.T) {
	for starts, remembered := range []string{1: "its 2.", 2: "its 3."} {
		if starts == 0 {
			continue
		}
		b := founded(t, 3)
		b.run(5*time.Second, nil)
		copied := b.machine[2].store.Clone()
		for range starts {
			b.crash(2)
			b.start(2)
			b.run(10*time.Second, func() bool { return b.members(3) && b.mode(2, contract.ModeNormal)() })
			b.run(2*time.Second, nil)
		}
		require.Equal(t, contract.CodeCreated, b.do(2, contract.OpPut, "a", "acknowledged").Code)
		b.crash(2)
		b.restore(2, copied)
		b.start(2)
		require.Equal(t, contract.CodeSyncing, b.do(2, contract.OpGet, "a", "").Code)
		b.run(5*time.Second, func() bool { return b.machine[2].node.Mode() == contract.ModeFailed })
		require.Equal(t, contract.CodeFailed, b.do(2, contract.OpGet, "a", "").Code)
		require.Contains(t, b.machine[2].node.Status().ModeReasons[0], "is an older copy: it is in its 2. run, and "+
			"the other members remember another one, "+remembered)
		b.run(time.Second, nil)
		for range 2 { // it stays an older copy, however often it is started.
			b.crash(2)
			b.start(2)
			b.run(10*time.Second, nil)
			require.Equal(t, contract.ModeFailed, b.machine[2].node.Mode())
		}
	}
}

// sleep stops the process of a machine for a time that is as good for all: nothing is delivered meanwhile. What it does
// first then is what was due.
func (b *bench) sleep(i int, d time.Duration) {
	b.pass(b.now + d)
	for k := range b.events {
		b.events[k].at = max(b.events[k].at, b.now)
	}
	b.setClocks()
	b.stage.Wake(i + 1)
	b.carryOut()
}

// onOlderCopy is a cluster of three whose last member is down, on a copy that is older than its last start.
func onOlderCopy(t *testing.T) *bench {
	b := founded(t, 3)
	b.run(5*time.Second, nil)
	copied := b.machine[2].store.Clone()
	b.crash(2)
	b.start(2)
	b.run(10*time.Second, func() bool { return b.members(3) && b.mode(2, contract.ModeNormal)() })
	b.run(2*time.Second, nil)
	b.crash(2)
	b.restore(2, copied)
	return b
}

// A member that is stopped while it waits for an answer does not take that for silence.
func TestAnOlderCopyIsFoundOutAfterASleep(t *testing.T) {
	b := onOlderCopy(t)
	b.start(2)
	for range 2 {
		b.sleep(2, 2*vouchWait)
		require.Equal(t, contract.ModeSyncing, b.machine[2].node.Mode())
		require.False(t, b.machine[2].node.HasVoice())
	}
	b.run(vouchWait, func() bool { return b.machine[2].node.Mode() == contract.ModeFailed })
}

// A member that has itself just started remembers no run of others: it cannot vouch for one, ...
func TestForgetfulMembersDoNotVouch(t *testing.T) {
	b := onOlderCopy(t)
	b.crash(1)
	b.apply(chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1}, {2, 3}}})
	b.start(1)
	b.start(2)
	b.run(2*time.Second, nil)
	require.Equal(t, contract.ModeSyncing, b.machine[1].node.Mode())
	require.Equal(t, contract.ModeSyncing, b.machine[2].node.Mode())
	b.apply(chaos.Fault{Kind: chaos.Heal})
	b.run(3*time.Second, func() bool { return b.machine[2].node.Mode() == contract.ModeFailed })
	b.run(3*time.Second, func() bool { return b.machine[1].node.Mode() == contract.ModeNormal })
	require.False(t, b.hasSaid(1, "no other member answers"))
}

// ... unless most have just started: then they need not wait for the others.
func TestAllStartTogether(t *testing.T) {
	b := founded(t, 5)
	b.run(5*time.Second, nil)
	for i := range b.machine {
		b.crash(i)
	}
	for i := range b.machine {
		b.start(i)
		b.run(100*time.Millisecond, nil)
	}
	for i := range b.machine {
		b.run(3*time.Second, func() bool { return b.machine[i].node.Mode() == contract.ModeNormal })
		require.False(t, b.hasSaid(i, "no other member answers"))
	}
}

// Until another member has vouched for it, a voter that has started promises nothing: it may be on an older copy of its
// data folder, which has forgotten what it had promised.
func TestUnvouchedHasNoVoice(t *testing.T) {
	b := founded(t, 3)
	b.run(5*time.Second, nil)
	b.crash(2)
	b.start(2)
	n, other := b.machine[2].node, b.machine[0].node
	promised := func() bool {
		b.step(2, &contract.Frame{Data: other.Frame(wire.KindPrepare, &wire.Question{
			Round: 1, Epoch: n.Epoch(), Path: "p",
			Ballot: slot.Ballot{Epoch: n.Epoch(), TS: other.HLC.Last() + 1, Member: other.Self},
		})})
		return !n.Promised("p", slot.Ballot{}).IsZero()
	}
	require.False(t, n.HasVoice())
	require.False(t, promised())
	b.run(vouchWait, func() bool { return b.machine[2].node.Mode() == contract.ModeNormal })
	require.True(t, n.HasVoice())
	require.True(t, promised())
}

// An older copy is found out even when it was started and ended several times before another member has answered.
func TestAnOlderCopyIsStartedTwice(t *testing.T) {
	for _, early := range []int{1, 2, 5} {
		b := founded(t, 3)
		b.run(5*time.Second, nil)
		copied := b.machine[2].store.Clone()
		b.crash(2)
		b.start(2)
		b.run(10*time.Second, func() bool { return b.members(3) && b.mode(2, contract.ModeNormal)() })
		b.run(2*time.Second, nil)
		require.Equal(t, contract.CodeCreated, b.do(2, contract.OpPut, "a", "acknowledged").Code)
		b.crash(2)
		b.restore(2, copied)
		b.apply(chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1, 2}, {3}}})
		for range early {
			b.start(2)
			b.run(time.Second, nil)
			require.Equal(t, contract.ModeSyncing, b.machine[2].node.Mode())
			b.crash(2)
		}
		b.apply(chaos.Fault{Kind: chaos.Heal})
		b.start(2)
		b.run(5*time.Second, func() bool { return b.machine[2].node.Mode() == contract.ModeFailed })
		require.Contains(t, b.machine[2].node.Status().ModeReasons[0], "is an older copy")
	}
}

// A member that is started and ended several times before another one has answered is no older copy, and starts of
// older versions, which wrote no record of the run, all count.
func TestStartsThatNobodyHeardOf(t *testing.T) {
	b := founded(t, 3)
	b.run(5*time.Second, nil)
	b.crash(2)
	b.apply(chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1, 2}, {3}}})
	for range 3 {
		b.start(2)
		b.run(time.Second, nil)
		b.crash(2)
	}
	next, err := StoredRun(b.machine[2].store)
	require.NoError(t, err)
	require.EqualValues(t, 2, next, "no start was announced")
	b.start(2)
	b.run(vouchWait+time.Second, func() bool { return b.mode(2, contract.ModeNormal)() })
	b.run(time.Second, nil) // it serves without an answer, and is announced.
	b.crash(2)
	next, err = StoredRun(b.machine[2].store)
	require.NoError(t, err)
	require.EqualValues(t, 3, next)
	b.apply(chaos.Fault{Kind: chaos.Heal})
	b.start(2)
	b.run(10*time.Second, func() bool { return b.members(3) && b.mode(2, contract.ModeNormal)() })
	b.run(time.Second, nil)
	b.crash(2)

	require.NoError(t, b.machine[2].store.Apply([]contract.Change{{Key: schema.KeyRun}}))
	next, err = StoredRun(b.machine[2].store)
	require.NoError(t, err)
	require.EqualValues(t, 7, next)
	b.start(2)
	b.run(10*time.Second, func() bool { return b.members(3) && b.mode(2, contract.ModeNormal)() })
}
