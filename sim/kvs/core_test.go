package kvs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim"
)

// spoiled lives a scenario whose faults go on: f begins right after the end of all faults.
func spoiled(t *testing.T, name string, seed uint64, settle time.Duration,
	f func(w *cluster) chaos.Fault) []sim.Violation {
	t.Helper()
	sc, err := scenarios.Load(name)
	require.NoError(t, err)
	core := sc.Core
	sc = sim.Draw(seed, sc)
	sc.Core, sc.Settle = core, settle
	var w *cluster
	done := false
	w = testWorld(sim.Options{Seed: seed, Scenario: &sc, Trace: func(line string) {
		// those faults are the end of all.
		if !done && w.Recovering() && w.Now() >= sc.Duration && !strings.Contains(line, " fault ") {
			done = true
			require.NoError(t, w.Apply(f(w)))
		}
	}})
	require.Empty(t, w.Run().Stack)
	return w.Violations()
}

// Who holds up the end is named: the operation, the members it waits for, and what became of the last messages.
func TestHoldupIsNamed(t *testing.T) {
	got := spoiled(t, "linearizable", 3, time.Minute, func(w *cluster) chaos.Fault {
		return chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1}, {2}, {3}, {4}, {5}}}
	})
	breaks(t, got, scenarios.Finished.String(), "it is not over")
	require.Regexp(t, `n1 sees n2 dead since \d+\.\d{3}s `+
		`\(n2->n1 gossip at \d+\.\d{3}s lost, the link is cut, n1->n2 gossip at`, got[0].Detail)

	got = spoiled(t, "quorum", 3, 700*time.Millisecond, func(w *cluster) chaos.Fault {
		return chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1}, {2}, {3}, {4}, {5}}}
	})
	// That is before anybody is found dead.
	require.Regexp(t, `n\d: a quorum put of "[^"]+" waits for copies: `+
		`n\d \(n\d->n\d store at \d+\.\d{3}s lost, the link is cut`, got[0].Detail)
	require.LessOrEqual(t, strings.Count(got[0].Detail, "\n"), 24+2, "a screen")
}

// The core phase wants what it says of the core, and of nobody else.
func TestCoreHasToFinishAlone(t *testing.T) {
	for name, says := range map[string]string{
		"linearizable-core-heals": "a majority, it is not over there",
		"core-heals":              "a majority, it is not over there",
	} {
		got := spoiled(t, name, 7, time.Minute, func(w *cluster) chaos.Fault {
			require.Greater(t, len(w.Core()), 1, "the seed has a core")
			n := w.Core()[0]
			return chaos.Fault{Kind: chaos.Cut, From: []int{n},
				To: slices.DeleteFunc([]int{1, 2, 3, 4, 5, 6, 7}[:w.Nodes()], func(k int) bool { return k == n })}
		})
		breaks(t, got, scenarios.Finished.String(), says)
	}
}

// All fates of the others occur, and cores of all sizes.
func TestCoresAreDrawn(t *testing.T) {
	sc, err := scenarios.Load("linearizable-core-heals")
	require.NoError(t, err)
	sc.Duration = 2 * time.Second // cores are drawn at its end.
	sizes, faults := map[int]int{}, map[chaos.Kind]int{}
	for seed := uint64(1); seed <= 60; seed++ {
		drawn := sim.Draw(seed, sc)
		drawn.Core = sc.Core // half of the swarm has none.
		var w *cluster
		looked, rec := false, &sim.Recording{EventsMax: 1}
		w = testWorld(sim.Options{Seed: seed, Scenario: &drawn, Record: rec, Trace: func(string) {
			if w.Core() != nil && !looked {
				looked = true
				sizes[w.Nodes()-len(w.Core())]++
				require.Greater(t, 2*len(w.Core()), w.Nodes())
			}
		}})
		require.Empty(t, w.Run().Stack)
		for _, e := range rec.Faults {
			if e.At == drawn.Duration {
				faults[e.Fault.Kind]++
			}
		}
	}
	for left := 0; left <= 3; left++ {
		require.NotZero(t, sizes[left], "%d nodes outside: %v", left, sizes)
	}
	require.NotZero(t, faults[chaos.Crash])
	require.NotZero(t, faults[chaos.Cut])
}

// The generations of tombstones that cannot end, since a holder is outside of the core, are written four times in a
// grace time by each member: the disks of several were never idle at the moments at which the world looked.
func TestBusyCoreIsOver(t *testing.T) {
	for _, seed := range []uint64{146, 277} {
		sc, err := scenarios.Load("expiry")
		require.NoError(t, err)
		sc.Duration = 3 * time.Second
		sc = sim.Draw(seed, sc)
		busy := false
		var w *cluster
		w = testWorld(sim.Options{Seed: seed, Scenario: &sc, Trace: func(string) {
			busy = busy || w.Core() != nil && w.Now() > sc.Duration+time.Second
		}})
		res := w.Run()
		require.Equal(t, "ok", res.Verdict(), "%v", res.Violations)
		require.True(t, busy, "the seed has a core")
	}
}

// Members that have never met, and have no seed among them, are no core.
func TestCoreIsAcquainted(t *testing.T) {
	sc, err := scenarios.Parse(`
scenario never-met
about    all are apart from the first moment on
nodes    5
clients  4
duration 2s
core     20s
settle   1m
workload keys=20 get=50 put=50 level=eventual
network  delay=1ms..10ms
tuning   seeds=2
expect   converged, no-lost-write, finished
plan
  at 0s    partition n1 | n2 | n3 | n4 | n5
`)
	require.NoError(t, err)
	drawn := sim.Draw(7, sc)
	w := testWorld(sim.Options{Seed: 7, Scenario: &drawn})
	res := w.Run()
	require.Equal(t, "ok", res.Verdict(), "%v", res.Violations)

	w = testWorld(sim.Options{Seed: 7, Scenario: &drawn})
	require.False(t, w.MayBeCore([]int{3, 4, 5}), "both seeds are outside")
	require.True(t, w.MayBeCore([]int{2, 3, 4}), "n3 and n4 find each other through n2")
}
