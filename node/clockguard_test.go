package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noteModes adds changes of modes to the transcript.
func (b *bench) noteModes(seen []int) {
	for i, m := range b.machine {
		for _, l := range m.logs[seen[i]:] {
			if l.Msg == "mode changed" {
				b.note("%s: mode %v %v", m.name, l.Attrs[1], l.Attrs[3])
			}
		}
		seen[i] = len(m.logs)
	}
}

// Three members; the clock of the second steps an hour ahead, and back.
func TestClockGuard(t *testing.T) {
	b := newBench(t, 3)
	b.run(20*time.Second, nil)
	var say strings.Builder
	b.say = &say
	seen := make([]int, 3)
	for i, m := range b.machine {
		seen[i] = len(m.logs)
	}
	guarded := func(i int) func() bool {
		return func() bool { b.noteModes(seen); return b.machine[i].node.Mode() == ModeReadOnly }
	}
	normal := func(i int) func() bool {
		return func() bool { b.noteModes(seen); return b.machine[i].node.Mode() == ModeNormal }
	}

	b.note("n2's clock steps 1h ahead")
	b.machine[1].wall = 3_600_000
	r := b.do(1, OpPut, "a", "ahead")
	require.Equal(t, CodeCreated, r.Code, "nobody can know yet")
	b.run(5*time.Second, guarded(1))
	require.Equal(t, CodeReadOnly, b.do(1, OpPut, "a", "refused").Code)
	require.Equal(t, CodeOK, b.do(1, OpGet, "a", "").Code, "reads go on")
	require.Equal(t, CodeOK, b.do(0, OpPut, "a", "over it").Code, "what a wrong clock wrote can be overwritten")
	b.run(100*time.Millisecond, func() bool { return b.shows(1, "a") == "over it" })
	b.run(10*time.Second, nil)
	b.noteModes(seen)
	require.Equal(t, ModeNormal, b.machine[0].node.Mode(), "one wrong clock of three stops one member")
	require.Equal(t, ModeNormal, b.machine[2].node.Mode())

	b.note("n2's clock steps back")
	b.machine[1].wall = 0
	b.run(10*time.Second, normal(1))
	require.Equal(t, CodeOK, b.do(1, OpPut, "a", "again").Code)
	b.run(100*time.Millisecond, func() bool { return b.shows(0, "a") == "again" })
	golden(t, "clock-guard.txt", []byte(say.String()))
}

func TestAClockThatIsAnHourBehindCanBeOverwrittenAndOverwrites(t *testing.T) {
	b := newBench(t, 3)
	b.tune = func(u *Tuning) { u.MaxClockOffset = 24 * time.Hour }
	for i := range b.machine {
		b.crash(i)
		b.start(i)
	}
	b.run(5*time.Second, nil)
	for k, wall := range []int64{-3_600_000, 3_600_000, 0, -7_200_000} {
		b.machine[1].wall = wall
		for i := range b.machine {
			value := string(rune('a'+k)) + b.machine[i].name
			require.Equal(t, OutcomeApplied, b.do(i, OpPut, "k", value).Outcome)
			b.run(100*time.Millisecond, func() bool { return b.shows(0, "k") == value && b.shows(1, "k") == value && b.shows(2, "k") == value })
		}
	}
}

func TestOfTwoNobodyKnowsWhoIsRight(t *testing.T) {
	b := newBench(t, 2)
	b.machine[1].wall = 700
	b.run(10*time.Second, func() bool {
		return b.machine[0].node.Mode() == ModeReadOnly && b.machine[1].node.Mode() == ModeReadOnly
	})
	b.crash(0) // alone again, n2 trusts its clock in the end.
	b.run(2*time.Minute, b.mode(1, ModeNormal))
}

func TestClocksWithinTheBoundAreRight(t *testing.T) {
	b := newBench(t, 3)
	b.machine[1].wall = 480
	b.machine[2].wall = -10
	b.run(time.Minute, nil)
	for i := range b.machine {
		require.Equal(t, ModeNormal, b.machine[i].node.Mode())
		require.False(t, b.logged(i, "clock"))
	}
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
		o := clockOpinion{c.alive, c.off, c.right}
		require.Equal(t, c.enters, o.against(false), "%+v", c)
		require.Equal(t, c.stays, o.against(true), "%+v", c)
	}
}

