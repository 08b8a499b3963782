package simcmd

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
	"kvs/sim"
	"kvs/sim/scenario"
)

// Experiment is what run, soak and replay have in common: a scenario and how to run it. Tools.Experiment makes one.
type Experiment struct {
	Scenario string        // a name, or the path of a file. Empty until Load: the system's usual one.
	Duration time.Duration // of the safety phase; zero: as the scenario says.
	Verify   bool
	Out      string // folder for the files of a failure; empty: none are kept.
	mutant   string // that this program has planted; empty: none.

	tools *Tools
}

// Experiment returns an experiment without settings.
func (t *Tools) Experiment() Experiment { return Experiment{tools: t} }

// Load reads the scenario: a path has a slash or a dot in it, or ends in .scenario; everything else is a name.
func (e *Experiment) Load() (scenario.Scenario, error) {
	system := e.tools.System()
	if e.Scenario == "" {
		e.Scenario = system.DefaultScenario()
	}
	s, err := system.Scenarios.Load(e.Scenario)
	if err != nil && (strings.ContainsAny(e.Scenario, "./\\")) {
		if _, statErr := os.Stat(e.Scenario); statErr == nil || strings.HasSuffix(e.Scenario, scenario.Extension) {
			s, err = system.Scenarios.LoadFile(e.Scenario)
		}
	}
	if err != nil {
		return s, err
	}
	if e.Duration != 0 {
		s.Duration = e.Duration
	}
	return s, s.Validate()
}

// errSeedZero: in a scenario file seed 0 means that there is none.
var errSeedZero = errors.New(
	"seed 0 could not be replayed from a file, where it means that there is none: use 1 and above")

// CheckFlags refuses values that would mean the same as a flag that is not given.
func (e *Experiment) CheckFlags(cmd *cobra.Command) error {
	f := cmd.Flags()
	if f.Changed("duration") && e.Duration <= 0 {
		return fmt.Errorf("--duration %s: must be above zero", e.Duration)
	}
	if seed := f.Lookup("seed"); seed != nil && seed.Changed && seed.Value.String() == "0" {
		return fmt.Errorf("--seed: %w", errSeedZero)
	}
	return nil
}

// Run draws and runs one seed, twice if it is to be verified. Trace and rec may be nil.
func (e *Experiment) Run(s scenario.Scenario, seed uint64, trace func(string), rec *sim.Recording) (scenario.Scenario,
	*sim.Result, error) {
	drawn, run := sim.Draw(seed, s), e.tools.System().Run
	res, err := run(sim.Options{Seed: seed, Scenario: &drawn, Commit: commit(), Trace: trace, Record: rec})
	if err != nil || !e.Verify {
		return drawn, res, err
	}
	again, err := run(sim.Options{Seed: seed, Scenario: &drawn, Commit: commit()})
	if err != nil {
		return drawn, res, err
	}
	if res.Trace != again.Trace {
		res.Violations = append(res.Violations,
			nondeterministic(res.Trace, again.Trace, func(trace func(string)) error {
				_, err := run(sim.Options{Seed: seed, Scenario: &drawn, Commit: commit(), Trace: trace})
				return err
			}))
	}
	return drawn, res, nil
}

// replayCommand is the one command that repeats a run.
func (e *Experiment) replayCommand(seed uint64) string {
	if e.mutant != "" {
		return e.tools.replayOf(e.mutant, e.Scenario, seed)
	}
	if e.tools.App.Replay != nil {
		return e.tools.App.Replay(e, seed)
	}
	return strings.Join(append([]string{fmt.Sprintf("%s %s --seed %d --scenario %s", e.tools.App.program(),
		strings.Join(e.tools.arguments("run"), " "), seed, e.Scenario)}, e.RunFlags()...), " ")
}

// RunFlags are the flags of run, besides seed and scenario, without which a run of this experiment is not repeated: for
// App.Replay.
func (e *Experiment) RunFlags() (flags []string) {
	if e.Duration != 0 {
		flags = append(flags, "--duration "+e.Duration.String())
	}
	if e.Verify {
		flags = append(flags, "--verify")
	}
	return flags
}

// explain describes what broke, on several lines.
func (e *Experiment) explain(res *sim.Result) string {
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

// keep writes the files of a run into the out folder, and returns the folder.
func (e *Experiment) keep(drawn scenario.Scenario, res *sim.Result) (string, error) {
	dir := filepath.Join(e.Out, fmt.Sprintf("%s-%d", filepath.Base(res.Scenario), res.Seed))
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
		write(filepath.Base(res.Scenario)+".scenario",
			func(f *os.File) error { _, err := f.WriteString(drawn.String()); return err }),
		write("report.txt", func(f *os.File) error {
			_,
				err := fmt.Fprintf(f, "%s%s\n", e.explain(res), res)
			return err
		}),
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

// commit is the commit of the running program, if the build has recorded it.
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
