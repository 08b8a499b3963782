package clocks

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/slot"
	"kvs/node/step"
)

// alone is a guard that is stepped by hand, among the peers that a test gives it. It owns itself.
type alone struct {
	*Machine
	peers []*Peer
	said  []contract.SetReadOnly
}

func newAlone(peers int) *alone {
	a := &alone{}
	shared := &step.Shared{Self: 1, Boots: 3, Rand: rand.New(rand.NewPCG(1, 2)), Tuning: contract.DefaultTuning(),
		Eff: &contract.Effects{}, Now: contract.Time{Mono: time.Hour, Wall: 1_700_000_000_000}}
	a.Machine = New(shared, a, time.Second)
	for i := range peers {
		a.peers = append(a.peers, &Peer{ID: slot.ID(i + 2)})
	}
	return a
}

func (a *alone) PeerClocks() int                      { return len(a.peers) }
func (a *alone) PeerClock(i int) (*Peer, bool)        { return a.peers[i], true }
func (a *alone) MemberName(id slot.ID) string         { return id.String() }
func (a *alone) SetReadOnly(in *contract.SetReadOnly) { a.said = append(a.said, *in) }

// measure makes a peer answer after a round trip of 2 ms, with a clock that is so far ahead.
func (a *alone) measure(i int, ahead time.Duration) {
	a.Hear(a.peers[i], Pulse{Wall: a.Now.Wall + ahead.Milliseconds(), Stamp: 1,
		Echo: a.Stamp(a.peers[i]) - uint64(2*time.Millisecond)})
}

// The guard closes when more than half of the peers say that the clock is off, and opens after three quiet probe
// intervals.
func TestTheGuardAlone(t *testing.T) {
	a := newAlone(3)
	a.measure(0, time.Minute)
	a.Watch()
	require.False(t, a.ClockWrong, "one of three")
	a.measure(1, time.Minute)
	a.Watch()
	require.True(t, a.ClockWrong)
	require.Equal(t, []contract.SetReadOnly{{Reason: contract.ReasonClock, On: true}}, a.said)
	a.measure(0, 0)
	a.measure(1, 0)
	a.Watch()
	a.Now.Mono += 3*time.Second - 1
	a.Now.Wall += 3000
	a.Watch()
	require.True(t, a.ClockWrong, "not yet")
	a.Now.Mono++
	a.Watch()
	require.False(t, a.ClockWrong)
	require.Equal(t, contract.SetReadOnly{Reason: contract.ReasonClock}, a.said[1])
	require.Len(t, a.said, 2)
}

func TestAnEchoIsOfThePeersLatestStamp(t *testing.T) {
	a := newAlone(1)
	stamp, held := a.Echo(a.peers[0])
	require.Zero(t, stamp)
	require.Zero(t, held)
	a.Hear(a.peers[0], Pulse{Stamp: 77})
	a.Now.Mono += 1500*time.Microsecond + 7
	stamp, held = a.Echo(a.peers[0])
	require.EqualValues(t, 77, stamp)
	require.Equal(t, 1500*time.Microsecond, held)
	a.Now.Mono += 2 * time.Hour
	stamp, held = a.Echo(a.peers[0])
	require.Zero(t, stamp, "the format has room for 71 minutes")
	require.Zero(t, held)
}

func TestStampsOfAFormerRunAreIgnored(t *testing.T) {
	a := newAlone(1)
	p, now := a.peers[0], a.Now
	former := newAlone(2)
	former.Stamp(former.peers[1])
	a.Hear(p, Pulse{Wall: now.Wall, Echo: uint64(now.Mono - time.Second)})
	require.Zero(t, p.offset.count, "nothing was asked yet")
	salt := a.Stamp(p) - uint64(now.Mono)
	for name, in := range map[string]Pulse{
		"none":            {Wall: now.Wall},
		"of a former run": {Wall: now.Wall, Echo: former.Stamp(former.peers[0]) - uint64(time.Second)},
		"of the future":   {Wall: now.Wall, Echo: uint64(now.Mono+1) + salt},
		"held since before": {Wall: now.Wall, Echo: uint64(now.Mono-time.Second) + salt,
			Held: 2 * time.Second},
		"before the clock began": {Wall: now.Wall, Echo: salt - 1},
	} {
		a.Hear(p, in)
		require.Zero(t, p.offset.count, name)
	}
	a.Hear(p, Pulse{Wall: -1 << 63, Echo: uint64(now.Mono-time.Second) + salt})
	require.Equal(t, 1, p.offset.count)
	offset, _, ok := a.Offset(p)
	require.True(t, ok)
	require.Less(t, offset, -24*365*time.Hour, "an impossible clock is very far off, and nothing overflows")
}

