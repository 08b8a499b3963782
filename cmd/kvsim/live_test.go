package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	processes "kvs/chaos/process"
	"kvs/linearize"
	"kvs/node"
	"kvs/node/client"
	"kvs/sim/simcmd"
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
`, "linearizable", simcmd.ExitOK},
		{`workload keys=2 get=60 put=40 delete=0 list=0 think=1ms..10ms level=eventual attach=apart timeout=1s
network  delay=20ms..60ms
expect   converged, not-linearizable
`, "violation", simcmd.ExitBroken},
	} { // code is for --promise linearizable; what the history promises itself holds in both cases.
		history := filepath.Join(dir, test.verdict+".jsonl")
		code, out, errOut := kvsim("live", "--kvs", program, "--scenario", briefScenario(t, test.lines), "--history",
			history, "--out", filepath.Join(dir, "out"))
		require.Equal(t, simcmd.ExitOK, code, "%s%s", out, errOut)
		require.Contains(t, out, "verdict=ok")
		code, out, _ = kvsim("check", "--promise", "linearizable", history)
		require.Equal(t, test.code, code, out)
		require.Contains(t, out, test.verdict)
		code, out, _ = kvsim("check", history)
		require.Equal(t, simcmd.ExitOK, code, out)
		require.Contains(t, out, test.verdict)
	}
	left, err := os.ReadDir(filepath.Join(dir, "out"))
	require.NoError(t, err)
	require.Empty(t, left, "only failures are kept")
}

// A member of a running cluster that does not answer is named at once: it will not start by waiting.
func TestLiveNamesADeadTarget(t *testing.T) {
	port, err := ports.Free(1)
	require.NoError(t, err)
	dead := fmt.Sprintf("127.0.0.1:%d", port)
	code, _, stderr := kvsim("live", "--target", dead, "--out", t.TempDir())
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, stderr, dead+" (n1) does not answer")
	require.Contains(t, stderr, "start these members, or leave them out of the target")
}

// A cluster that is there already is driven by its endpoints, in a folder of its own, and without faults.
func TestLiveOnARunningCluster(t *testing.T) {
	program := buildKVS(t)
	c, err := processes.Start(processes.Options{Program: program, Dir: t.TempDir(), Nodes: 3,
		Rand: rand.New(rand.NewPCG(1, uint64(os.Getpid())))})
	require.NoError(t, err)
	defer c.Close()
	endpoints, out := strings.Join(c.Endpoints(), " , ")+",", t.TempDir()
	others, err := client.New(client.DefaultOptions(c.Endpoints()[0]))
	require.NoError(t, err)
	defer others.Close()
	for _, e := range c.Endpoints() { // they run already when live comes.
		one, err := client.New(client.DefaultOptions(e))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return one.Live(t.Context()) == nil }, time.Minute, 50*time.Millisecond)
		one.Close()
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { // the cluster is in use.
		for n := 0; ctx.Err() == nil; n++ {
			_, _ = others.Put(ctx, fmt.Sprintf("mine/%d", n%50), node.Eventual, []byte("x"), "text/plain")
		}
	})
	defer writing.Wait()
	defer stop()
	for range 2 { // the second run does not stumble over what the first wrote.
		code, stdout, stderr := kvsim("live", "--target", endpoints, "--out", out, "--scenario", briefScenario(t, `
workload keys=5 get=50 put=50 delete=0 list=10 think=1ms..10ms level=quorum attach=any timeout=1s
expect   converged, no-lost-write, quorum-recency
`))
		require.Equal(t, simcmd.ExitOK, code, "%s%s", stdout, stderr)
		require.Contains(t, stdout, "target=urls")
		require.Contains(t, stderr, "deleted what was written below kvsim-live/")
	}
	listing, err := others.List(t.Context(), node.ListRequest{})
	require.NoError(t, err)
	for _, e := range listing.Entries {
		require.NotContains(t, e.Path, "kvsim-live")
	}
	code, _, stderr := kvsim("live", "--target", endpoints, "--out", out, "--scenario",
		briefScenario(t, "expect converged\nplan\n  at 1s crash n2\n"))
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, stderr, "`at 1s crash n2`: this target has no crash")
	for target, says := range map[string]string{
		c.Endpoints()[0] + "," + c.Endpoints()[1]:                                 "name them all",
		c.Endpoints()[0] + "," + c.Endpoints()[1] + "," + c.Endpoints()[0]:        "twice",
		c.Endpoints()[0] + "," + c.Endpoints()[1] + ",,":                          "empty endpoint",
		c.Endpoints()[0] + "," + c.Endpoints()[1] + ",http://" + c.Endpoints()[0]: "are the same member",
	} {
		code, _, stderr := kvsim("live", "--target", target, "--out", out, "--scenario",
			briefScenario(t, "expect converged\n"))
		require.Equal(t, simcmd.ExitUsage, code)
		require.Contains(t, stderr, says)
	}
}

// dyingProgram is kvs whose second life at n2 ends at once, by itself.
func dyingProgram(t *testing.T, program string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kvs")
	require.NoError(t, os.WriteFile(path, []byte(`#!/bin/sh
