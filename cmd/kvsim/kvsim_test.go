package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
)

// modeEnv makes the test binary behave as kvsim itself, or as a worker with a fault.
const modeEnv = "KVSIM_TEST_MODE"

func TestMain(m *testing.M) {
	switch os.Getenv(modeEnv) {
	case "":
		os.Exit(m.Run())
	case "hang":
		for { // takes what comes and never answers.
			if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
				<-time.After(time.Hour)
			}
		}
	case "crash":
		panic("planted in a worker")
	case "stopped": // as if the signal came before the worker looks after signals.
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		select {}
	case "babble":
		fmt.Println("this is no report")
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	default:
		os.Exit(execute(os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
	}
}

// kvsim runs a command line and returns what it printed.
func kvsim(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = execute(args, stdio{in: strings.NewReader(""), out: &o, err: &e})
	return code, o.String(), e.String()
}

var lastLine = regexp.MustCompile(`(?m)^seed=(\d+) scenario=(\S+) verdict=(\S+) operations=\d+ .*simulated=\d+\.\d{3}s .*events=\d+ .*trace=([0-9a-f]{32})\n\z`)

func TestRunSaysWhatItDrewAndHowItEnded(t *testing.T) {
	code, out, _ := kvsim("run", "--seed", "7", "--scenario", "swarm", "--duration", "3s", "--verify")
	require.Equal(t, exitOK, code, out)
	m := lastLine.FindStringSubmatch(out)
	require.NotNil(t, m, out)
	require.Equal(t, []string{"7", "swarm", "ok"}, m[1:4])
	drawn, err := scenarios.Parse(out[:strings.LastIndex(out, "seed=7 ")])
	require.NoError(t, err, "what it printed first is the scenario it ran")
	require.True(t, drawn.Drawn())
	require.Equal(t, uint64(7), drawn.Seed)

	_, quiet, _ := kvsim("run", "--seed", "7", "--duration", "3s", "--quiet")
	require.Equal(t, m[0], quiet)
}

func TestVerifyFires(t *testing.T) {
	require.Empty(t, compareTraces("aa", "aa"))
	require.Contains(t, compareTraces("aa", "ab")[0].String(), "deterministic: the second run")
}

// failing is a scenario that breaks its promise for certain: nothing can agree in a millisecond.
func failing(t *testing.T) string {
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	s.Name, s.Settle, s.Duration = "hasty", time.Millisecond, time.Second
	path := filepath.Join(t.TempDir(), "hasty.scenario")
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o600))
	return path
}

func TestFailureIsExplainedKeptAndReplayed(t *testing.T) {
	dir := t.TempDir()
	path := failing(t)
	code, out, _ := kvsim("run", "--seed", "9", "--scenario", path, "--out", dir, "--trace", filepath.Join(dir, "trace.txt"))
	require.Equal(t, exitBroken, code)
	require.Contains(t, out, "VIOLATION at 1.001s: finished: 1ms after the faults ended")
	require.Contains(t, out, "replay: make sim SEED=9 SCENARIO="+path+"\n")
	m := lastLine.FindStringSubmatch(out)
	require.NotNil(t, m, out)

	kept := filepath.Join(dir, "hasty-9")
	require.Contains(t, out, "kept in: "+kept)
	code, again, _ := kvsim("replay", kept)
	require.Equal(t, exitBroken, code)
	require.Equal(t, m[0], lastLine.FindString(again), "the kept scenario is the same run")
	text, err := os.ReadFile(filepath.Join(kept, "report.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), m[0])
	text, err = os.ReadFile(filepath.Join(dir, "trace.txt"))
	require.NoError(t, err)
	require.Greater(t, strings.Count(string(text), "\n"), 100)

	code, out, _ = kvsim("check", filepath.Join(kept, "history.jsonl"))
	require.Equal(t, exitOK, code, out)
}

func TestCheckFindsTheViolation(t *testing.T) {
	s, err := scenarios.Load("eventual-is-not-linearizable")
	require.NoError(t, err)
	s.Expect = []scenarios.Promise{scenarios.Linearizable}
	dir := t.TempDir()
	path := filepath.Join(dir, "wrong.scenario")
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o600))
	code, out, _ := kvsim("run", "--seed", "1", "--scenario", path, "--out", dir)
	require.Equal(t, exitBroken, code, out)
	require.Contains(t, out, "verdict=linearizable ")
	kept := filepath.Join(dir, s.Name+"-1")
	page, err := os.ReadFile(filepath.Join(kept, "history.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "<html")
	html := filepath.Join(dir, "again.html")
	code, out, _ = kvsim("check", "--html", html, filepath.Join(kept, "history.jsonl"))
	require.Equal(t, exitBroken, code)
	require.Contains(t, out, "violation")
	require.FileExists(t, html)
}

func TestWrongQuestions(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"run --scenario no-such", "there is no scenario"},
		{"run --scenario ./no-such.scenario", "no-such.scenario"},
		{"run --seed x", "invalid argument"},
		{"run --seed 0", "seed 0"},
		{"shrink --seed 0", "seed 0"},
		{"guide --seed 0", "seed 0"},
		{"soak --seeds 0..5", "seed 0"},
		{"soak --seeds 0", "seed 0"},
		{"run --duration 0s", "above zero"},
		{"soak --duration 0s", "above zero"},
		{"replay x --duration 0s", "above zero"},
		{"guide --duration 0s", "above zero"},
		{"run extra", "unknown command"},
		{"run --duration -1s", "duration"},
		{"run --trace /no/such/folder/t", "--trace"},
		{"soak --seeds 5..1", "first..last"},
		{"soak --seeds a..b", "first..last"},
		{"soak --jobs 0", "--jobs"},
		{"soak --scenario no-such", "there is no scenario"},
		{"check /no/such/file", "no such file"},
		{"replay /no/such/file", "no such file"},
		{"no-such", "unknown command"},
	} {
		code, out, err := kvsim(strings.Fields(c.args)...)
		require.Equal(t, exitUsage, code, c.args)
		require.Contains(t, err, c.says, c.args)
		require.NotContains(t, out, "verdict", c.args)
	}
}

