package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/scenarios"
)

// still is a world in which nothing happens by itself.
func still(t *testing.T, link chaos.Link) *world {
	t.Helper()
	sc := scenarios.Default()
	sc.Name, sc.Network, sc.Expect = "still", link, []scenarios.Promise{scenarios.Finished}
	require.NoError(t, sc.Validate())
	w := newWorld(Options{Seed: 1, Scenario: &sc})
	w.heap = eventHeap{}
	return w
}

// exchange sends messages 0 to count-1 from n1 to n2 and returns what arrives, and when.
func exchange(w *world, tr node.Transport, count int, gap time.Duration) (got []string, at []time.Duration) {
	for i := range count {
		w.now = time.Duration(i) * gap
		w.send(1, &node.Send{Transport: tr, To: address(2), Data: fmt.Appendf(nil, "%04d", i)})
	}
	return drain(w)
}

func drain(w *world) (got []string, at []time.Duration) {
	for w.heap.len() > 0 {
		e := w.heap.pop()
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
	got, at := exchange(w, node.TransportFrame, 500, time.Millisecond)
	require.Len(t, got, 500)
	require.IsIncreasing(t, got)
	require.IsIncreasing(t, at)
	require.Zero(t, w.net.packets.used())

	w = still(t, wide)
	got, _ = exchange(w, node.TransportDatagram, 500, time.Millisecond)
	require.Len(t, got, 500)
	require.False(t, isSorted(got), "datagrams overtake each other")

	w = still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Reorder, PPM: 200_000}))
	got, _ = exchange(w, node.TransportFrame, 500, time.Millisecond)
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
	got, _ := exchange(w, node.TransportDatagram, 1000, time.Millisecond)
	require.InDelta(t, 700, len(got), 100)
	require.EqualValues(t, 1000-len(got), w.stats.lost)

	w = still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Loss, PPM: 300_000}))
	got, at := exchange(w, node.TransportFrame, 200, time.Second)
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
	for _, tr := range []node.Transport{node.TransportDatagram, node.TransportFrame} {
		w := still(t, wide)
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Duplicate, PPM: chaos.PPMAll}))
		got, _ := exchange(w, tr, 100, time.Millisecond)
		require.Len(t, got, 200)
	}
	w := still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Corrupt, PPM: chaos.PPMAll}))
	data := []byte("0000")
	w.send(1, &node.Send{To: address(2), Data: data})
	got, _ := drain(w)
	require.NotEqual(t, []string{"0000"}, got)
	require.Equal(t, "0000", string(data), "the sender's memory stays as it was")
	got, _ = exchange(w, node.TransportFrame, 50, time.Millisecond)
	require.Len(t, got, 50)
	require.True(t, isSorted(got), "frames are never corrupted")
}

func TestCutsBreakConnections(t *testing.T) {
	for _, tr := range []node.Transport{node.TransportDatagram, node.TransportFrame} {
		w := still(t, wide)
		w.send(1, &node.Send{Transport: tr, To: address(2), Data: []byte("in flight")})
		w.send(2, &node.Send{Transport: tr, To: address(1), Data: []byte("back")})
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Cut, From: []int{1}, To: []int{2}}))
		w.send(1, &node.Send{Transport: tr, To: address(2), Data: []byte("cut")})
		w.send(1, &node.Send{Transport: tr, To: address(3), Data: []byte("elsewhere")})
		got, _ := drain(w)
		require.ElementsMatch(t, []string{"back", "elsewhere"}, got)
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Heal}))
		got, _ = exchange(w, tr, 3, time.Second)
		require.Len(t, got, 3)
	}
	w := still(t, wide)
	w.send(1, &node.Send{Transport: node.TransportFrame, To: address(2), Data: []byte("of the old connection")})
	w.net.breakConnection(1, 2)
	got, _ := exchange(w, node.TransportFrame, 1, 0)
	require.Equal(t, []string{"0000"}, got)

	w.send(1, &node.Send{To: "n9:7946", Data: []byte("x")})
	w.send(1, &node.Send{To: "example.org:1", Data: []byte("x")})
	require.Zero(t, w.heap.len(), "what has no such address gets lost")
}

