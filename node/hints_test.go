package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/swim"
)

func (b *bench) seesDead(i, j int) bool {
	p := b.machine[i].node.Peer(b.machine[j].node.ID())
	return p != nil && p.State == swim.Dead
}

// A write made while a member is dead waits for it, and is the first thing it gets when it is back.
func TestTranscriptHintsAreDelivered(t *testing.T) {
	b := newBench(t, 3)
	b.run(5*time.Second, func() bool { return b.members(3) })
	b.run(2*time.Second, nil)
	b.crash(2)
	b.run(time.Minute, func() bool { return b.seesDead(0, 2) && b.seesDead(1, 2) })
	b.run(10*time.Second, nil)
	b.say = &strings.Builder{}
	b.do(0, contract.OpPut, "a", "made meanwhile")
	st := b.machine[0].node.Status()
	p := st.Peers[b.peerIndex(0, 2)]
	require.Equal(t, 1, p.QueueEntries)
	require.Greater(t, p.Away, 5*time.Second)
	b.run(time.Second, func() bool { return b.shows(1, "a") != "" })
	b.start(2)
	b.run(time.Minute, func() bool { return b.shows(2, "a") == "made meanwhile" })
	b.run(3*time.Second, nil)
	require.Zero(t, b.machine[0].node.Status().Peers[b.peerIndex(0, 2)].Away)
	transcript(t, b, "hints.txt")
}

// After HintTTL the hints are dropped, nothing is kept any more, and comparing brings the member what it missed.
func TestHintsExpire(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.crash(1)
	b.run(time.Minute, func() bool { return b.seesDead(0, 1) })
	n := b.machine[0].node
	n.Tuning.HintTTL = 30 * time.Second
	b.do(0, contract.OpPut, "a", "1")
	b.do(0, contract.OpPut, "a", "2")
	b.do(0, contract.OpPut, "b", "3")
	require.Equal(t, 2, n.Status().Peers[0].QueueEntries)
	b.run(30*time.Second, func() bool { return n.Status().Peers[0].QueueEntries == 0 })
	require.EqualValues(t, 2, n.Counters.HintsExpired)
	b.do(0, contract.OpPut, "c", "4")
	require.Zero(t, n.Status().Peers[0].QueueEntries)
	require.EqualValues(t, 3, n.Status().Peers[0].HintsExpired)
	require.Zero(t, n.Counters.HintsFull)
	require.Zero(t, n.Counters.QueueDropped)
	b.start(1)
	b.run(time.Minute, b.same)
	require.Equal(t, "4", b.shows(1, "c"))
	require.Equal(t, "2", b.shows(1, "a"))
}

// Hints are bounded in bytes: the oldest go, and are counted apart from those of the living.
func TestHintsAreBounded(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, func() bool { return b.members(2) })
	b.crash(1)
	b.run(time.Minute, func() bool { return b.seesDead(0, 1) })
	n := b.machine[0].node
	n.Tuning.QueueBytesMax = 1000
	for _, path := range []string{"a", "b", "c", "d", "e"} {
		b.do(0, contract.OpPut, path, strings.Repeat("x", 300))
	}
	p := n.Status().Peers[0]
	require.LessOrEqual(t, p.QueueBytes, 1000)
	require.EqualValues(t, 5-p.QueueEntries, p.HintsFull)
	require.Zero(t, p.Dropped)
	b.start(1)
	b.run(time.Minute, b.same)
	require.NotEmpty(t, b.shows(1, "a"))
}

func (b *bench) peerIndex(i, j int) int {
	k, known := b.machine[i].node.PeerIndex(b.machine[j].node.ID())
	require.True(b.t, known)
	return k
}
