package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	processes "kvs/chaos/process"
)

// briefScenario writes a scenario of two seconds with some lines of its own.
func briefScenario(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "brief.scenario")
	require.NoError(t, os.WriteFile(path, []byte(`scenario brief
about    two seconds on real nodes
nodes    3
clients  4
duration 2s
settle   30s
`+lines), 0o600))
	return path
}

func buildKVS(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes are left out of -short runs")
	}
	program := filepath.Join(t.TempDir(), "kvs")
	cmd := exec.Command("go", "build", "-o", program, "kvs/cmd/kvs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// A history of real processes is saved and judged again: one that is linearizable, and one that cannot be.
func TestLiveHistoriesAreJudgedAgain(t *testing.T) {
	program, dir := buildKVS(t), t.TempDir()
	for _, test := range []struct {
		lines, verdict string
		code           int
	}{
		{`workload keys=5 get=50 put=50 delete=0 list=0 think=1ms..10ms level=eventual attach=one timeout=1s
expect   converged, no-lost-write, linearizable
plan
  at 500ms crash n1
  at 800ms restart n1
`, "linearizable", exitOK},
		{`workload keys=2 get=60 put=40 delete=0 list=0 think=1ms..10ms level=eventual attach=apart timeout=1s
network  delay=20ms..60ms
expect   converged, not-linearizable
`, "violation", exitBroken},
	} {
		history := filepath.Join(dir, test.verdict+".jsonl")
		code, out, errOut := kvsim("live", "--kvs", program, "--scenario", briefScenario(t, test.lines), "--history", history, "--out", filepath.Join(dir, "out"))
		require.Equal(t, exitOK, code, "%s%s", out, errOut)
		require.Contains(t, out, "verdict=ok")
		code, out, _ = kvsim("check", history)
		require.Equal(t, test.code, code, out)
		require.Contains(t, out, test.verdict)
	}
	left, err := os.ReadDir(filepath.Join(dir, "out"))
	require.NoError(t, err)
	require.Empty(t, left, "only failures are kept")
}

// A cluster that is there already is driven by its endpoints, in a folder of its own, and without faults.
func TestLiveOnARunningCluster(t *testing.T) {
	program := buildKVS(t)
	c, err := processes.Start(processes.Options{Program: program, Dir: t.TempDir(), Nodes: 3, Rand: rand.New(rand.NewPCG(1, uint64(os.Getpid())))})
	require.NoError(t, err)
	defer c.Close()
	endpoints, out := strings.Join(c.Endpoints(), ","), t.TempDir()
	for range 2 { // the second run does not stumble over what the first wrote.
		code, stdout, stderr := kvsim("live", "--target", endpoints, "--out", out, "--scenario", briefScenario(t, `
workload keys=5 get=50 put=50 delete=0 list=10 think=1ms..10ms level=quorum attach=any timeout=1s
expect   converged, no-lost-write, quorum-recency
`))
		require.Equal(t, exitOK, code, "%s%s", stdout, stderr)
		require.Contains(t, stdout, "target=urls")
	}
	code, _, stderr := kvsim("live", "--target", endpoints, "--out", out, "--scenario", briefScenario(t, "expect converged\nplan\n  at 1s crash n2\n"))
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "`at 1s crash n2`: this target has no crash")
}

// What a target cannot do is refused by name, before anything is started: a scenario that is thinned proves less than it says.
func TestLiveRefusesWhatItCannotDo(t *testing.T) {
	for lines, says := range map[string]map[string]string{
		"expect converged\nplan\n  at 1s crash n2\n":        {"a:1,b:1,c:1": "`at 1s crash n2`: this target has no crash; choose another"},
		"expect converged\nplan\n  at 1s disk-full n2\n":    {targetProcess: "`at 1s disk-full n2`: this target has no disk-full", "a:1,b:1,c:1": "no disk-full"},
		"voters operator=1s depart=10%\nexpect converged\n": {targetProcess: "voters depart: only the simulator", targetDocker: "voters depart: only", "a:1,b:1,c:1": "no voters; voters depart: only"},
		"disk busy=yes\nexpect converged\n":                 {targetProcess: "disk busy=yes: only the simulator", targetDocker: "disk busy=yes: only"},
		"network loss=1%\nexpect converged\n":               {"a:1,b:1,c:1": "network: the network between nodes that run already"},
		"network delay=1ms..50ms\nexpect converged\n":       {"a:1,b:1,c:1": "network: the network between nodes that run already"},
		"network duplicate=1%\nexpect converged\n":          {targetProcess: "no duplicate, reorder or corrupt", targetDocker: "no duplicate, reorder or corrupt"},
		"tuning grace=1s\nexpect converged\n":               {"a:1,b:1,c:1": "tuning: nodes that run already"},
		"clocks skew=0s..1s\nexpect converged\n":            {"a:1,b:1,c:1": "clocks: nodes that run already"},
		"voters operator=1s\nexpect converged\n":            {"a:1,b:1,c:1": "voters: those of a cluster that runs already"},
	} {
		for target, says := range says {
			dir := t.TempDir()
			code, _, stderr := kvsim("live", "--target", target, "--kvs", "there-is-none", "--out", dir, "--scenario", briefScenario(t, lines))
			require.Equal(t, exitUsage, code)
			require.Contains(t, stderr, says, "%s %s", target, lines)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		}
	}
}

// A broken promise leaves everything behind that it takes to look into it.
func TestLiveKeepsAFailure(t *testing.T) {
	program, dir := buildKVS(t), t.TempDir()
	code, out, _ := kvsim("live", "--kvs", program, "--out", dir, "--scenario", briefScenario(t, `
workload keys=2 get=60 put=40 delete=0 list=0 think=1ms..10ms level=eventual attach=apart timeout=1s
network  delay=20ms..60ms
expect   converged, linearizable
`))
	require.Equal(t, exitBroken, code)
	require.Contains(t, out, "VIOLATION linearizable: ")
	kept, err := filepath.Glob(filepath.Join(dir, "brief-*", "*"))
	require.NoError(t, err)
	for _, name := range []string{"brief.scenario", "history.jsonl", "history.html", "report.txt", "n1.log", "n2.log", "n3.log"} {
		require.Contains(t, strings.Join(kept, "\n"), string(filepath.Separator)+name)
	}
}