func TestScenariosAreListed(t *testing.T) {
	code, out, _ := kvsim("scenarios", "--names")
	require.Equal(t, exitOK, code)
	require.Equal(t, scenarios.Names(), strings.Fields(out))
	_, out, _ = kvsim("scenarios")
	require.Contains(t, out, "quiet ")
	require.Contains(t, out, "no faults")
}

// soakWith runs soak with workers of a mode, in processes of their own.
func soakWith(t *testing.T, o soakOptions, mode func(started int) string) (err error, out string) {
	t.Helper()
	var started atomic.Int64
	if o.scenario == "" {
		o.scenario = "quiet"
	}
	if o.seedTimeout == 0 {
		o.seedTimeout = time.Minute
	}
	if o.brokenMax == 0 {
		o.brokenMax = 20
	}
	o.duration = time.Second
	o.newWorker = func() (worker, error) {
		env := []string{modeEnv + "=" + mode(int(started.Add(1))), "GOMAXPROCS=1"}
		return startProcess(os.Args[0], []string{"worker", "--scenario", o.scenario, "--duration", "1s"}, env, o.seedTimeout)
	}
	var buf, progress bytes.Buffer
	err = o.run(stdio{out: &buf, err: &progress})
	return err, buf.String()
}

func TestSoakLivesEverySeed(t *testing.T) {
	err, out := soakWith(t, soakOptions{seeds: "3..14", jobs: 3}, func(int) string { return "kvsim" })
	require.NoError(t, err, out)
	require.Contains(t, out, "seeds=3..14 scenario=quiet verdict=ok lived=12 broken=0 ")
}

func TestSoakReportsBrokenSeeds(t *testing.T) {
	path := failing(t)
	err, out := soakWith(t, soakOptions{experiment: experiment{scenario: path}, seeds: "1..3", jobs: 2}, func(int) string { return "kvsim" })
	require.ErrorIs(t, err, errBroken)
	for seed := 1; seed <= 3; seed++ {
		require.Contains(t, out, fmt.Sprintf("replay: make sim SEED=%d SCENARIO=%s", seed, path))
	}
	require.Contains(t, out, "verdict=broken lived=3 broken=3 ")

	err, out = soakWith(t, soakOptions{experiment: experiment{scenario: path}, seeds: "1..1000000", jobs: 2, brokenMax: 2}, func(int) string { return "kvsim" })
	require.ErrorIs(t, err, errBroken)
	require.Regexp(t, `broken=[2-4] `, out, "it does not go on for ever")
}

// A worker that dies costs its seed and no more.
func TestSoakSurvivesWorkers(t *testing.T) {
	for mode, says := range map[string]string{
		"crash":  "planted in a worker",
		"babble": "which is no report",
	} {
		err, out := soakWith(t, soakOptions{seeds: "1..6", jobs: 1}, func(started int) string {
			if started == 1 {
				return mode
			}
			return "kvsim"
		})
		require.ErrorIs(t, err, errBroken, mode)
		require.Contains(t, out, says)
		require.Contains(t, out, "seed=1 scenario=quiet verdict=lost")
		require.Contains(t, out, "replay: make sim SEED=1 SCENARIO=quiet SIMFLAGS='--duration 1s'")
		require.Contains(t, out, "lived=6 broken=1 ")
	}
}

func TestSoakEndsHangingSeeds(t *testing.T) {
	err, out := soakWith(t, soakOptions{seeds: "1..1", jobs: 1, seedTimeout: 300 * time.Millisecond}, func(int) string { return "hang" })
	require.ErrorIs(t, err, errBroken)
	require.Contains(t, out, "it was not done after 300ms")
}

func TestSoakSaysWhenNoWorkerStarts(t *testing.T) {
	o := soakOptions{experiment: experiment{scenario: "quiet"}, seeds: "1..100", jobs: 2, seedTimeout: time.Second, brokenMax: 1}
	o.newWorker = func() (worker, error) { return nil, errors.New("planted") }
	var out, progress bytes.Buffer
	require.ErrorContains(t, o.run(stdio{out: &out, err: &progress}), "planted")
	require.Contains(t, out.String(), "verdict=unfinished")
}

func TestTailKeepsBothEnds(t *testing.T) {
	var tl tail
	for i := range 10_000 {
		fmt.Fprintf(&tl, "line %d\n", i)
	}
	require.Less(t, len(tl.String()), 3*tailBytesMax)
	require.Contains(t, tl.String(), "line 0\n")
	require.Contains(t, tl.String(), "line 9999\n")
	require.Contains(t, tl.String(), "[...]")
}
