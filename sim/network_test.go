package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/sim/scenario"
)

// still is a world in which nothing happens by itself.
func still(t *testing.T, link chaos.Link) *World {
	t.Helper()
	sc := scenario.Default(&scenario.None{})
	sc.Name, sc.Network, sc.Expect = "still", link, []scenario.Promise{scenario.Finished}
	require.NoError(t, sc.Validate())
	w := NewWorld(Options{System: toySystem{}, Seed: 1, Scenario: &sc})
	w.agenda = agenda{}
	return w
}

// exchange sends messages 0 to count-1 from n1 to n2 and returns what arrives, and when.
func exchange(w *World, tr Transport, count int, gap time.Duration) (got []string, at []time.Duration) {
	for i := range count {
		w.now = time.Duration(i) * gap
		w.send(1, &Send{Transport: tr, To: Address(2), Data: fmt.Appendf(nil, "%04d", i)})
	}
	return drain(w)
}

func drain(w *World) (got []string, at []time.Duration) {
	for w.agenda.len() > 0 {
		e := w.agenda.pop()
		w.now = e.at
		if w.clog(e) {
			continue
		}
		if p, ok := w.arrives(e.slot); ok {
			got, at = append(got, string(p.data)), append(at, e.at)
		}
	}
	return got, at
}

var wide = chaos.Link{Delay: time.Millisecond, DelayMax: 50 * time.Millisecond}

func TestFramesKeepTheirOrder(t *testing.T) {
	w := still(t, wide)
	got, at := exchange(w, TransportFrame, 500, time.Millisecond)
	require.Len(t, got, 500)
	require.IsIncreasing(t, got)
	require.IsIncreasing(t, at)
	require.Zero(t, w.net.packets.Used())

	w = still(t, wide)
	got, _ = exchange(w, TransportDatagram, 500, time.Millisecond)
	require.Len(t, got, 500)
	require.False(t, isSorted(got), "datagrams overtake each other")

	w = still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Reorder, PPM: 200_000}))
	got, _ = exchange(w, TransportFrame, 500, time.Millisecond)
	require.Len(t, got, 500)
	require.False(t, isSorted(got), "frames of different connections overtake each other")
}

func isSorted(list []string) bool {
	for i := 1; i < len(list); i++ {
		if list[i] < list[i-1] {
			return false
		}
	}
	return true
}

func TestLossLosesDatagramsAndDelaysFrames(t *testing.T) {
	w := still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Loss, PPM: 300_000}))
	got, _ := exchange(w, TransportDatagram, 1000, time.Millisecond)
	require.InDelta(t, 700, len(got), 100)
	require.EqualValues(t, 1000-len(got), w.stats.lost)

	w = still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Loss, PPM: 300_000}))
	got, at := exchange(w, TransportFrame, 200, time.Second)
	require.Greater(t, len(got), 190, "hardly any frame is retransmitted in vain")
	require.True(t, isSorted(got))
	late := 0
	for i := range got {
		var number int
		_, err := fmt.Sscan(got[i], &number)
		require.NoError(t, err)
		if at[i]-time.Duration(number)*time.Second > retransmitDelay {
			late++
		}
	}
	require.Greater(t, late, 30)
}

func TestDuplicatesAndCorruption(t *testing.T) {
	for _, tr := range []Transport{TransportDatagram, TransportFrame} {
		w := still(t, wide)
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Duplicate, PPM: chaos.PPMAll}))
		got, _ := exchange(w, tr, 100, time.Millisecond)
		require.Len(t, got, 200)
	}
	w := still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Corrupt, PPM: chaos.PPMAll}))
	data := []byte("0000")
	w.send(1, &Send{To: Address(2), Data: data})
	got, _ := drain(w)
	require.NotEqual(t, []string{"0000"}, got)
	require.Equal(t, "0000", string(data), "the sender's memory stays as it was")
	got, _ = exchange(w, TransportFrame, 50, time.Millisecond)
	require.Len(t, got, 50)
	require.True(t, isSorted(got), "frames are never corrupted")
}

