package simcmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim"
	simulated "kvs/sim/kvs"
	"kvs/sim/simcmd/process"
)

// stopAfter is a worker that interrupts the soak when it has lived so many seeds.
type stopAfter struct {
	worker
	left *int
	stop func()
}

func (s stopAfter) run(seed uint64) (report, error) {
	r, err := s.worker.run(seed)
	if *s.left--; *s.left == 0 {
		s.stop()
	}
	return r, err
}

// A soak that was interrupted goes on where it ended, counts what it found before, and lives no seed twice.
func TestSoakResumes(t *testing.T) {
	path, dir := failing(t), t.TempDir()
	lived := map[uint64]int{}
	sitting := func(seeds string, resume bool, stopAt int) (string, error) {
		interrupted := make(chan struct{})
		o := soakOptions{Experiment: Experiment{Scenario: path, Duration: time.Second, Out: dir, tools: tools(t)},
			seeds: seeds, jobs: 1,
			seedTimeout: time.Minute, brokenMax: 100, resume: resume, interrupted: interrupted}
		o.newWorker = func() (worker, error) {
			p, err := startWorker(os.Args[0], []string{"worker", "--scenario", path, "--duration", "1s", "--out",
				dir}, []string{modeEnv + "=kvsim"}, time.Minute)
			return counting{stopAfter{p, &stopAt, func() { close(interrupted) }}, lived}, err
		}
		var out, errs bytes.Buffer
		err := o.run(IO{Out: &out, Err: &errs})
		return out.String() + errs.String(), err
	}
	out, err := sitting("5..10", true, 2) // nothing to go on with: it begins.
	require.ErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "seeds=5..10 ")
	require.Regexp(t, `verdict=broken lived=[2-5] broken=[2-5] `, out)
	require.FileExists(t, filepath.Join(dir, "hasty.soak.json"))

	out, err = sitting("5..12", true, 0)
	require.ErrorIs(t, err, ErrBroken)
	require.Regexp(t, `[2-5] of 8 seeds are done already`, out)
	require.Contains(t, out, "seed=5 scenario=")
	require.Contains(t, out, "verdict=broken lived=8 broken=8 ")
	require.Len(t, lived, 8)
	for seed, times := range lived {
		require.Equal(t, 1, times, seed)
	}
	for _, seed := range []string{"5", "12"} {
		kept, err := filepath.Glob(filepath.Join(dir, "*-"+seed, "report.txt"))
		require.NoError(t, err)
		require.Len(t, kept, 1)
		text, err := os.ReadFile(kept[0])
		require.NoError(t, err)
		require.Contains(t, string(text), "replay: kvsim run --seed "+seed)
	}

	for seeds, says := range map[string]string{"4..12": "seeds from 5 on", "5..11": "beyond the last one"} {
		_, err = sitting(seeds, true, 0)
		require.ErrorContains(t, err, says)
	}
	s, err := scenarios.Library.LoadFile(path)
	require.NoError(t, err)
	s.Clients++
	require.NoError(t, os.WriteFile(path, []byte(s.String()), 0o600))
	_, err = sitting("5..12", true, 0)
	require.ErrorContains(t, err, "another scenario")
	state := filepath.Join(dir, "hasty.soak.json")
	require.NoError(t, os.WriteFile(state, []byte("{"), 0o600))
	_, err = sitting("5..12", true, 0)
	require.ErrorContains(t, err, "begins anew")
	out, err = sitting("5..5", false, 0)
	require.ErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "lived=1 broken=1 ")
}

// counting counts the seeds that a worker was given.
type counting struct {
	worker
	lived map[uint64]int
}

func (c counting) run(seed uint64) (report, error) {
	c.lived[seed]++
	return c.worker.run(seed)
}

// What ended its process is kept as well as can be.
func TestSoakKeepsLostSeeds(t *testing.T) {
	dir := t.TempDir()
	out, err := soakWith(t, soakOptions{Experiment: Experiment{Out: dir, tools: tools(t)}, seeds: "7..7", jobs: 1},
		func(int) string { return "crash" })
	require.ErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "verdict=lost")
	text, err := os.ReadFile(filepath.Join(dir, "quiet-7", "report.txt"))
	require.NoError(t, err)
	require.Contains(t, string(text), "planted in a worker")
	require.Contains(t, string(text), "replay: kvsim run --seed 7")
	kept, err := scenarios.Library.LoadFile(filepath.Join(dir, "quiet-7", "quiet.scenario"))
	require.NoError(t, err)
	require.EqualValues(t, 7, kept.Seed)
}

