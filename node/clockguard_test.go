package node

import (
	"strings"
	"testing"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/wire"

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
		return func() bool { b.noteModes(seen); return b.machine[i].node.Mode() == contract.ModeReadOnly }
	}
	normal := func(i int) func() bool {
		return func() bool { b.noteModes(seen); return b.machine[i].node.Mode() == contract.ModeNormal }
	}

	b.note("n2's clock steps 1h ahead")
	b.machine[1].wall = 3_600_000
	r := b.do(1, contract.OpPut, "a", "ahead")
	require.Equal(t, contract.CodeCreated, r.Code, "nobody can know yet")
	b.run(5*time.Second, guarded(1))
	require.Equal(t, contract.CodeReadOnly, b.do(1, contract.OpPut, "a", "refused").Code)
	require.Equal(t, contract.CodeOK, b.do(1, contract.OpGet, "a", "").Code, "reads go on")
	require.Equal(t, contract.CodeOK, b.do(0, contract.OpPut, "a", "over it").Code,
		"what a wrong clock wrote can be overwritten")
	b.run(100*time.Millisecond, func() bool { return b.shows(1, "a") == "over it" })
	b.run(10*time.Second, nil)
	b.noteModes(seen)
	require.Equal(t, contract.ModeNormal, b.machine[0].node.Mode(), "one wrong clock of three stops one member")
	require.Equal(t, contract.ModeNormal, b.machine[2].node.Mode())

	b.note("n2's clock steps back")
	b.machine[1].wall = 0
	b.run(10*time.Second, normal(1))
	require.Equal(t, contract.CodeOK, b.do(1, contract.OpPut, "a", "again").Code)
	b.run(100*time.Millisecond, func() bool { return b.shows(0, "a") == "again" })
	golden(t, "clock-guard.txt", []byte(say.String()))
}

func TestAClockThatIsAnHourBehindCanBeOverwrittenAndOverwrites(t *testing.T) {
	b := newBench(t, 3)
	b.tune = func(u *contract.Tuning) { u.MaxClockOffset = 24 * time.Hour }
	for i := range b.machine {
		b.crash(i)
		b.start(i)
	}
	b.run(5*time.Second, nil)
	for k, wall := range []int64{-3_600_000, 3_600_000, 0, -7_200_000} {
		b.machine[1].wall = wall
		for i := range b.machine {
			value := string(rune('a'+k)) + b.machine[i].name
			require.Equal(t, contract.OutcomeApplied, b.do(i, contract.OpPut, "k", value).Outcome)
			b.run(100*time.Millisecond, func() bool {
				return b.shows(0, "k") == value && b.shows(1, "k") == value && b.shows(2, "k") == value
			})
		}
	}
}

func TestOfTwoNobodyKnowsWhoIsRight(t *testing.T) {
	b := newBench(t, 2)
	b.machine[1].wall = 700
	b.run(10*time.Second, func() bool {
		return b.machine[0].node.Mode() == contract.ModeReadOnly && b.machine[1].node.Mode() == contract.ModeReadOnly
	})
	b.crash(0) // alone again, n2 trusts its clock in the end.
	b.run(2*time.Minute, b.mode(1, contract.ModeNormal))
}

func TestClocksWithinTheBoundAreRight(t *testing.T) {
	b := newBench(t, 3)
	b.machine[1].wall = 480
	b.machine[2].wall = -10
	b.run(time.Minute, nil)
	for i := range b.machine {
		require.Equal(t, contract.ModeNormal, b.machine[i].node.Mode())
		require.False(t, b.logged(i, "clock"))
	}
}

