package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
)

// rarelyFails is the path of a scenario of which about one seed in a dozen fails.
func rarelyFails(t *testing.T) string {
	t.Helper()
	s, err := scenarios.Load("swarm")
	require.NoError(t, err)
	s.Duration, s.Clients, s.Nodes = s.Duration/10, 2, 4
	s.Workload.Think = s.Workload.ThinkMax / 4
	s.Expect = []scenarios.Promise{scenarios.Linearizable} // which nobody promises of an eventual store.
	path := filepath.Join(t.TempDir(), "rare.scenario")
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o644))
	return path
}

var wallField = regexp.MustCompile(` wall=\S+`)

// The search is the same with any number of workers, and what it finds replays.
func TestGuideFindsWhatReplays(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	path, dir := rarelyFails(t), t.TempDir()
	said := map[string]bool{}
	for _, jobs := range []string{"1", "3"} {
		code, out, errs := kvsim("guide", "--scenario", path, "--seed", "2", "--runs", "60", "--jobs", jobs, "--out", dir)
		require.Equal(t, exitBroken, code, "%s\n%s", out, errs)
		require.Contains(t, out, "VIOLATION at ")
		require.Contains(t, out, "search=guided scenario=swarm seed=2 verdict=linearizable runs=")
		said[wallField.ReplaceAllString(out, "")] = true
	}
	require.Len(t, said, 1)
	kept, err := filepath.Glob(filepath.Join(dir, "swarm-*", "swarm.scenario"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	for _, where := range []string{kept[0], filepath.Dir(kept[0])} {
		code, out, _ := kvsim("replay", where)
		require.Equal(t, exitBroken, code)
		require.Contains(t, out, "verdict=linearizable ")
	}
	report, err := os.ReadFile(filepath.Join(filepath.Dir(kept[0]), "report.txt"))
	require.NoError(t, err)
	require.Contains(t, string(report), "VIOLATION at ")
	require.Contains(t, string(report), "replay: kvsim replay "+kept[0])
}

func TestGuideEndsWithItsRuns(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	for _, args := range [][]string{{"--uniform"}, {}} {
		code, out, errs := kvsim(append([]string{"guide", "--scenario", "swarm", "--duration", "1s", "--runs", "6", "--out", t.TempDir()}, args...)...)
		require.Equal(t, exitOK, code, "%s\n%s", out, errs)
		require.Regexp(t, `^search=(guided|uniform) scenario=swarm seed=1 verdict=ok runs=6 situations=\d+ kept=\d+ fresh=false wall=`, out)
	}
}

// What ends its process is found and kept, too.
func TestGuideKeepsLostRuns(t *testing.T) {
	t.Setenv(modeEnv, "crash")
	dir := t.TempDir()
	code, out, _ := kvsim("guide", "--scenario", "quiet", "--runs", "3", "--jobs", "1", "--out", dir)
	require.Equal(t, exitBroken, code)
	require.Contains(t, out, "verdict=lost runs=1 ")
	require.Contains(t, out, "planted in a worker")
	kept, err := filepath.Glob(filepath.Join(dir, "quiet-*", "quiet.scenario"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

func TestGuideRefuses(t *testing.T) {
	t.Setenv(modeEnv, "worker")
	for want, args := range map[string][]string{
		"must be above zero":         {"--runs", "0"},
		"there is no scenario":       {"--scenario", "nowhere"},
		"choose another folder with": {"--scenario", plantedFailure(t), "--out", plantedFailure(t)},
	} {
		code, _, errs := kvsim(append([]string{"guide"}, args...)...)
		require.Equal(t, exitUsage, code, want)
		require.Contains(t, errs, want)
	}
}
