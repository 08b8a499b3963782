package kvs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
)

// The last persist of each node is one to crash at, and there is nothing behind it.
func TestWalkEndsWhereThePersistsDo(t *testing.T) {
	s, err := scenarios.Load("crash-at-every-persist")
	require.NoError(t, err)
	s.Duration = time.Second
	persists, err := sim.WalkPersists(System{}, s)
	require.NoError(t, err)
	require.Len(t, persists, s.Nodes)
	faults := func(n, persist, keep int) int {
		seed := uint64(((persist-1)*2+keep)*s.Nodes + n)
		require.Equal(t, persist <= persists[n-1], sim.InWalk(seed, persists))
		drawn := sim.Draw(seed, s)
		res, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &drawn})
		require.NoError(t, err)
		require.Empty(t, res.Violations)
		return res.Faults
	}
	for n := 1; n <= s.Nodes; n++ {
		for keep := range 2 {
			require.Equal(t, 1, faults(n, persists[n-1], keep))
			require.Zero(t, faults(n, persists[n-1]+1, keep))
		}
	}
	quiet, err := scenarios.Load("quiet")
	require.NoError(t, err)
	_, err = sim.WalkPersists(System{}, quiet)
	require.ErrorContains(t, err, "no walk")
}
