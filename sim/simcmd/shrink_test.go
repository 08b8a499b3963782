package simcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim/scenario"
)

// plantedFailure is a scenario file that fails: an eventual store is promised to be linearizable.
func plantedFailure(t *testing.T) string {
	t.Helper()
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Expect = []scenario.Promise{scenarios.Converged, scenarios.Linearizable}
	path := filepath.Join(t.TempDir(), "planted.scenario")
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o644))
	return path
}

func TestShrinkWritesAFileThatReplays(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	small := filepath.Join(t.TempDir(), "small.scenario")
	code, out, errs := kvsim("shrink", "--scenario", plantedFailure(t), "--file", small, "--jobs", "2")
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out, "fails:  linearizable\n")
	require.Contains(t, out, "replay: kvsim replay "+small)
	require.Contains(t, errs, "operations")
	text, err := os.ReadFile(small)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, string(text)))
	require.Less(t, strings.Count(string(text), "\n"), 24)
	code, out, _ = kvsim("replay", small)
	require.Equal(t, ExitBroken, code)
	require.Contains(t, out, "verdict=linearizable ")
}

// Whatever ends the process of a run is a way of failing too.
func TestShrinkOfWhatEndsItsProcess(t *testing.T) {
	t.Setenv(modeEnv, "crash")
	small := filepath.Join(t.TempDir(), "small.scenario")
	code, out, errs := kvsim("shrink", "--scenario", "quiet", "--file", small, "--budget", "1s")
	require.Equal(t, ExitOK, code, errs)
	require.Contains(t, out, "fails:  lost\n")
}

func TestShrinkRefuses(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	for want, args := range map[string][]string{
		"does not fail":            {"--scenario", "quiet", "--duration", "1s"},
		"must be above zero":       {"--jobs", "0"},
		"there is no scenario":     {"--scenario", "nowhere"},
		"no such file":             {"--replay", "nowhere"},
		"choose another file with": {"--scenario", plantedFailure(t), "--budget", "1ms", "--file", t.TempDir()},
	} {
		code, _, errs := kvsim(append([]string{"shrink"}, args...)...)
		require.Equal(t, ExitUsage, code, want)
		require.Contains(t, errs, want)
	}
}
