package guide_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim/guide"
)

func load(t *testing.T, name string) scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Load(name)
	require.NoError(t, err)
	return s
}

// search looks with outcomes that a function makes up, and checks all that it is asked to live.
func search(t *testing.T, s scenarios.Scenario, seed uint64, runs int, uniform bool, test func(s *scenarios.Scenario) guide.Outcome) (guide.Result, []string) {
	t.Helper()
	var lived []string
	seeds := map[uint64]bool{}
	r := guide.Search(guide.Options{Seed: seed, Scenario: s, Runs: runs, Uniform: uniform, Progress: func(guide.Result) {},
		Test: func(batch []scenarios.Scenario) (out []guide.Outcome) {
			for i := range batch {
				c := &batch[i]
				require.True(t, c.Drawn())
				require.NoError(t, c.Validate())
				require.Equal(t, s.Expect, c.Expect)
				require.LessOrEqual(t, c.Nodes, s.Nodes)
				require.LessOrEqual(t, c.Clients, s.Clients)
				require.GreaterOrEqual(t, c.Workload.Think, s.Workload.Think)
				require.LessOrEqual(t, c.Network.Loss, s.Network.Loss)
				require.LessOrEqual(t, c.Clocks.SkewMax, s.Clocks.SkewMax)
				require.False(t, seeds[c.Seed], "a seed is lived once")
				seeds[c.Seed] = true
				lived = append(lived, c.String())
				out = append(out, test(c))
			}
			return out
		}})
	return r, lived
}

// closest is the shortest time between a crash of a node and a jump of its clock.
func closest(s *scenarios.Scenario) time.Duration {
	best := time.Hour
	for i, e := range s.Plan.Events {
		for _, f := range s.Plan.Events[i+1:] {
			if e.Kind == chaos.Crash && f.Kind == chaos.Jump && slices.Equal(e.Nodes, f.Nodes) {
				best = min(best, f.At-e.At)
			}
		}
	}
	return best
}

// needle fails when a crash and a jump at one node come within 30 ms; each halving of that distance is a situation.
func needle(s *scenarios.Scenario) guide.Outcome {
	at := closest(s)
	out := guide.Outcome{Failed: at <= 30*time.Millisecond, Situations: []uint32{0}}
	for i, d := uint32(1), 20*time.Second; d > at; i, d = i+1, d/2 {
		out.Situations = append(out.Situations, i)
	}
	return out
}

// What leads to a failure step by step is found in fewer runs than by chance.
func TestGuidedFindsSooner(t *testing.T) {
	s := load(t, "swarm")
	runs := [2]int{}
	for seed := range uint64(5) {
		for i := range runs {
			r, _ := search(t, s, seed, 1500, i == 0, needle)
			runs[i] += r.Runs
			if r.Failed != nil {
				require.True(t, needle(r.Failed).Failed)
			}
		}
	}
	t.Log("uniform and guided runs:", runs)
	require.Less(t, 2*runs[1], runs[0], "uniform and guided runs")
}

func TestSearchIsAFunctionOfItsSeed(t *testing.T) {
	s := load(t, "linearizable-swarm")
	never := func(s *scenarios.Scenario) guide.Outcome {
		out := needle(s)
		out.Failed = false
		return out
	}
	r, first := search(t, s, 1, 300, false, never)
	_, again := search(t, s, 1, 300, false, never)
	require.Equal(t, first, again)
	require.Nil(t, r.Failed)
	require.Equal(t, 300, r.Runs)
	require.Positive(t, r.Kept)
	require.Greater(t, r.Situations, r.Kept/2)
	_, other := search(t, s, 2, 300, false, never)
	require.NotEqual(t, first, other)
	_, uniform := search(t, s, 1, 300, true, never)
	require.NotEqual(t, first, uniform)
}

// Where data can get lost, or a majority is promised, faults come as the generator draws them: never closer together.
func TestPlansThatPromiseAreNotEdited(t *testing.T) {
	s := load(t, "voter-churn")
	require.True(t, s.Random.KeepMajority)
	n := uint32(0)
	search(t, s, 1, 200, false, func(c *scenarios.Scenario) guide.Outcome {
		down := map[int]bool{}
		for _, e := range c.Plan.Events {
			for _, node := range e.Nodes {
				switch e.Kind {
				case chaos.Crash, chaos.Pause:
					down[node] = true
				case chaos.Restart, chaos.Resume:
					delete(down, node)
				}
			}
			require.LessOrEqual(t, len(down), (c.Nodes-1)/2, c.Plan)
		}
		n++
		return guide.Outcome{Situations: []uint32{n}} // each is kept.
	})
}

// The number of scenarios that are kept is bounded, and the search goes on beyond it.
func TestKeptIsBounded(t *testing.T) {
	n := uint32(0)
	r, _ := search(t, load(t, "split-brain"), 1, 1500, false, func(*scenarios.Scenario) guide.Outcome {
		n++
		return guide.Outcome{Situations: []uint32{n, 0}}
	})
	require.Equal(t, 1500, r.Runs)
	require.Equal(t, 1501, r.Situations)
	require.Equal(t, 512, r.Kept)
}
