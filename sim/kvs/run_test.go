package kvs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
)

// runNamed draws and runs a scenario of the library.
func runNamed(t testing.TB, name string, seed uint64, trace func(string)) *sim.Result {
	t.Helper()
	s, err := scenarios.Load(name)
	require.NoError(t, err)
	d := sim.Draw(seed, s)
	res, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &d, Trace: trace})
	require.NoError(t, err)
	return res
}

// A scenario that names a seed is run with it: a regression shows its bug at that seed, and perhaps at no other.
func TestScenariosHold(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			s, err := scenarios.Load(name)
			require.NoError(t, err)
			if strings.HasPrefix(name, "regressions/") {
				require.NotZero(t, s.Seed, "a regression says which seed showed it")
			}
			res := runNamed(t, name, max(s.Seed, 1), nil)
			require.Empty(t, res.Violations, "%s\n%s", res, res.Stack)
			require.NotZero(t, res.OK)
			require.EqualValues(t, res.Operations, res.OK+res.Failed+res.Unknown, "each operation came to one end")
			t.Log(res)
		})
	}
}

func TestSwarmSeedsHold(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		res := runNamed(t, "swarm", seed, nil)
		require.Empty(t, res.Violations, "replay: make sim SEED=%d SCENARIO=swarm\n%s\n%s", seed, res, res.Stack)
	}
}
