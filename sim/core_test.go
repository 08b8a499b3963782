package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
)

// spoiled lives a scenario whose faults go on: f begins right after the end of all faults.
func spoiled(t *testing.T, name string, seed uint64, settle time.Duration, f func(w *world) chaos.Fault) []Violation {
	t.Helper()
	sc, err := scenarios.Load(name)
	require.NoError(t, err)
	core := sc.Core
	sc = Draw(seed, sc)
	sc.Core, sc.Settle = core, settle
	w := newWorld(Options{Seed: seed, Scenario: &sc})
	w.tracer = func(line string) {
		if w.recovering && w.now >= sc.Duration && !strings.Contains(line, " fault ") { // those faults are the end of all.
			w.tracer = nil
			require.NoError(t, w.Apply(f(w)))
		}
	}
	require.Empty(t, w.liveOrPanic())
	w.violate(w.evidence().judge()...)
	return w.violations
}

// Who holds up the end is named: the operation, the members it waits for, and what became of the last messages.
func TestHoldupIsNamed(t *testing.T) {
	got := spoiled(t, "linearizable", 3, time.Minute, func(w *world) chaos.Fault {
		return chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1}, {2}, {3}, {4}, {5}}}
	})
	requireBroken(t, got, scenarios.Finished.String(), "it is not over")
	require.Regexp(t, `n1 sees n2 dead since \d+\.\d{3}s \(n2->n1 gossip at \d+\.\d{3}s lost, the link is cut, n1->n2 gossip at`, got[0].Detail)

	got = spoiled(t, "quorum", 3, 700*time.Millisecond, func(w *world) chaos.Fault {
		return chaos.Fault{Kind: chaos.Partition, Groups: [][]int{{1}, {2}, {3}, {4}, {5}}}
	})
	// That is before anybody is found dead.
	require.Regexp(t, `n\d: a quorum put of "[^"]+" waits for copies: n\d \(n\d->n\d store at \d+\.\d{3}s lost, the link is cut`, got[0].Detail)
	require.LessOrEqual(t, strings.Count(got[0].Detail, "\n"), holdupLinesMax+2, "a screen")
}

// The core phase wants what it says of the core, and of nobody else.
func TestCoreHasToFinishAlone(t *testing.T) {
	for name, says := range map[string]string{
		"linearizable-core-heals": "a majority, it is not over there",
		"core-heals":              "a majority, it is not over there",
	} {
		got := spoiled(t, name, 7, time.Minute, func(w *world) chaos.Fault {
			require.NotNil(t, w.core, "the seed has a core")
			require.Greater(t, len(w.core.nodes), 1)
			n := w.core.nodes[0]
			return chaos.Fault{Kind: chaos.Cut, From: []int{n}, To: without(w.nodes, n)}
		})
		requireBroken(t, got, scenarios.Finished.String(), says)
	}
}

// All fates of the others occur, and cores of all sizes.
func TestCoresAreDrawn(t *testing.T) {
	sc, err := scenarios.Load("linearizable-core-heals")
	require.NoError(t, err)
	sizes, faults := map[int]int{}, map[chaos.Kind]int{}
	for seed := uint64(1); seed <= 60; seed++ {
		drawn := Draw(seed, sc)
		drawn.Core = sc.Core // half of the swarm has none.
		w := newWorld(Options{Seed: seed, Scenario: &drawn, Record: &Recording{EventsMax: 1}})
		looked := false
		w.tracer = func(string) {
			if w.core != nil && !looked {
				looked = true
				sizes[w.nodes-len(w.core.nodes)]++
				require.Greater(t, 2*len(w.core.nodes), w.nodes)
			}
		}
		require.Empty(t, w.liveOrPanic())
		for _, e := range w.recording.Faults {
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