func TestClogsHoldEverything(t *testing.T) {
	for _, tr := range []node.Transport{node.TransportDatagram, node.TransportFrame} {
		w := still(t, wide)
		clog := chaos.Fault{Kind: chaos.Clog, From: []int{1}, To: []int{2}}
		w.send(1, &node.Send{Transport: tr, To: address(2), Data: []byte("  in flight")})
		require.NoError(t, w.Apply(clog))
		w.send(2, &node.Send{Transport: tr, To: address(1), Data: []byte("the other way")})
		got, _ := exchange(w, tr, 100, time.Millisecond)
		require.Equal(t, []string{"the other way"}, got)
		w.now = time.Minute
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Skew, Nodes: []int{1}, Amount: 1}))
		got, _ = drain(w)
		require.Empty(t, got)
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.HealClog}))
		w.send(1, &node.Send{Transport: tr, To: address(2), Data: []byte("9999, after it")})
		got, at := drain(w)
		require.Len(t, got, 102)
		require.GreaterOrEqual(t, at[0], time.Minute)
		require.Equal(t, tr == node.TransportFrame, isSorted(got), "frames keep their order, datagrams do not")
		require.Zero(t, w.stats.lost)
		require.Zero(t, w.net.packets.used())
	}
	w := still(t, wide)
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Clog, From: []int{1}, To: []int{2}}))
	got, _ := exchange(w, node.TransportDatagram, cloggedMax+10, time.Millisecond)
	require.Empty(t, got)
	require.EqualValues(t, 10, w.stats.lost, "even a clogged link holds only so much")
}

func TestResetsLoseFramesInFlight(t *testing.T) {
	w := still(t, wide)
	for _, to := range []int{2, 3} {
		w.send(1, &node.Send{Transport: node.TransportFrame, To: address(to), Data: []byte("frame")})
		w.send(1, &node.Send{To: address(to), Data: []byte("datagram")})
	}
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Reset, From: []int{1}, To: []int{2}}))
	got, _ := drain(w)
	require.ElementsMatch(t, []string{"datagram", "datagram", "frame"}, got)
	w.send(1, &node.Send{Transport: node.TransportFrame, To: address(2), Data: []byte("frame")})
	w.send(3, &node.Send{Transport: node.TransportFrame, To: address(2), Data: []byte("frame")})
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Reset}))
	got, _ = drain(w)
	require.Empty(t, got)
	got, _ = exchange(w, node.TransportFrame, 1, 0)
	require.Len(t, got, 1, "the next frame has a new connection")
}

func TestPauseKeepsInputsAndCrashLosesThem(t *testing.T) {
	w := still(t, chaos.Link{Delay: time.Millisecond, DelayMax: time.Millisecond})
	r := &w.replicas[2]
	w.start(r)
	w.heap = eventHeap{}
	w.pause(r)
	for range inboxMax + 10 {
		w.send(1, &node.Send{To: address(2), Data: []byte("noise")})
	}
	for w.heap.len() > 0 {
		e := w.heap.pop()
		w.now = e.at
		w.happen(e)
	}
	require.Len(t, r.inbox, inboxMax)
	require.Zero(t, r.node.Status().Counters.DatagramsIn)
	w.resume(r)
	for w.heap.len() > 0 && w.heap.items[0].at <= w.now {
		w.happen(w.heap.pop())
	}
	require.EqualValues(t, inboxMax, r.node.Status().Counters.DatagramsIn)

	w.pause(r)
	w.send(1, &node.Send{To: address(2), Data: []byte("noise")})
	for len(r.inbox) == 0 {
		e := w.heap.pop()
		w.now = e.at
		w.happen(e)
	}
	w.crash(r)
	require.Empty(t, r.inbox)
	require.False(t, r.paused)
	require.Nil(t, r.node)
}

// Every fault there is can be applied and ended, in any order that a generated plan has.
func TestTargetSupportsEverything(t *testing.T) {
	w := still(t, wide)
	require.Equal(t, w.nodes, w.Nodes())
	for _, k := range chaos.Kinds() {
		require.True(t, w.Supports(k))
	}
	sc, err := scenarios.Load("swarm")
	require.NoError(t, err)
	sc.Random.Kinds, sc.Core = chaos.Disturbances(), 0 // wipes make new voters: no core is sure to have a majority.
	used := map[chaos.Kind]bool{}
	for seed := uint64(1); seed <= 100; seed++ {
		d := Draw(seed, sc)
		res, err := Run(Options{Seed: seed, Scenario: &d})
		require.NoError(t, err)
		require.Empty(t, res.Violations, "seed %d\n%s", seed, res.Stack)
		for _, k := range d.Plan.Kinds() {
			used[k] = true
		}
	}
	for _, k := range chaos.Disturbances() {
		require.True(t, used[k], "%s was never tried", k)
	}
}
