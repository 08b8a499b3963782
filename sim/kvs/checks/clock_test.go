package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
)

// A cluster whose nodes tolerate every clock is judged as if they did not.
func TestUnguardedClocksAreFound(t *testing.T) {
	sc, err := scenarios.Load("clock-guard")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	sc.Duration, sc.Plan.Events = 30*time.Second, sc.Plan.Events[:1]
	scenarios.Of(&sc).Tuning.Clock = 24 * time.Hour
	w := judge(sim.Options{Seed: 1, Scenario: &sc})
	w.RunUntil(time.Second)
	scenarios.Of(&sc).Tuning.Clock = 500 * time.Millisecond
	w.Run()
	requireBroken(t, w.Violations(), promised(scenarios.ClocksGuarded),
		"acknowledges a write, although its clock has been off")
}

// One that refuses for nothing is found as well.
func TestNeedlessRefusalsAreFound(t *testing.T) {
	sc, err := scenarios.Load("clock-guard")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	sc.Duration, sc.Plan.Events = 60*time.Second, nil
	w := judge(sim.Options{Seed: 1, Scenario: &sc})
	w.RunUntil(time.Second)
	w.Control(w.Replicas[1].Replica, &node.SetReadOnly{Reason: node.ReasonClock, On: true})
	w.Run()
	requireBroken(t, w.Violations(), promised(scenarios.ClocksGuarded), "refuses a write ([clock])")
}

// The guard acts on a clock that is off by more than the bound, and on no other.
func TestGuardedClocks(t *testing.T) {
	sc, err := scenarios.Load("clock-guard")
	require.NoError(t, err)
	sc = sim.Draw(1, sc)
	var told []string
	r, err := sim.Run(sim.Options{System: judgedSystem{}, Seed: 1, Scenario: &sc, Trace: func(line string) {
		if strings.Contains(line, "log clock") {
			told = append(told, strings.Join(strings.Fields(line)[1:5], " "))
		}
	}})
	require.NoError(t, err)
	require.Empty(t, r.Violations)
	require.Equal(t, []string{
		"n1 log clock too", "n1 log clock is",
		"n2 log clock too", "n2 log clock too", "n2 log clock is", // it was restarted in between.
		"n3 log clock too", "n3 log clock is",
		"n4 log clock too", "n4 log clock is",
	}, told)
}

func TestClockCheckNeedsTime(t *testing.T) {
	c := newClockCheck(bare(t))
	require.Empty(t, c.refuses(time.Hour, 1, time.Second))
	c.since[1] = time.Hour - clockNotice - time.Second
	require.Empty(t, c.refuses(time.Hour, 1, time.Second))
	require.NotEmpty(t, c.refuses(time.Hour+1, 1, time.Second))
	require.Empty(t, c.refuses(time.Hour+1, 2, time.Second))
}
