package kvs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
)

const hashEnv = "KVS_SIM_PRINT_HASH"

var hashedSeeds = [...]uint64{3, 7, 11}

func hashes(t testing.TB) string {
	var b strings.Builder
	for _, seed := range hashedSeeds {
		fmt.Fprintln(&b, "trace", runNamed(t, "swarm", seed, nil))
	}
	return b.String()
}

// The same seed is the same run, in this process and in others, whatever the runtime does.
func TestSameSeedSameTrace(t *testing.T) {
	want := hashes(t)
	if os.Getenv(hashEnv) != "" {
		fmt.Print(want)
		return
	}
	require.Equal(t, want, hashes(t))
	for _, env := range [][]string{
		{"GOMAXPROCS=1", "GOGC=10"}, {"GOMAXPROCS=2", "GOGC=400"}, {"GOMAXPROCS=8", "GOGC=off",
			"GODEBUG=asyncpreemptoff=1"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSameSeedSameTrace$")
		cmd.Env = append(append(os.Environ(), hashEnv+"=1"), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), want, "%v", env)
	}
}

// Worlds that run side by side share nothing. The race detector sees it too: make test runs this one with it.
func TestWorldsShareNothing(t *testing.T) {
	const seeds = 2
	var alone, together [seeds]string
	for i := range alone {
		alone[i] = runNamed(t, "everything", uint64(i+1), nil).String()
	}
	var all sync.WaitGroup
	for i := range together {
		all.Go(func() { together[i] = runNamed(t, "everything", uint64(i+1), nil).String() })
	}
	all.Wait()
	require.Equal(t, alone, together)
}

func TestOtherSeedOtherTrace(t *testing.T) {
	seen := map[string]uint64{}
	for seed := uint64(1); seed <= 8; seed++ {
		res := runNamed(t, "quiet", seed, nil)
		require.Zero(t, seen[res.Trace])
		seen[res.Trace] = seed
	}
}

// Listening to a run does not change it.
func TestTracerDoesNotDisturb(t *testing.T) {
	lines := 0
	loud := runNamed(t, "swarm", 3, func(string) { lines++ })
	require.Equal(t, runNamed(t, "swarm", 3, nil).String(), loud.String())
	require.Greater(t, uint64(lines), loud.Events/2)
}

// What a failure leaves behind is the whole reproduction: the printed scenario, parsed again, is the same run.
func TestPrintedScenarioIsTheSameRun(t *testing.T) {
	s, err := scenarios.Load("swarm")
	require.NoError(t, err)
	for seed := uint64(1); seed <= 5; seed++ {
		drawn := sim.Draw(seed, s)
		parsed, err := scenarios.Parse(drawn.String())
		require.NoError(t, err)
		require.Equal(t, seed, parsed.Seed)
		again := sim.Draw(parsed.Seed, parsed)
		a, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &drawn})
		require.NoError(t, err)
		b, err := sim.Run(sim.Options{System: System{}, Seed: seed, Scenario: &again})
		require.NoError(t, err)
		require.Equal(t, a.String(), b.String())
	}
}
