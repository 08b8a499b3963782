package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/scenarios"
)

// A cluster whose nodes tolerate every clock is judged as if they did not.
func TestUnguardedClocksAreFound(t *testing.T) {
	sc, err := scenarios.Load("clock-guard")
	require.NoError(t, err)
	sc = Draw(1, sc)
	sc.Duration, sc.Plan.Events = 30*time.Second, sc.Plan.Events[:1]
	sc.Tuning.Clock = 24 * time.Hour
	w := newWorld(Options{Seed: 1, Scenario: &sc})
	for w.now < time.Second {
		e := w.heap.pop()
		w.now = e.at
		w.happen(e)
	}
	sc.Tuning.Clock = 500 * time.Millisecond
	w.live()
	requireBroken(t, w.violations, promised(scenarios.ClocksGuarded), "acknowledges a write, although its clock has been off")
}

// One that refuses for nothing is found as well.
func TestNeedlessRefusalsAreFound(t *testing.T) {
	sc, err := scenarios.Load("clock-guard")
	require.NoError(t, err)
	sc = Draw(1, sc)
	sc.Duration, sc.Plan.Events = 60*time.Second, nil
	w := newWorld(Options{Seed: 1, Scenario: &sc})
	for w.now < time.Second {
		e := w.heap.pop()
		w.now = e.at
		w.happen(e)
	}
	w.step(&w.replicas[1], &node.SetReadOnly{Reason: node.ReasonClock, On: true})
	w.live()
	requireBroken(t, w.violations, promised(scenarios.ClocksGuarded), "refuses a write ([clock])")
}

// The guard acts on a clock that is off by more than the bound, and on no other.
func TestGuardedClocks(t *testing.T) {
	sc, err := scenarios.Load("clock-guard")
	require.NoError(t, err)
	sc = Draw(1, sc)
	var told []string
	r, err := Run(Options{Seed: 1, Scenario: &sc, Trace: func(line string) {
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
	c := newClockCheck(3)
	require.Empty(t, c.refuses(time.Hour, 1, time.Second))
	c.since[1] = time.Hour - clockNotice - time.Second
	require.Empty(t, c.refuses(time.Hour, 1, time.Second))
	require.NotEmpty(t, c.refuses(time.Hour+1, 1, time.Second))
	require.Empty(t, c.refuses(time.Hour+1, 2, time.Second))
}
