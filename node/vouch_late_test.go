package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node/contract"
)

// cutOff parts the third of three machines from the others.
var cutOff = chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1, 2}, {3}}}

// A member that serves because none has answered is told later that it is on an older copy, and serves no more. It has
// had no voice meanwhile.
func TestAnOlderCopyIsFoundOutWhileItServes(t *testing.T) {
	b := onOlderCopy(t)
	b.apply(cutOff)
	b.start(2)
	n := b.machine[2].node
	b.run(vouchWait+time.Second, b.mode(2, contract.ModeNormal))
	require.Equal(t, contract.CodeCreated, b.do(2, contract.OpPut, "a", "on the copy alone").Code)
	require.False(t, n.HasVoice())
	b.run(20*time.Second, nil)
	require.True(t, b.mode(2, contract.ModeNormal)())
	b.apply(chaos.Fault{Kind: chaos.Heal})
	b.run(10*time.Second, func() bool {
		require.False(t, n.HasVoice())
		return b.mode(2, contract.ModeFailed)()
	})
	require.Contains(t, n.Status().ModeReasons[0], "may be in this folder alone")
	b.run(time.Second, nil)
	b.crash(2)
	b.start(2)
	require.Equal(t, contract.ModeFailed, b.machine[2].node.Mode(), "it remembers that")
}

// One that is up to date is vouched for later, and votes from its first answer on.
func TestVouchedForWhileItServes(t *testing.T) {
	b := founded(t, 3)
	b.run(5*time.Second, nil)
	b.crash(2)
	b.apply(cutOff)
	b.start(2)
	b.run(vouchWait+time.Second, b.mode(2, contract.ModeNormal))
	require.False(t, b.machine[2].node.HasVoice())
	require.True(t, b.hasSaid(2, "goes on asking"))
	b.run(10*time.Second, nil)
	b.apply(chaos.Fault{Kind: chaos.Heal})
	b.run(10*time.Second, func() bool { return b.machine[2].node.HasVoice() })
	b.run(time.Second, func() bool { return b.hasSaid(2, "another member has vouched") })
	b.run(10*time.Second, func() bool { return b.members(3) })
}

// After a power cut from which one member of three does not return, the other two know no run of each other, and have
// to vote all the same.
func TestTwoOfThreeReturn(t *testing.T) {
	b := founded(t, 3)
	b.run(5*time.Second, nil)
	for i := range b.machine {
		b.crash(i)
	}
	b.start(0)
	b.start(1)
	for i := range 2 {
		b.run(vouchWait+time.Second, b.mode(i, contract.ModeNormal))
	}
	b.run(5*time.Second, func() bool { return b.machine[0].node.HasVoice() && b.machine[1].node.HasVoice() })
	b.run(10*time.Second, func() bool { return b.members(2) })
	b.start(2) // with the third, most of them say the same.
	for i := range b.machine {
		b.run(10*time.Second, func() bool { return !b.machine[i].node.vouch.open })
	}
}

// Stops that end just before the end of the wait, or just after it, are no silence either.
func TestAnOlderCopyIsFoundOutAfterAShortSleep(t *testing.T) {
	for _, ends := range []time.Duration{-100 * time.Millisecond, -time.Millisecond, 0, 99 * time.Millisecond} {
		b := onOlderCopy(t)
		b.start(2)
		b.sleep(2, vouchWait+ends)
		require.Equal(t, contract.ModeSyncing, b.machine[2].node.Mode())
		b.run(vouchWait, func() bool { return b.machine[2].node.Mode() != contract.ModeSyncing })
		require.Equal(t, contract.ModeFailed, b.machine[2].node.Mode(), "%v", ends)
	}
}

// The others are asked again soon, so that a member is heard of when a partition has healed.
func TestAskedAgainWhileItWaits(t *testing.T) {
	for _, healed := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond} {
		b := founded(t, 3)
		b.run(5*time.Second, nil)
		b.crash(2)
		b.apply(cutOff)
		b.start(2)
		b.run(healed, nil)
		b.apply(chaos.Fault{Kind: chaos.Heal})
		b.run(1300*time.Millisecond, b.mode(2, contract.ModeNormal))
		require.False(t, b.hasSaid(2, "no other member answers"))
	}
}