// A signal that reaches the whole process group ends the soak, and no seed is blamed for it.
func TestWorkersOutliveSignals(t *testing.T) {
	for _, command := range []string{"worker", "candidates"} {
		p, err := process.Start(os.Args[0], []string{command}, []string{modeEnv + "=kvsim"}, time.Minute)
		require.NoError(t, err)
		s, err := scenarios.Load("quiet")
		require.NoError(t, err)
		s.Duration = time.Second
		drawn := sim.Draw(1, s)
		text, err := json.Marshal(drawn.String())
		require.NoError(t, err)
		question := map[string]string{"worker": "1", "candidates": string(text)}[command]
		_, err = p.Ask(question) // from here on it is certain that the process has begun.
		require.NoError(t, err)
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			require.NoError(t, p.Cmd.Process.Signal(s))
			_, err = p.Ask(question)
			require.NoError(t, err, "%s after %s", command, s)
		}
		p.Close()
		require.True(t, p.Cmd.ProcessState.Success(), "the end of stdin ends it")
	}
}

func TestSoakBlamesNoSeedForASignal(t *testing.T) {
	dir := t.TempDir()
	out, err := soakWith(t, soakOptions{Experiment: Experiment{Out: dir, tools: tools(t)}, seeds: "1..3", jobs: 1},
		func(int) string { return "stopped" })
	require.ErrorContains(t, err, "interrupted")
	require.NotErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "verdict=unfinished lived=0 broken=0 ")
	out, err = soakWith(t, soakOptions{Experiment: Experiment{Out: dir, tools: tools(t)}, seeds: "1..3", jobs: 1,
		resume: true}, func(int) string { return "kvsim" })
	require.NoError(t, err)
	require.Contains(t, out, "verdict=ok lived=3 broken=0 ")
}

// A walk lives one run for every crash that there is, and none at which nothing crashes counts as held.
func TestSoakWalksThroughAllCrashes(t *testing.T) {
	s, err := scenarios.Load("crash-at-every-persist")
	require.NoError(t, err)
	s.Duration = time.Second
	persists, err := sim.WalkPersists(simulated.System{}, s)
	require.NoError(t, err)
	runs := 0
	for _, p := range persists {
		runs += 2 * p
	}
	require.Greater(t, runs, 100)
	walk := func(faults int) (string, error) {
		var out, errs bytes.Buffer
		o := soakOptions{Experiment: Experiment{Scenario: s.Name, Duration: s.Duration, tools: tools(t)},
			seeds: "walk", jobs: 2, seedTimeout: time.Minute, brokenMax: 1}
		o.newWorker = func() (worker, error) { return crashed(faults), nil }
		err := o.run(IO{Out: &out, Err: &errs})
		require.Contains(t, errs.String(), fmt.Sprintf("persists of the nodes: %v; %d runs", persists, runs))
		return out.String(), err
	}
	out, err := walk(1)
	require.NoError(t, err)
	require.Contains(t, out, fmt.Sprintf("verdict=ok lived=%d broken=0 ", runs))
	out, err = walk(0)
	require.ErrorIs(t, err, ErrBroken)
	require.Contains(t, out, "seed=1 verdict=no-crash")
	require.Contains(t, out, "replay: kvsim run --seed 1 --scenario crash-at-every-persist")

	code, _, errs := kvsim("soak", "--seeds", "walk", "--scenario", "quiet")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "is no walk")
}

// crashed is a worker whose runs have so many faults.
type crashed int

func (c crashed) run(seed uint64) (report, error) {
	return report{Seed: seed, Faults: int(c), Line: fmt.Sprintf("seed=%d verdict=ok", seed)}, nil
}

func (c crashed) close() {}

func TestResumeNeedsAFolder(t *testing.T) {
	code, _, errs := kvsim("soak", "--resume")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errs, "--out")
}

func TestSeedsAreRefusedWithAReason(t *testing.T) {
	for seeds, says := range map[string]string{
		"":                        "write first..last",
		"1..x":                    "write first..last",
		"0..3":                    "seed 0 could not be replayed",
		"4..1":                    "the last seed is below the first; write 1..4",
		"1..9999999999999999":     "more than 2^40 seeds",
		"1..99999999999999999999": "write first..last",
	} {
		_, _, err := parseSeeds(seeds)
		require.ErrorContains(t, err, says)
	}
	first, last, err := parseSeeds("7")
	require.NoError(t, err)
	require.EqualValues(t, []uint64{7, 7}, []uint64{first, last})
}
