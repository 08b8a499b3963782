package shrink_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs"
	"kvs/sim/scenario"
	"kvs/sim/shrink"
)

// hay is a scenario in which a needle can be hidden.
func hay(t *testing.T) scenario.Scenario {
	t.Helper()
	s, err := scenarios.Parse(`scenario hay
seed 5
nodes 5
clients 4
duration 20s
workload keys=10 get=1 put=1
network loss=2% duplicate=1%
clocks skew=0s..200ms
expect converged, no-lost-write
plan
  at 1s crash n1
  at 2s pause n2
  at 3s restart n1
  at 4s crash n2
  at 5s partition n1 | n2,n3
  at 6s restart n2
  at 7s heal
  at 8s jump n3 +1s
  at 15s freeze-clock n4
  at 16s thaw-clock n4
`)
	require.NoError(t, err)
	return s
}

func begunBy(s *scenario.Scenario, each int) []int {
	out := make([]int, s.Clients)
	for i := range out {
		out[i] = each
		if s.Keep != nil {
			out[i] = 0
			if i < len(*s.Keep) {
				out[i] = len((*s.Keep)[i])
			}
		}
	}
	return out
}

// options tests candidates with a function, and wants every one to be valid and new.
func options(t *testing.T, fails func(s *scenario.Scenario) bool) shrink.Options {
	seen := map[string]bool{}
	return shrink.Options{
		Batch:  3,
		Enough: func() bool { return false },
		Test: func(batch []scenario.Scenario) (out []shrink.Outcome) {
			for i := range batch {
				s := &batch[i]
				require.NoError(t, s.Validate())
				again, err := scenarios.Parse(s.String())
				require.NoError(t, err)
				require.Equal(t, s.String(), again.String())
				seen[s.String()] = true
				out = append(out, shrink.Outcome{Fails: fails(s), Begun: begunBy(s, 30)})
			}
			return out
		},
		Progress: func(string, shrink.Size) {},
	}
}

// The needle is a crash of n2, while client 3 does its 17th operation and client 1 its 4th.
func TestEverythingButTheNeedleGoes(t *testing.T) {
	s := hay(t)
	does := func(s *scenario.Scenario, client, op int) bool {
		return s.Clients >= client && (s.Keep == nil || client <= len(*s.Keep) &&
			slices.Contains((*s.Keep)[client-1], op))
	}
	small, size := shrink.Shrink(s, begunBy(&s, 30), options(t, func(s *scenario.Scenario) bool {
		return s.Nodes >= 2 && s.Network.Loss > 0 && s.Expects(scenarios.NoLostWrite) && does(s, 3, 17) &&
			does(s, 1, 4) &&
			slices.ContainsFunc(s.Plan.Events, func(e chaos.Event) bool {
				return e.Kind == chaos.Crash &&
					e.Nodes[0] == 2
			})
	}))
	require.Equal(t, "at 4s crash n2\n", small.Plan.String())
	require.Equal(t, &scenario.Kept{{4}, nil, {17}}, small.Keep)
	require.Equal(t, []scenario.Promise{scenarios.NoLostWrite}, small.Expect)
	require.Equal(t, 2, small.Nodes)
	require.Equal(t, 3, small.Clients)
	require.Less(t, small.Duration, 5*time.Second)
	require.Zero(t, small.Network.Duplicate)
	require.NotZero(t, small.Network.Loss)
	require.Zero(t, small.Clocks.SkewMax)
	require.Equal(t, 1, size.Faults)
	require.Equal(t, 2, size.Ops)
}

// When time is up, what has been found is the result.
func TestTheBudgetEndsTheSearch(t *testing.T) {
	s := hay(t)
	o := options(t, func(*scenario.Scenario) bool { return true })
	runs := 0
	test := o.Test
	o.Test = func(batch []scenario.Scenario) []shrink.Outcome { runs += len(batch); return test(batch) }
	o.Enough = func() bool { return runs >= 3 }
	small, size := shrink.Shrink(s, begunBy(&s, 30), o)
	require.LessOrEqual(t, runs, 3+o.Batch)
	require.Less(t, small.Duration, s.Duration)
	require.Equal(t, small.Duration, size.Duration)
}

func TestNothingGoesWhenEverythingIsNeeded(t *testing.T) {
	s := hay(t)
	small, _ := shrink.Shrink(s, begunBy(&s, 2), options(t, func(*scenario.Scenario) bool { return false }))
	require.Equal(t, s.String(), small.String())
}

// A checker that must report is planted: an eventual store is promised to be linearizable. The real world runs, and
// what is left fails again when it is read from its text.
func TestARealFailureBecomesSmall(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Expect = []scenario.Promise{scenarios.Converged, scenarios.Linearizable}
	run := func(s *scenario.Scenario) *sim.Result {
		res, err := sim.Run(sim.Options{System: kvs.System{}, Seed: s.Seed, Scenario: s})
		require.NoError(t, err)
		return res
	}
	fails := func(r *sim.Result) bool { return strings.Contains(r.Verdict(), "linearizable") }
	s = sim.Draw(1, s)
	first := run(&s)
	require.True(t, fails(first), first.String())
	o := options(t, nil)
	o.Test = func(batch []scenario.Scenario) (out []shrink.Outcome) {
		for i := range batch {
			res := run(&batch[i])
			out = append(out, shrink.Outcome{Fails: fails(res), Begun: res.Begun})
		}
		return out
	}
	small, size := shrink.Shrink(s, first.Begun, o)
	require.LessOrEqual(t, size.Ops, 8, small.String())
	require.LessOrEqual(t, size.Lines, 24, "a screen")
	again, err := scenarios.Parse(small.String())
	require.NoError(t, err)
	require.True(t, fails(run(&again)))
	require.Equal(t, run(&again).Trace, run(&small).Trace)
}

// A failure that needs luck, and other luck with any other number of faults, loses its faults all the same: other seeds
// are tried.
func TestARareFailureLosesItsFaults(t *testing.T) {
	s := hay(t)
	for s.Plan.Events = nil; len(s.Plan.Events) < 40; { // at the beginning, so that a shorter time does not help.
		at := time.Duration(len(s.Plan.Events)) * time.Millisecond
		s.Plan.Events = append(s.Plan.Events, chaos.Event{At: at,
			Fault: chaos.Fault{Kind: chaos.Jump, Nodes: []int{1}, Amount: time.Second}})
	}
	luck := func(seed uint64, faults int) bool {
		h := fnv.New32a()
		fmt.Fprint(h, seed, faults)
		return h.Sum32()%100 == 0
	}
	lucky := func(s *scenario.Scenario) bool { return luck(s.Seed, len(s.Plan.Events)) }
	lonely := func(seed uint64) bool { // it fails with all faults, and with no smaller number.
		for n := range s.Plan.Events {
			if luck(seed, n) {
				return false
			}
		}
		return luck(seed, len(s.Plan.Events))
	}
	for !lonely(s.Seed) {
		s.Seed++
	}
	small, _ := shrink.Shrink(s, begunBy(&s, 30), options(t, lucky))
	require.LessOrEqual(t, len(small.Plan.Events), 8, small.String())
	require.NotEqual(t, s.Seed, small.Seed)
	require.True(t, lucky(&small))
}
