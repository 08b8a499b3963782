package kvs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
)

// A disk that is nearly full, and seen to be in time, refuses writes and loses nothing.
func TestGuardedDiskIsReadOnly(t *testing.T) {
	w := still(t)
	r := &w.Replicas[1]
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Restart, Nodes: []int{1}}))
	for range 20 { // until the guard was in time.
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.DiskFull, Nodes: []int{1}}))
		if r.Guarded() {
			break
		}
	}
	require.Equal(t, node.ModeReadOnly, r.Node.Mode())
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{1}}))
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Restart, Nodes: []int{1}}))
	require.Equal(t, node.ModeReadOnly, r.Node.Mode(), "the guard looks at once after a start")
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Pause, Nodes: []int{1}}))
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.HealDisks}))
	require.Equal(t, node.ModeReadOnly, r.Node.Mode(), "a paused process hears nothing")
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Resume, Nodes: []int{1}}))
	require.Equal(t, node.ModeNormal, r.Node.Mode())
}

// An identity is on its disk, and so is what the checkers know of it.
func TestSwappedDisksCarryIdentities(t *testing.T) {
	w := still(t)
	var ids [3]node.ID
	for n := 1; n <= 2; n++ {
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Restart, Nodes: []int{n}}))
	}
	w.RunUntil(time.Second)
	for n := 1; n <= 2; n++ {
		r := &w.Replicas[n]
		ids[n] = r.ID
		w.Disks.Held[n]["a"] = &node.Slot{TS: node.Timestamp(n)}
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{n}}))
	}
	require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.SwapDisks, Nodes: []int{1, 2}}))
	for n := 1; n <= 2; n++ {
		r := &w.Replicas[n]
		require.NoError(t, w.Apply(chaos.Fault{Kind: chaos.Restart, Nodes: []int{n}}))
		require.Equal(t, ids[3-n], r.Node.ID())
		held := w.Disks.Held[n]["a"]
		require.EqualValues(t, 3-n, held.Top())
		for _, m := range r.Node.Status().Members {
			require.True(t, m.ID != r.ID || m.Addr == sim.Address(n) && m.Name == sim.NodeName(n), "it is %s at %s",
				m.Name, m.Addr)
		}
	}
	require.Empty(t, w.Violations())
}

// With persists in flight a crash is ten times as likely as without.
func TestBusyCrashes(t *testing.T) {
	sc, err := scenarios.Load("patterns")
	require.NoError(t, err)
	sc.Random.Kinds = []chaos.Kind{chaos.Crash}
	share := func(busy bool) (torn, crashes int) {
		// few of the crashes hit persists in flight by chance: a smaller sample says little.
		for seed := uint64(1); seed <= 32; seed++ {
			d := sim.Draw(seed, sc)
			d.Disk.Busy = busy
			w := testWorld(sim.Options{Seed: seed, Scenario: &d})
			w.Run()
			all, cut := w.Crashes()
			torn, crashes = torn+cut, crashes+all
		}
		return torn, crashes
	}
	torn, crashes := share(false)
	busyTorn, busyCrashes := share(true)
	require.Equal(t, crashes, busyCrashes, "each comes, if later")
	require.Greater(t, busyTorn, 3*torn)
	require.Less(t, busyTorn, busyCrashes, "some still hit a quiet moment")
	t.Logf("of %d crashes %d hit persists in flight, and %d when they look for them", crashes, torn, busyTorn)
}

// Every fault there is can be applied and ended, in any order that a generated plan has.
func TestTargetSupportsEverything(t *testing.T) {
	w := still(t)
	require.Equal(t, 3, w.Nodes())
	for _, k := range chaos.Kinds() {
		require.True(t, w.Supports(k))
	}
	sc, err := scenarios.Load("swarm")
	require.NoError(t, err)
	sc.Random.Kinds, sc.Core = chaos.Disturbances(), 0 // wipes make new voters: no core is sure to have a majority.
	used := map[chaos.Kind]bool{}
	for seed := uint64(1); seed <= 20 || seed <= 100 && len(used) < len(chaos.Disturbances()); seed++ {
		d := sim.Draw(seed, sc)
		res, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &d})
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