func TestCutsBreakConnections(t *testing.T) {
	for _, tr := range []Transport{TransportDatagram, TransportFrame} {
		w := still(t, wide)
		w.send(1, &Send{Transport: tr, To: Address(2), Data: []byte("in flight")})
		w.send(2, &Send{Transport: tr, To: Address(1), Data: []byte("back")})
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Cut, From: []int{1}, To: []int{2}}))
		w.send(1, &Send{Transport: tr, To: Address(2), Data: []byte("cut")})
		w.send(1, &Send{Transport: tr, To: Address(3), Data: []byte("elsewhere")})
		got, _ := drain(w)
		require.ElementsMatch(t, []string{"back", "elsewhere"}, got)
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Heal}))
		got, _ = exchange(w, tr, 3, time.Second)
		require.Len(t, got, 3)
	}
	w := still(t, wide)
	w.send(1, &Send{Transport: TransportFrame, To: Address(2), Data: []byte("of the old connection")})
	w.net.breakConnection(1, 2)
	got, _ := exchange(w, TransportFrame, 1, 0)
	require.Equal(t, []string{"0000"}, got)

	w.send(1, &Send{To: "n9:7946", Data: []byte("x")})
	w.send(1, &Send{To: "example.org:1", Data: []byte("x")})
	require.Zero(t, w.agenda.len(), "what has no such address gets lost")
}

func TestClogsHoldEverything(t *testing.T) {
	for _, tr := range []Transport{TransportDatagram, TransportFrame} {
		w := still(t, wide)
		clog := chaos.Fault{Kind: chaos.Clog, From: []int{1}, To: []int{2}}
		w.send(1, &Send{Transport: tr, To: Address(2), Data: []byte("  in flight")})
		require.NoError(t, w.Apply(clog))
		w.send(2, &Send{Transport: tr, To: Address(1), Data: []byte("the other way")})
		got, _ := exchange(w, tr, 100, time.Millisecond)
		require.Equal(t, []string{"the other way"}, got)
		w.now = time.Minute
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Skew, Nodes: []int{1}, Amount: 1}))
		got, _ = drain(w)
		require.Empty(t, got)
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.HealClog}))
		w.send(1, &Send{Transport: tr, To: Address(2), Data: []byte("9999, after it")})
		got, at := drain(w)
		require.Len(t, got, 102)
		require.GreaterOrEqual(t, at[0], time.Minute)
		require.Equal(t, tr == TransportFrame, isSorted(got), "frames keep their order, datagrams do not")
		require.Zero(t, w.stats.lost)
		require.Zero(t, w.net.packets.Used())
	}
	w := still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Clog, From: []int{1}, To: []int{2}}))
	got, _ := exchange(w, TransportDatagram, cloggedMax+10, time.Millisecond)
	require.Empty(t, got)
	require.EqualValues(t, 10, w.stats.lost, "even a clogged link holds only so much")
}

func TestResetsLoseFramesInFlight(t *testing.T) {
	w := still(t, wide)
	for _, to := range []int{2, 3} {
		w.send(1, &Send{Transport: TransportFrame, To: Address(to), Data: []byte("frame")})
		w.send(1, &Send{To: Address(to), Data: []byte("datagram")})
	}
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Reset, From: []int{1}, To: []int{2}}))
	got, _ := drain(w)
	require.ElementsMatch(t, []string{"datagram", "datagram", "frame"}, got)
	w.send(1, &Send{Transport: TransportFrame, To: Address(2), Data: []byte("frame")})
	w.send(3, &Send{Transport: TransportFrame, To: Address(2), Data: []byte("frame")})
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Reset}))
	got, _ = drain(w)
	require.Empty(t, got)
	got, _ = exchange(w, TransportFrame, 1, 0)
	require.Len(t, got, 1, "the next frame has a new connection")
}

func TestPauseKeepsInputsAndCrashLosesThem(t *testing.T) {
	w := still(t, chaos.Link{Delay: time.Millisecond, DelayMax: time.Millisecond})
	r := &w.replicas[2]
	w.start(r)
	w.agenda = agenda{}
	w.pause(r)
	for range inboxMax + 10 {
		w.send(1, &Send{To: Address(2), Data: []byte("noise")})
	}
	for w.agenda.len() > 0 {
		e := w.agenda.pop()
		w.now = e.at
		w.happen(e)
	}
	require.Len(t, r.inbox, inboxMax)
	require.Zero(t, r.machine.(*toyMachine).inputs[InputDatagram])
	w.resume(r)
	for w.agenda.len() > 0 && w.agenda.first().at <= w.now {
		w.happen(w.agenda.pop())
	}
	require.EqualValues(t, inboxMax, r.machine.(*toyMachine).inputs[InputDatagram])

	w.pause(r)
	w.send(1, &Send{To: Address(2), Data: []byte("noise")})
	for len(r.inbox) == 0 {
		e := w.agenda.pop()
		w.now = e.at
		w.happen(e)
	}
	w.crash(r)
	require.Empty(t, r.inbox)
	require.False(t, r.paused)
	require.Nil(t, r.machine)
}
