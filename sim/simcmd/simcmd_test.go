package simcmd

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
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
	simulated "kvs/sim/kvs"
	"kvs/sim/mutants/list"
	"kvs/sim/scenario"
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
		os.Exit(kvs.Execute(os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
}

// kvs is a program with one system, for which real workers and mutants can be built.
var kvs = &App{Program: "kvsim", Systems: []System{{
	System: simulated.System{}, Scenarios: scenarios.Library, Default: "swarm",
	Mutants: &Mutants{List: list.Files, Module: "kvs", Package: "./cmd/kvsim"},
}}}

func tools(t *testing.T) *Tools {
	t.Helper()
	all, err := newTools(kvs, IO{})
	require.NoError(t, err)
	return all
}

// kvsim runs a command line and returns what it printed.
func kvsim(args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = kvs.Execute(args, IO{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

var lastLine = regexp.MustCompile(
	`(?m)^seed=(\d+) scenario=(\S+) verdict=(\S+) ` +
		`operations=\d+ .*simulated=\d+\.\d{3}s .*events=\d+ .*trace=([0-9a-f]{32})\n\z`)

func TestRunSaysWhatItDrewAndHowItEnded(t *testing.T) {
	code, out, _ := kvsim("run", "--seed", "7", "--scenario", "swarm", "--duration", "3s", "--verify")
	require.Equal(t, ExitOK, code, out)
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
	code, out, _ := kvsim("run", "--seed", "9", "--scenario", path, "--out", dir, "--trace",
		filepath.Join(dir, "trace.txt"))
	require.Equal(t, ExitBroken, code)
	require.Contains(t, out, "VIOLATION at 1.001s: finished: 1ms after the faults ended")
	require.Contains(t, out, "replay: kvsim run --seed 9 --scenario "+path+"\n")
	m := lastLine.FindStringSubmatch(out)
	require.NotNil(t, m, out)

	kept := filepath.Join(dir, "hasty-9")
	require.Contains(t, out, "kept in: "+kept)
	code, again, _ := kvsim("replay", kept)
	require.Equal(t, ExitBroken, code)
	require.Equal(t, m[0], lastLine.FindString(again), "the kept scenario is the same run")
	text, err := os.ReadFile(filepath.Join(kept, "report.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), m[0])
	text, err = os.ReadFile(filepath.Join(dir, "trace.txt"))
	require.NoError(t, err)
	require.Greater(t, strings.Count(string(text), "\n"), 100)
	require.FileExists(t, filepath.Join(kept, "history.jsonl"))
}

func TestWrongQuestions(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"run --scenario no-such", "there is no scenario"},
		{"run --scenario ./no-such.scenario", "no-such.scenario"},
		{"run --seed x", "invalid argument"},
		{"run --seed 0", "seed 0"},
		{"shrink --seed 0", "seed 0"},
		{"soak --seeds 0..5", "seed 0"},
		{"soak --seeds 0", "seed 0"},
		{"run --duration 0s", "above zero"},
		{"soak --duration 0s", "above zero"},
		{"replay x --duration 0s", "above zero"},
		{"run extra", "unknown command"},
		{"run --duration -1s", "duration"},
		{"run --trace /no/such/folder/t", "--trace"},
		{"soak --seeds 5..1", "below the first; write 1..5"},
		{"soak --seeds a..b", "first..last"},
		{"soak --jobs 0", "--jobs"},
		{"soak --scenario no-such", "there is no scenario"},
		{"replay /no/such/file", "no such file"},
		{"no-such", "unknown command"},
	} {
		code, out, err := kvsim(strings.Fields(c.args)...)
		require.Equal(t, ExitUsage, code, c.args)
		require.Contains(t, err, c.says, c.args)
		require.NotContains(t, out, "verdict", c.args)
	}
}

func TestScenariosAreListed(t *testing.T) {
	code, out, _ := kvsim("scenarios", "--names")
	require.Equal(t, ExitOK, code)
	require.Equal(t, scenarios.Names(), strings.Fields(out))
	_, out, _ = kvsim("scenarios")
	require.Contains(t, out, "quiet ")
	require.Contains(t, out, "no faults")
}

// soakWith runs soak with workers of a mode, in processes of their own.
func soakWith(t *testing.T, o soakOptions, mode func(started int) string) (out string, err error) {
	t.Helper()
	var started atomic.Int64
	o.tools = tools(t)
	if o.Scenario == "" {
		o.Scenario = "quiet"
	}
	if o.seedTimeout == 0 {
		o.seedTimeout = time.Minute
	}
	if o.brokenMax == 0 {
		o.brokenMax = 20
	}
	o.Duration = time.Second
	o.newWorker = func() (worker, error) {
		env := []string{modeEnv + "=" + mode(int(started.Add(1))), "GOMAXPROCS=1"}
		return startWorker(os.Args[0], []string{"worker", "--scenario", o.Scenario, "--duration", "1s"}, env,
			o.seedTimeout)
	}
	var buf, progress bytes.Buffer
	err = o.run(IO{Out: &buf, Err: &progress})
	return buf.String(), err
}

func TestSoakLivesEverySeed(t *testing.T) {
	out, err := soakWith(t, soakOptions{seeds: "3..14", jobs: 3}, func(int) string { return "kvsim" })
	require.NoError(t, err, out)
	require.Contains(t, out, "seeds=3..14 scenario=quiet verdict=ok lived=12 broken=0 ")
}

func TestSoakReportsBrokenSeeds(t *testing.T) {
	path := failing(t)
	out, err := soakWith(t, soakOptions{Experiment: Experiment{Scenario: path, tools: tools(t)}, seeds: "1..3",
		jobs: 2}, func(int) string { return "kvsim" })
	require.ErrorIs(t, err, ErrBroken)
	for seed := 1; seed <= 3; seed++ {
		require.Contains(t, out, fmt.Sprintf("replay: kvsim run --seed %d --scenario %s", seed, path))
	}
	require.Contains(t, out, "verdict=broken lived=3 broken=3 ")

	out, err = soakWith(t, soakOptions{Experiment: Experiment{Scenario: path, tools: tools(t)}, seeds: "1..1000000",
		jobs: 2, brokenMax: 2}, func(int) string { return "kvsim" })
	require.ErrorIs(t, err, ErrBroken)
	require.Regexp(t, `broken=[2-4] `, out, "it does not go on for ever")
}

// A worker that dies costs its seed and no more.
func TestSoakSurvivesWorkers(t *testing.T) {
	for mode, says := range map[string]string{
		"crash":  "planted in a worker",
		"babble": "which is no report",
	} {
		out, err := soakWith(t, soakOptions{seeds: "1..6", jobs: 1}, func(started int) string {
			if started == 1 {
				return mode
			}
			return "kvsim"
		})
		require.ErrorIs(t, err, ErrBroken, mode)
		require.Contains(t, out, says)
		require.Contains(t, out, "seed=1 scenario=quiet verdict=lost")
		require.Contains(t, out, "replay: kvsim run --seed 1 --scenario quiet --duration 1s")
		require.Contains(t, out, "lived=6 broken=1 ")
	}
}

func TestSoakEndsHangingSeeds(t *testing.T) {
	out, err := soakWith(t, soakOptions{seeds: "1..1", jobs: 1, seedTimeout: 300 * time.Millisecond},
		func(int) string { return "hang" })
	require.ErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "it was not done after 300ms")
}

func TestSoakSaysWhenNoWorkerStarts(t *testing.T) {
	o := soakOptions{Experiment: Experiment{Scenario: "quiet", tools: tools(t)}, seeds: "1..100", jobs: 2,
		seedTimeout: time.Second, brokenMax: 1}
	o.newWorker = func() (worker, error) { return nil, errors.New("planted") }
	var out, progress bytes.Buffer
	require.ErrorContains(t, o.run(IO{Out: &out, Err: &progress}), "planted")
	require.Contains(t, out.String(), "verdict=unfinished")
}

// renamed is a system with another name.
type renamed struct{ sim.System }

func (renamed) Name() string { return "other" }

// A program may have several systems; the first one is meant unless --system says otherwise, here and in the processes
// that are started.
func TestSeveralSystems(t *testing.T) {
	other := System{System: renamed{simulated.System{}}, Scenarios: &scenario.Library{
		Files: fstest.MapFS{
			"tiny.scenario": {Data: []byte("scenario tiny\nabout one of another system\nnodes 1\nexpect finished")}},
		New: kvs.Systems[0].Scenarios.New,
	}}
	both := &App{Program: "both", Systems: []System{kvs.Systems[0], other}}
	run := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := both.Execute(args, IO{Out: &out, Err: &out})
		return code, out.String()
	}
	_, out := run("scenarios", "--names")
	require.Contains(t, out, "\nswarm\n")
	code, out := run("scenarios", "--system", "other")
	require.Equal(t, ExitOK, code)
	require.Equal(t, "tiny  one of another system\n", out)
	code, out = run("run", "--system", "other", "--duration", "1s")
	require.Equal(t, ExitOK, code, out)
	require.Contains(t, out, "seed=1 scenario=tiny verdict=ok ", "its first scenario is the usual one")
	for args, says := range map[string]string{
		"run --system third":                  `--system "third": use one of kvs, other`,
		"run --system other --scenario quiet": "there is no scenario \"quiet\": use one of tiny",
		"soak --system other --seeds walk":    "is no walk",
		"mutants --system other":              "the system other has no mutants",
	} {
		code, out := run(strings.Fields(args)...)
		require.Equal(t, ExitUsage, code, args)
		require.Contains(t, out, says)
	}
	require.Equal(t, []string{"worker", "--system", "other", "--scenario", "x"},
		(&Tools{App: both, chosen: "other"}).arguments("worker", "--scenario", "x"))
	require.Equal(t, []string{"worker"}, (&Tools{App: kvs, chosen: "kvs"}).arguments("worker"))
	e := Experiment{Scenario: "tiny", Duration: time.Second, tools: &Tools{App: both, chosen: "other"}}
	require.Equal(t, "both run --system other --seed 3 --scenario tiny --duration 1s", e.replayCommand(3))
}

func TestAppsAreChecked(t *testing.T) {
	for says, systems := range map[string][]System{
		"no system to run":                  nil,
		"System and Scenarios are required": {{System: simulated.System{}}},
		`two systems are called "kvs"`:      {kvs.Systems[0], kvs.Systems[0]},
		"its mutants need": {{System: simulated.System{}, Scenarios: scenarios.Library,
			Mutants: &Mutants{}}},
	} {
		var out bytes.Buffer
		require.Equal(t, ExitUsage, (&App{Program: "p", Systems: systems}).Execute([]string{"run"},
			IO{Out: &out, Err: &out}))
		require.Contains(t, out.String(), says)
	}
}
