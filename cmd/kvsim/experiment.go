package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/scenarios"
	"kvs/sim"
)

// experiment is what run, soak and replay have in common: a scenario and how to live it.
type experiment struct {
	scenario string        // a name, or the path of a file.
	duration time.Duration // of the safety phase; zero: as the scenario says.
	verify   bool
	out      string // folder for what a failure leaves behind; empty: nothing is kept.
}

// load reads the scenario: a path has a slash or a dot in it, or ends in .scenario; everything else is a name.
func (e *experiment) load() (scenarios.Scenario, error) {
	s, err := scenarios.Load(e.scenario)
	if err != nil && (strings.ContainsAny(e.scenario, "./\\")) {
		if _, statErr := os.Stat(e.scenario); statErr == nil || strings.HasSuffix(e.scenario, ".scenario") {
			s, err = scenarios.LoadFile(e.scenario)
		}
	}
	if err != nil {
		return s, err
	}
	if e.duration != 0 {
		s.Duration = e.duration
	}
	return s, s.Validate()
}

// errSeedZero: in a scenario file it stands for none.
var errSeedZero = errors.New("seed 0 could not be replayed from a file, where it means that there is none: use 1 and above")

// checkFlags refuses what would mean the same as a flag that is not given.
func (e *experiment) checkFlags(cmd *cobra.Command) error {
	f := cmd.Flags()
	if f.Changed("duration") && e.duration <= 0 {
		return fmt.Errorf("--duration %s: must be above zero", e.duration)
	}
	if seed := f.Lookup("seed"); seed != nil && seed.Changed && seed.Value.String() == "0" {
		return fmt.Errorf("--seed: %w", errSeedZero)
	}
	return nil
}

// live draws and runs one seed, twice if it is to be verified.
func (e *experiment) live(s scenarios.Scenario, seed uint64, trace func(string), rec *sim.Recording) (scenarios.Scenario, *sim.Result, error) {
	drawn := sim.Draw(seed, s)
	res, err := sim.Run(sim.Options{Seed: seed, Scenario: &drawn, Commit: commit(), Trace: trace, Record: rec})
	if err != nil || !e.verify {
		return drawn, res, err
	}
	again, err := sim.Run(sim.Options{Seed: seed, Scenario: &drawn, Commit: commit()})
	if err != nil {
		return drawn, res, err
	}
	res.Violations = append(res.Violations, compareTraces(res.Trace, again.Trace)...)
	return drawn, res, nil
}

// compareTraces wants two runs of one seed to have been the same run.
func compareTraces(first, second string) []sim.Violation {
	if first == second {
		return nil
	}
	return []sim.Violation{{
		Promise: "deterministic",
		Detail:  fmt.Sprintf("the second run of the same seed has another trace: %s, then %s; run it twice with --trace and compare the files", first, second),
	}}
}

// replayCommand is the one command that shows a run again.
func (e *experiment) replayCommand(seed uint64) string {
	cmd := fmt.Sprintf("make sim SEED=%d SCENARIO=%s", seed, e.scenario)
	if e.duration != 0 {
		cmd += fmt.Sprintf(" SIMFLAGS='--duration %s'", e.duration)
	}
	return cmd
}

// explain says on several lines what broke.
func (e *experiment) explain(res *sim.Result) string {
	var b strings.Builder
	for _, v := range res.Violations {
		fmt.Fprintf(&b, "VIOLATION at %s: %s\n", v.At, v)
	}
	if res.Linearized != nil && len(res.Violations) > 0 {
		fmt.Fprintln(&b, "history:", res.Linearized.Summary())
	}
	if res.Stack != "" {
		b.WriteString(res.Stack)
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, "replay:", e.replayCommand(res.Seed))
	return b.String()
}

// keep writes what a run leaves behind into the out folder, and returns the folder.
func (e *experiment) keep(drawn scenarios.Scenario, res *sim.Result) (string, error) {
	dir := filepath.Join(e.out, fmt.Sprintf("%s-%d", filepath.Base(res.Scenario), res.Seed))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	write := func(name string, fill func(f *os.File) error) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return errors.Join(fill(f), f.Close())
	}
	err := errors.Join(
		write(filepath.Base(res.Scenario)+".scenario", func(f *os.File) error { _, err := f.WriteString(drawn.String()); return err }),
		write("report.txt", func(f *os.File) error { _, err := fmt.Fprintf(f, "%s%s\n", e.explain(res), res); return err }),
		write("history.jsonl", func(f *os.File) error { return writeHistory(f, res) }),
	)
	if err == nil && res.Linearized != nil {
		var page bytes.Buffer
		switch err = res.Linearized.WriteHTML(&page); {
		case errors.Is(err, linearize.ErrNoPicture):
			err = nil
		case err == nil:
			err = write("history.html", func(f *os.File) error { _, err := page.WriteTo(f); return err })
		}
	}
	if err != nil {
		return "", fmt.Errorf("keep the failure in %s: %w; choose another folder with --out", dir, err)
	}
	return dir, nil
}

// commit is that of the running code, as far as the build knows it.
func commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}