func TestTheOperatorsModeOutlivesARestart(t *testing.T) {
	b := newBench(t, 1)
	b.run(time.Second, nil)
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonOperator, On: true})
	require.False(t, b.machine[0].node.ModeStored())
	b.run(time.Second, b.machine[0].node.ModeStored)
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonDisk, On: true})
	b.crash(0)
	b.start(0)
	require.Equal(t, []string{contract.ReasonOperator}, b.machine[0].node.Status().ModeReasons,
		"who watches over the disk looks anew")
	require.Equal(t, contract.CodeReadOnly, b.do(0, contract.OpPut, "a", "1").Code)
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonOperator})
	b.run(time.Second, b.machine[0].node.ModeStored)
	b.crash(0)
	b.start(0)
	require.Equal(t, contract.ModeNormal, b.machine[0].node.Mode())

	require.NoError(t,
		b.machine[0].store.Apply(
			[]contract.Change{{Key: schema.KeyMode, Value: schema.Seal(schema.KeyMode, []byte{schema.Format, 9})}}))
	m := b.machine[0]
	_, err := New(b.time(m), Options{Name: "n1", Addr: "n1", Cluster: "test", Store: m.store, Rand: m.node.Rand,
		Founder: true}, &contract.Effects{})
	require.ErrorIs(t, err, codec.ErrCorrupt)
}

func TestADiskThatIsNearlyFullTakesDeletions(t *testing.T) {
	b := newBench(t, 1)
	b.do(0, contract.OpPut, "a", "1")
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonDisk, On: true})
	require.Equal(t, contract.CodeDiskFull, b.do(0, contract.OpPut, "a", "2").Code)
	require.Equal(t, contract.CodeOK, b.do(0, contract.OpDelete, "a", "").Code)
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonDiskReserve, On: true})
	require.Equal(t, contract.CodeDiskFull, b.do(0, contract.OpDelete, "a", "").Code)
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonDiskReserve})
	b.step(0, &contract.SetReadOnly{Reason: contract.ReasonClock, On: true})
	require.Equal(t, contract.CodeReadOnly, b.do(0, contract.OpDelete, "a", "").Code, "another reason stands")
}

// A cluster starts while one clock is wrong: the first peer that the others measure may be that one.
func TestOneWrongClockAtTheStartStopsOneMember(t *testing.T) {
	b := emptyBench(t)
	for range 3 {
		b.add()
	}
	b.machine[1].wall = 90_000
	for i := range b.machine {
		b.start(i)
	}
	// n1 meets n2 first.
	b.cut = func(from, to string) bool { return b.now < 10*time.Second && (from == "n3" || to == "n3") }
	b.run(30*time.Second, nil)
	require.Equal(t, contract.ModeReadOnly, b.machine[1].node.Mode())
	require.Equal(t, contract.ModeNormal, b.machine[0].node.Mode(), "in the end")
	require.Equal(t, contract.ModeNormal, b.machine[2].node.Mode())
	require.False(t, b.logged(2, "clock too far off"))
}

// A member whose clock is known to be wrong still reads linearizably, and its ballots do not carry its time to the
// others.
func TestAWrongClockMakesNoBallots(t *testing.T) {
	b := founded(t, 3)
	b.run(10*time.Second, nil)
	b.machine[1].wall = (2 * time.Hour).Milliseconds()
	b.run(20*time.Second, func() bool { return b.machine[1].node.ClockOff() })
	require.Equal(t, contract.CodeNotFound, b.doLinear(1, contract.OpGet, "a", "", always).Code)
	b.lose = func(from string, s contract.Send) bool {
		return from == "n1" && s.Transport == contract.TransportFrame && wire.Kind(s.Data[1]) == wire.KindAccept &&
			s.To == "n3"
	}
	b.cut = func(from, to string) bool { return from == "n2" || to == "n2" }
	b.linear(0, contract.OpPut, "a", "unfinished", always)
	b.run(200*time.Millisecond, nil)
	b.cut, b.lose = func(from, to string) bool { return from == "n3" || to == "n3" }, nil
	require.Equal(t, "unfinished", string(b.doLinear(1, contract.OpGet, "a", "", always).Record.Value),
		"the read finished it under a ballot of its own")
	require.Positive(t, b.machine[1].node.Counters.RoundAccepts)
	require.Less(t, b.machine[0].node.HLC.Last().Wall(), b.time(b.machine[0]).Wall+time.Minute.Milliseconds())
}