func TestTheOperatorsModeOutlivesARestart(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	b.step(0, &SetReadOnly{Reason: ReasonOperator, On: true})
	require.False(t, b.machine[0].node.ModeStored())
	b.run(time.Second, b.machine[0].node.ModeStored)
	b.step(0, &SetReadOnly{Reason: ReasonDisk, On: true})
	b.crash(0)
	b.start(0)
	require.Equal(t, []string{ReasonOperator}, b.machine[0].node.Status().ModeReasons, "who watches over the disk looks anew")
	require.Equal(t, CodeReadOnly, b.do(0, OpPut, "a", "1").Code)
	b.step(0, &SetReadOnly{Reason: ReasonOperator})
	b.run(time.Second, b.machine[0].node.ModeStored)
	b.crash(0)
	b.start(0)
	require.Equal(t, ModeNormal, b.machine[0].node.Mode())

	require.NoError(t, b.machine[0].store.Apply([]Op{{Key: keyMode, Value: sealMeta(keyMode, []byte{metaFormat, 9})}}))
	m := b.machine[0]
	_, err := New(b.time(m), Options{Name: "n1", Addr: "n1", Cluster: "test", Store: m.store, Rand: m.node.rng, Founder: true}, &Effects{})
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestADiskThatIsNearlyFullTakesDeletions(t *testing.T) {
	b := newBench(t, 1)
	b.do(0, OpPut, "a", "1")
	b.step(0, &SetReadOnly{Reason: ReasonDisk, On: true})
	require.Equal(t, CodeDiskFull, b.do(0, OpPut, "a", "2").Code)
	require.Equal(t, CodeOK, b.do(0, OpDelete, "a", "").Code)
	b.step(0, &SetReadOnly{Reason: ReasonDiskReserve, On: true})
	require.Equal(t, CodeDiskFull, b.do(0, OpDelete, "a", "").Code)
	b.step(0, &SetReadOnly{Reason: ReasonDiskReserve})
	b.step(0, &SetReadOnly{Reason: ReasonClock, On: true})
	require.Equal(t, CodeReadOnly, b.do(0, OpDelete, "a", "").Code, "another reason stands")
}

// A cluster starts while one clock is wrong: the first peer that the others measure may be that one.
func TestOneWrongClockAtTheStartStopsOneMember(t *testing.T) {
	b := &bench{t: t}
	for i := range 3 {
		b.machine = append(b.machine, &machine{name: []string{"n1", "n2", "n3"}[i], store: newMapStore(), replies: map[uint64]Response{}})
	}
	b.machine[1].wall = 90_000
	for i := range b.machine {
		b.start(i)
	}
	b.cut = func(from, to string) bool { return b.now < 10*time.Second && (from == "n3" || to == "n3") } // n1 meets n2 first.
	b.run(30*time.Second, nil)
	require.Equal(t, ModeReadOnly, b.machine[1].node.Mode())
	require.Equal(t, ModeNormal, b.machine[0].node.Mode(), "in the end")
	require.Equal(t, ModeNormal, b.machine[2].node.Mode())
	require.False(t, b.logged(2, "clock too far off"))
}

// A member whose clock is known to be wrong still reads linearizably, and its ballots do not carry its time to the others.
func TestAWrongClockMakesNoBallots(t *testing.T) {
	b := founded(t, 3)
	b.run(10*time.Second, nil)
	b.machine[1].wall = (2 * time.Hour).Milliseconds()
	b.run(20*time.Second, func() bool { return b.machine[1].node.clockGuard.off })
	require.Equal(t, CodeNotFound, b.doLinear(1, OpGet, "a", "", always).Code)
	b.lose = func(from string, s Send) bool {
		return from == "n1" && s.Transport == TransportFrame && msgKind(s.Data[1]) == msgAccept && s.To == "n3"
	}
	b.cut = func(from, to string) bool { return from == "n2" || to == "n2" }
	b.linear(0, OpPut, "a", "unfinished", always)
	b.run(200*time.Millisecond, nil)
	b.cut, b.lose = func(from, to string) bool { return from == "n3" || to == "n3" }, nil
	require.Equal(t, "unfinished", string(b.doLinear(1, OpGet, "a", "", always).Record.Value), "the read finished it under a ballot of its own")
	require.Positive(t, b.machine[1].node.counters.RoundAccepts)
	require.Less(t, b.machine[0].node.clock.Last().Wall(), b.time(b.machine[0]).Wall+time.Minute.Milliseconds())
}
