package kvs

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
)

// A run that is looked at is the same run, and everything that the page draws is there.
func TestRecordingChangesNothing(t *testing.T) {
	s, err := scenarios.Load("swarm")
	require.NoError(t, err)
	var lost, arrived int
	kinds := map[sim.MarkKind]bool{}
	for seed := uint64(1); seed <= 6; seed++ {
		drawn := sim.Draw(seed, s)
		plain, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &drawn})
		require.NoError(t, err)
		rec := &sim.Recording{}
		seen, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &drawn, Record: rec})
		require.NoError(t, err)
		require.Equal(t, plain.Trace, seen.Trace)
		if drawn.Core == 0 {
			require.Len(t, rec.Faults, seen.Faults+1, "the end of all faults is one as well")
		} else {
			require.Greater(t, len(rec.Faults), seen.Faults+1, "and so is what becomes of those outside the core")
		}
		require.GreaterOrEqual(t, len(rec.Messages), int(seen.Messages)-rec.Left)
		require.True(t, slices.IsSortedFunc(rec.Messages,
			func(a, b sim.RecordedMessage) int { return int(a.Sent - b.Sent) }))
		require.True(t, slices.IsSortedFunc(rec.Marks, func(a, b sim.Mark) int { return int(a.At - b.At) }))
		for _, m := range rec.Messages {
			require.GreaterOrEqual(t, m.Arrived, m.Sent)
			if m.Lost {
				lost++
			} else {
				arrived++
			}
		}
		for _, m := range rec.Marks {
			kinds[m.Kind] = true
		}
	}
	require.NotZero(t, lost)
	require.Greater(t, arrived, lost)
	for _, k := range []sim.MarkKind{sim.MarkStart, sim.MarkCrash, sim.MarkPause, sim.MarkResume, sim.MarkPersist,
		sim.MarkLog} {
		require.True(t, kinds[k], k)
	}
}

func TestRecordingIsBounded(t *testing.T) {
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	s.Settle = time.Millisecond // which nobody can keep: a promise breaks at the end.
	drawn := sim.Draw(1, s)
	whole, rec := &sim.Recording{}, &sim.Recording{EventsMax: 100}
	for _, r := range []*sim.Recording{whole, rec} {
		_, err = sim.Run(sim.Options{System: System{}, Seed: 1, Scenario: &drawn, Record: r})
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(rec.Messages), 100)
	require.Equal(t, whole.Messages[len(whole.Messages)-len(rec.Messages):], rec.Messages,
		"the last ones, and how they ended")
	require.Equal(t, len(whole.Messages)+len(whole.Marks), len(rec.Messages)+len(rec.Marks)+rec.Left)
	of := func(marks []sim.Mark, minor bool) (out []sim.Mark) {
		for _, m := range marks {
			if (m.Kind == sim.MarkPersist || m.Kind == sim.MarkLog) == minor {
				out = append(out, m)
			}
		}
		return out
	}
	require.Equal(t, of(whole.Marks, false), of(rec.Marks, false), "all that people look for")
	few := of(rec.Marks, true)
	require.LessOrEqual(t, len(few), 100)
	require.Equal(t, of(whole.Marks, true)[len(of(whole.Marks, true))-len(few):], few)
	require.True(t, slices.ContainsFunc(rec.Marks, func(m sim.Mark) bool { return m.Kind == sim.MarkBroken }))
}
