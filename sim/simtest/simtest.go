package simtest

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

// Range is a range of seeds.
type Range struct{ first, last uint64 }

// Seeds are those from first to last. Zero is no seed.
func Seeds(first, last uint64) Range { return Range{first, last} }

// Options of Run. The zero value is fine.
type Options struct {
	Scenario string                     // the name of one of the system's scenarios. Default: its usual one.
	Edit     func(s *scenario.Scenario) // changes the scenario before seeds draw from it. Default: no change.

	// Shrink bounds the time for making a failure smaller, in real time. Default: 20 s. Negative: not at all.
	Shrink time.Duration

	// Failures is how many seeds may fail before the rest is left out. Default: 1. Only the first is made smaller.
	Failures int

	// Dir is the folder where failures are kept as scenario files. Those that are there run before the seeds. Default:
	// testdata/simtest/NAME, with the name of the test.
	Dir string
}

const shrinkDefault = 20 * time.Second

// Run runs the scenarios kept in Options.Dir and then the seeds, each as a subtest, and fails t when a promise does not
// hold. `go test -run '^TestLease$/^seed=17$'` runs one seed of the range.
func Run(t *testing.T, system simcmd.System, seeds Range, o Options) {
	t.Helper()
	r, err := newRunner(t.Name(), &system, o)
	if err != nil {
		t.Fatal(err)
	}
	if seeds.first == 0 || seeds.last < seeds.first || seeds.last == math.MaxUint64 {
		t.Fatalf("seeds %d to %d: use 1 and above, the smaller one first", seeds.first, seeds.last)
	}
	files, err := r.kept()
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), scenario.Extension), func(t *testing.T) {
			s, err := system.Scenarios.LoadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if report := r.run(t.Name(), s.Seed, s, false); report != "" {
				failed++
				t.Errorf("%s\n%s", file, report)
			}
		})
	}
	for seed := seeds.first; seed <= seeds.last && failed < r.o.Failures; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			if report := r.run(t.Name(), seed, r.base, failed == 0); report != "" {
				failed++
				t.Error(report)
			}
		})
	}
}

// runner is one call of Run.
type runner struct {
	system *simcmd.System
	o      Options
	base   scenario.Scenario // what seeds draw from.
}

func newRunner(test string, system *simcmd.System, o Options) (*runner, error) {
	if o.Shrink == 0 {
		o.Shrink = shrinkDefault
	}
	if o.Failures == 0 {
		o.Failures = 1
	}
	if o.Dir == "" {
		o.Dir = filepath.Join("testdata", "simtest", strings.ReplaceAll(test, "/", "-"))
	}
	if o.Scenario == "" {
		o.Scenario = system.DefaultScenario()
	}
	s, err := system.Scenarios.Load(o.Scenario)
	if err != nil {
		return nil, err
	}
	if o.Edit != nil {
		o.Edit(&s)
	}
	return &runner{system: system, o: o, base: s}, s.Validate()
}

// kept are the files of earlier failures, by name.
func (r *runner) kept() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(r.o.Dir, "*"+scenario.Extension))
	slices.Sort(files)
	return files, err
}

// run runs one seed and returns the report of its failure; empty: all promises held.
func (r *runner) run(test string, seed uint64, s scenario.Scenario, small bool) string {
	drawn := sim.Draw(seed, s)
	res, err := r.system.Run(sim.Options{Seed: seed, Scenario: &drawn})
	if err != nil {
		return err.Error()
	}
	if len(res.Violations) == 0 {
		return ""
	}
	var b strings.Builder
	for _, v := range res.Violations {
		fmt.Fprintf(&b, "VIOLATION at %s: %s\n", v.At, v)
	}
	if res.Stack != "" {
		fmt.Fprintln(&b, res.Stack)
	}
	fmt.Fprintf(&b, "%s\nreplay: %s\n\nwhat seed %d drew:\n%s", res, replayCommand(test), seed, drawn)
	if small && r.o.Shrink > 0 {
		fmt.Fprintf(&b, "\n%s", r.shrink(test, drawn, res))
	}
	return b.String()
}

// replayCommand runs one subtest again.
func replayCommand(test string) string {
	parts := strings.Split(test, "/")
	for i := range parts {
		parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
	}
	return fmt.Sprintf("go test %s -run '%s'", packagePath(), strings.Join(parts, "/"))
}

// keep writes a scenario to the folder of failures, and returns the file.
func (r *runner) keep(s *scenario.Scenario) (string, error) {
	file := filepath.Join(r.o.Dir, fmt.Sprintf("%s-%d%s", filepath.Base(s.Name), s.Seed, scenario.Extension))
	if err := os.MkdirAll(r.o.Dir, 0o755); err != nil {
		return "", err
	}
	return file, os.WriteFile(file, []byte(s.String()), 0o644)
}