func TestOpinionsOfClocks(t *testing.T) {
	for _, c := range []struct {
		alive, off, right int
		enters, stays     bool
	}{
		{0, 0, 0, false, false}, {1, 0, 0, false, false}, {1, 1, 0, true, true},
		{2, 1, 1, false, false}, {2, 2, 0, true, true},
		{2, 1, 0, false, true}, // the other one is not measured yet: it may be the one that is right.
		{3, 1, 0, false, true}, {3, 2, 1, true, true},
		{4, 2, 2, false, false}, {4, 3, 1, true, true}, {4, 2, 0, false, true}, {4, 2, 1, false, true},
	} {
		o := opinion{c.alive, c.off, c.right}
		require.Equal(t, c.enters, o.against(false), "%+v", c)
		require.Equal(t, c.stays, o.against(true), "%+v", c)
	}
}

func TestTheBestSampleIsTheTightest(t *testing.T) {
	var e estimate
	add := func(at, offset, bound time.Duration) {
		e.add(sample{at: at * time.Second, offset: offset * time.Millisecond, bound: bound * time.Millisecond})
	}
	add(1, 100, 5)
	add(2, 140, 50)
	offset, _, ok := e.best(0, 3*time.Second)
	require.True(t, ok)
	require.Equal(t, 100*time.Millisecond, offset, "the tighter one, although it is older")
	add(3, 900, 60)
	require.Equal(t, 1, e.count, "one that contradicts the others replaces them")
	offset, bound, _ := e.best(0, 3*time.Second)
	require.Equal(t, 900*time.Millisecond, offset)
	require.Equal(t, 60*time.Millisecond, bound)
	_, bound, _ = e.best(10*time.Second, 3*time.Second)
	require.Equal(t, 10060*time.Millisecond, bound, "a step of the own clock makes it worth as much less")
	_, _, ok = e.best(0, 34*time.Second)
	require.False(t, ok, "too old")
	for i := range 10 {
		add(time.Duration(40+i), 900, 60)
	}
	require.Equal(t, samplesMax, e.count)
}

// What was said to one member is no answer of another: a stranger who is told a stamp can forge no measurement with it.
func TestStampsOfAnotherPeerAreIgnored(t *testing.T) {
	a := newAlone(2)
	echo := a.Stamp(a.peers[0]) - uint64(time.Millisecond)
	a.Stamp(a.peers[1])
	a.Hear(a.peers[1], Pulse{Wall: a.Now.Wall + 3_600_000, Echo: echo})
	require.Zero(t, a.peers[1].offset.count)
	a.Hear(a.peers[0], Pulse{Wall: a.Now.Wall, Echo: echo})
	require.Equal(t, 1, a.peers[0].offset.count)
}

// A wall clock in the year 6429 takes the node read-only for as long as it says so, and a version of that time for
// good.
func TestAnExhaustedClockIsAMode(t *testing.T) {
	a := newAlone(0)
	a.Watch()
	require.Empty(t, a.said)
	right := a.Now.Wall
	a.Now.Wall = hlc.Last.Wall() + 1
	a.Watch()
	a.Watch()
	require.Equal(t, []contract.SetReadOnly{{Reason: contract.ReasonExhausted, On: true}}, a.said)
	require.ErrorIs(t, a.Exhausted(), hlc.ErrExhausted)
	a.Now.Wall = right
	a.Watch()
	require.Equal(t, contract.SetReadOnly{Reason: contract.ReasonExhausted}, a.said[1])
	require.NoError(t, a.Exhausted())
	a.HLC.Observe(hlc.Last)
	a.Watch()
	require.Len(t, a.said, 3)
	require.True(t, a.said[2].On)
}
