package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// offsets returns what machine i believes about the clock of machine j.
func (b *bench) offset(i, j int) (offset, bound time.Duration, ok bool) {
	n := b.machine[i].node
	n.now = b.time(b.machine[i])
	return n.clockOffset(n.peer(b.machine[j].node.id))
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
	b.step(0, &SetReadOnly{Reason: ReasonOperator, On: true})
	p := b.machine[1].node.peer(b.machine[0].node.id)
	b.run(5*time.Second, func() bool { return p.pulse.mode == ModeReadOnly })
	b.step(0, &SetReadOnly{Reason: ReasonOperator})
	b.run(5*time.Second, func() bool { return p.pulse.mode == ModeNormal })
}

// A step of either clock shows within a few probes, and the own one's at once makes what was measured before worth nothing.
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

func TestStampsOfAFormerRunAreIgnored(t *testing.T) {
	b := newBench(t, 2)
	b.run(5*time.Second, nil)
	n := b.machine[0].node
	p := n.peers[0]
	p.pulse.offset = offsetEstimate{}
	now := n.now
	former := uint64(now.Mono-time.Second) + (n.boots-1)*0x9e3779b97f4a7c15
	for name, m := range map[string]pulse{
		"none":                   {wall: now.Wall},
		"of a former run":        {wall: now.Wall, echo: former},
		"of the future":          {wall: now.Wall, echo: uint64(now.Mono+1) + n.salt()},
		"held since before":      {wall: now.Wall, echo: uint64(now.Mono-time.Second) + n.salt(), held: 2 * time.Second},
		"before the clock began": {wall: now.Wall, echo: n.salt() - 1},
	} {
		n.hearPulse(p.id, &m)
		require.Zero(t, p.pulse.offset.count, name)
	}
	n.hearPulse(p.id, &pulse{wall: -1 << 63, echo: uint64(now.Mono-time.Second) + n.salt()})
	require.Equal(t, 1, p.pulse.offset.count)
	offset, _, ok := n.clockOffset(p)
	require.True(t, ok)
	require.Less(t, offset, -24*365*time.Hour, "an impossible clock is very far off, and nothing overflows")
}

func TestTheBestSampleIsTheTightest(t *testing.T) {
	var e offsetEstimate
	sample := func(at, offset, bound time.Duration) {
		e.add(offsetSample{at: at * time.Second, offset: offset * time.Millisecond, bound: bound * time.Millisecond})
	}
	sample(1, 100, 5)
	sample(2, 140, 50)
	offset, _, ok := e.best(0, 3*time.Second)
	require.True(t, ok)
	require.Equal(t, 100*time.Millisecond, offset, "the tighter one, although it is older")
	sample(3, 900, 60)
	require.Equal(t, 1, e.count, "one that contradicts the others replaces them")
	offset, bound, _ := e.best(0, 3*time.Second)
	require.Equal(t, 900*time.Millisecond, offset)
	require.Equal(t, 60*time.Millisecond, bound)
	_, bound, _ = e.best(10*time.Second, 3*time.Second)
	require.Equal(t, 10060*time.Millisecond, bound, "a step of the own clock makes it worth as much less")
	_, _, ok = e.best(0, 34*time.Second)
	require.False(t, ok, "too old")
	for i := range 10 {
		sample(time.Duration(40+i), 900, 60)
	}
	require.Equal(t, offsetSamplesMax, e.count)
}
