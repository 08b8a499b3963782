package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim"
)

// covered lives a scenario with the faults given and returns the situations it came through, having seen that nothing else changed.
func covered(t *testing.T, plan string) []uint32 {
	t.Helper()
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	s.Duration = 5 * time.Second
	s.Plan, err = chaos.ParsePlan(plan)
	require.NoError(t, err)
	s = sim.Draw(3, s)
	alone, err := sim.Run(sim.Options{Seed: 3, Scenario: &s})
	require.NoError(t, err)
	var c sim.Coverage
	watched, err := sim.Run(sim.Options{Seed: 3, Scenario: &s, Coverage: &c})
	require.NoError(t, err)
	require.Equal(t, alone.Trace, watched.Trace)
	return c.Situations()
}

func TestCoverageTellsRunsApart(t *testing.T) {
	quiet := covered(t, "")
	require.NotEmpty(t, quiet)
	require.True(t, slices.IsSorted(quiet))
	require.Less(t, quiet[len(quiet)-1], uint32(sim.SituationsMax))
	require.Equal(t, quiet, covered(t, ""))
	seen := [][]uint32{quiet}
	for _, plan := range []string{
		"at 2s crash n1\nat 3s restart n1", "at 2s jump n1 +5s\nat 3s heal-clocks n1", "at 2s jump n1 -5s\nat 3s heal-clocks n1",
		"at 2s disk-slow n1 200ms\nat 3s heal-disks n1", "at 2s cut n1 -> n2\nat 3s heal-cut", "at 2s loss 60%\nat 3s heal", "at 2s delay 90ms..200ms\nat 3s heal",
	} {
		now := covered(t, plan)
		for _, before := range seen {
			require.True(t, slices.ContainsFunc(now, func(at uint32) bool { return !slices.Contains(before, at) }), plan)
		}
		seen = append(seen, now)
	}
}
