package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
)

// offsets returns what machine i believes about the clock of machine j.
func (b *bench) offset(i, j int) (offset, bound time.Duration, ok bool) {
	n := b.machine[i].node
	n.Now = b.time(b.machine[i])
	return n.clockOffset(n.Peer(b.machine[j].node.Self))
}

func TestPulsesMeasureClocks(t *testing.T) {
	b := newBench(t, 3)
	b.machine[1].wall = 40_000
	b.machine[2].wall = -3_600_000
	b.run(20*time.Second, nil)
	for i := range 3 {
		for j := range 3 {
			if i == j {
				continue
			}
			offset, bound, ok := b.offset(i, j)
			require.True(t, ok, "n%d about n%d", i+1, j+1)
			want := time.Duration(b.machine[j].wall-b.machine[i].wall) * time.Millisecond
			require.LessOrEqual(t, (offset - want).Abs(), bound)
			require.Less(t, bound, 30*time.Millisecond)
		}
	}
}

func TestPulsesTellTheMode(t *testing.T) {
	b := newBench(t, 2)
	b.run(3*time.Second, func() bool { return b.members(2) })
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonOperator, On: true})
	n := b.machine[1].node
	p := n.Peer(b.machine[0].node.Self)
	b.run(5*time.Second, func() bool { return n.heardOf(p).mode == contract.ModeReadOnly })
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonOperator})
	b.run(5*time.Second, func() bool { return n.heardOf(p).mode == contract.ModeNormal })
}

// A step of either clock shows within a few probes, and the own one's at once makes what was measured before worth
// nothing.
func TestSteppedClocksAreMeasuredAnew(t *testing.T) {
	b := newBench(t, 2)
	b.run(20*time.Second, nil)
	b.machine[0].wall = -7_200_000
	_, bound, _ := b.offset(0, 1)
	require.Greater(t, bound, time.Hour, "n1's own step: old samples know nothing any more")
	_, bound, _ = b.offset(1, 0)
	require.Less(t, bound, time.Second)
	settled := func() bool {
		mine, bound, ok1 := b.offset(0, 1)
		theirs, _, ok2 := b.offset(1, 0)
		return ok1 && ok2 && mine > 7_190*time.Second && theirs < -7_190*time.Second && bound < 30*time.Millisecond
	}
	b.run(3*time.Second, settled)
}