if test -e "$1.again"; then
  rm "$1.again"
  echo "the second life" && exit 3
fi
case "$1" in *n2.yaml) : >"$1.again" ;; esac
exec "`+program+`" "$@"
`), 0o700))
	return path
}

// A node that ends by itself is a violation, with everything kept, also when it runs again by the end, and when the
// plan stumbles over it.
func TestLiveSeesNodesThatEndByThemselves(t *testing.T) {
	program := buildKVS(t)
	const twice = "  at 500ms crash n2\n  at 600ms restart n2\n"
	for plan, verdict := range map[string]string{
		twice: "verdict=running ",
		twice + "  at 1500ms crash n2\n  at 1600ms restart n2\n": "verdict=running ",
		// the run is void.
		"  at 500ms crash n2\n  at 600ms restart n2\n  at 1500ms pause n2\n  at 1600ms resume n2\n": "verdict=running ",
	} {
		dir := t.TempDir()
		history := filepath.Join(dir, "history.jsonl")
		code, out, stderr := kvsim("live", "--kvs", dyingProgram(t, program), "--out", dir, "--history", history,
			"--scenario", briefScenario(t, "expect converged\nplan\n"+plan))
		require.Equal(t, simcmd.ExitBroken, code, "%s%s", out, stderr)
		require.Contains(t, out, "VIOLATION running: n2 ended by itself: exit status 3; read its log\nkept in: ")
		require.Contains(t, out, verdict)
		require.Equal(t, strings.Contains(plan, "pause"), strings.Contains(stderr, "the run is void"), stderr)
		require.FileExists(t, history)
		kept, err := filepath.Glob(filepath.Join(dir, "brief-*", "n2.log"))
		require.NoError(t, err)
		require.Len(t, kept, 1)
		log, err := os.ReadFile(kept[0])
		require.NoError(t, err)
		require.Contains(t, string(log), "the second life")
	}
}

// Nodes that do not come up are not waited for, and their logs are kept.
func TestLiveKeepsTheLogsOfNodesThatDoNotComeUp(t *testing.T) {
	buildKVS(t) // for -short.
	dir := t.TempDir()
	code, out, stderr := kvsim("live", "--kvs", "cat", "--out", dir, "--scenario",
		briefScenario(t, "expect converged\n"))
	require.Equal(t, simcmd.ExitUsage, code)
	ended := regexp.MustCompile(`(n[0-9]+) ended by itself`).FindAllStringSubmatch(stderr, -1)
	require.NotEmpty(t, ended, stderr) // any of them may be the first, and others may have ended by then.
	for _, node := range ended {
		require.Equal(t, 1, strings.Count(stderr, node[0]), stderr)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "brief-*"))
	require.NoError(t, err)
	require.Equal(t, []string{strings.TrimSpace(strings.TrimPrefix(out, "kept in: "))}, kept)
	log, err := os.ReadFile(filepath.Join(kept[0], ended[0][1]+".log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "name: "+ended[0][1], "cat shows the configuration")
}

// interrupter sends this process a signal when a line of progress has a word.
type interrupter struct {
	strings.Builder
	word   string
	signal syscall.Signal
}

func (i *interrupter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), i.word) {
		_ = syscall.Kill(os.Getpid(), i.signal)
	}
	return i.Builder.Write(b)
}

// Whoever ends a run has the history, and nothing else is left.
func TestLiveWritesTheHistoryWhenItIsInterrupted(t *testing.T) {
	program, dir := buildKVS(t), t.TempDir()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		history := filepath.Join(t.TempDir(), "history.jsonl")
		var out strings.Builder
		told := &interrupter{word: "crash n1", signal: signal}
		code := app.Execute([]string{
			"live", "--kvs", program, "--out", dir, "--history", history, "--scenario", briefScenario(t,
				"expect converged\nplan\n  at 1s crash n1\n"),
		}, simcmd.IO{Out: &out, Err: told})
		require.Equal(t, simcmd.ExitUsage, code, told.String())
		require.Empty(t, out.String(), told.String())
		f, err := os.Open(history)
		require.NoError(t, err)
		h, err := linearize.Read(f)
		require.NoError(t, errors.Join(err, f.Close()))
		require.NotEmpty(t, h.Ops)
		require.NotEmpty(t, h.Header.Commit, "the version of the nodes")
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// The folder of a run that was killed goes with the next run; what was kept stays.
func TestLiveRemovesTheFoldersOfTheDead(t *testing.T) {
	child := exec.Command("true")
	require.NoError(t, child.Run())
	dir := t.TempDir()
	dead, mine := fmt.Sprintf("run-%d-1", child.Process.Pid), fmt.Sprintf("run-%d-1", os.Getpid())
	for _, name := range []string{dead, mine, "brief-" + strings.TrimPrefix(dead, "run-"), "run-x-1", "run-1"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	code, _, _ := kvsim("live", "--kvs", "there-is-none", "--out", dir, "--scenario",
		briefScenario(t, "expect converged\n"))
	require.Equal(t, simcmd.ExitUsage, code)
	require.NoDirExists(t, filepath.Join(dir, dead))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 4)
}

// What can be seen to be wrong is refused before anything is started.
func TestLiveRefusesWrongFlags(t *testing.T) {
	dir := t.TempDir()
	for says, args := range map[string][]string{
		"--nodes 0: use 1 to 9":              {"--nodes", "0"},
		"--nodes 10: use 1 to 9":             {"--nodes", "10"},
		"--duration 0s: must be above zero":  {"--duration", "0s"},
		"--seed: seed 0 could not be":        {"--seed", "0"},
		"--history: its folder: stat " + dir: {"--history", filepath.Join(dir, "none", "history.jsonl")},
		"is a folder; name a file":           {"--history", dir},
	} {
		code, out, stderr := kvsim(append([]string{"live", "--kvs", "there-is-none"}, args...)...)
		require.Equal(t, simcmd.ExitUsage, code)
		require.Empty(t, out)
		require.Contains(t, stderr, says)
		require.NotContains(t, stderr, "starting")
	}
}

// What a target cannot do is refused by name, before anything is started: a scenario that is thinned proves less than
// it says.
func TestLiveRefusesWhatItCannotDo(t *testing.T) {
	for lines, says := range map[string]map[string]string{
		"expect converged\nplan\n  at 1s crash n2\n": {
			"a:1,b:1,c:1": "`at 1s crash n2`: this target has no crash; choose another"},
		"expect converged\nplan\n  at 1s disk-full n2\n": {
			targetProcess: "`at 1s disk-full n2`: this target has no disk-full", "a:1,b:1,c:1": "no disk-full"},
		"voters operator=1s depart=10%\nexpect converged\n": {targetProcess: "voters depart: only the simulator",
			targetDocker: "voters depart: only", "a:1,b:1,c:1": "no voters; voters depart: only"},
		"disk busy=yes\nexpect converged\n": {targetProcess: "disk busy=yes: only the simulator",
			targetDocker: "disk busy=yes: only"},
		"network loss=1%\nexpect converged\n": {
			"a:1,b:1,c:1": "network: the network between nodes that run already"},
		"network delay=1ms..50ms\nexpect converged\n": {
			"a:1,b:1,c:1": "network: the network between nodes that run already"},
		"network duplicate=1%\nexpect converged\n": {targetProcess: "no duplicate, reorder or corrupt",
			targetDocker: "no duplicate, reorder or corrupt"},
		"tuning grace=1s\nexpect converged\n":    {"a:1,b:1,c:1": "tuning: nodes that run already"},
		"clocks skew=0s..1s\nexpect converged\n": {"a:1,b:1,c:1": "clocks: nodes that run already"},
		"voters operator=1s\nexpect converged\n": {"a:1,b:1,c:1": "voters: those of a cluster that runs already"},
	} {
		for target, says := range says {
			dir := t.TempDir()
			code, _, stderr := kvsim("live", "--target", target, "--kvs", "there-is-none", "--out", dir, "--scenario",
				briefScenario(t, lines))
			require.Equal(t, simcmd.ExitUsage, code)
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
	require.Equal(t, simcmd.ExitBroken, code)
	require.Contains(t, out, "VIOLATION linearizable: ")
	kept, err := filepath.Glob(filepath.Join(dir, "brief-*", "*"))
	require.NoError(t, err)
	for _, name := range []string{"brief.scenario", "history.jsonl", "history.html", "report.txt", "n1.log", "n2.log",
		"n3.log"} {
		require.Contains(t, strings.Join(kept, "\n"), string(filepath.Separator)+name)
	}
}
