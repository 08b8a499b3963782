package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/scenarios"
	"kvs/sim/guide"
)

type guideOptions struct {
	experiment
	seed    uint64
	runs    int
	jobs    int
	timeout time.Duration
	uniform bool
}

func newGuideCommand(io stdio) *cobra.Command {
	var o guideOptions
	cmd := &cobra.Command{
		Use:   "guide",
		Short: "Search for a failure by what earlier runs came through",
		Long: `guide lives runs until one fails. Some are drawn anew, as a soak draws them. The others are made of earlier ones that came through
situations which nothing before had met: a message of some kind arriving at a node in some state while some faults were on. They get
another seed; their faults are moved, doubled, left out, brought closer together, drawn anew or exchanged with those of another; or their
load, network, clocks or disks are. The rarer what one came through, the more is made of it.

The search is a function of --seed, whatever the number of jobs. A failure is written to the folder --out as a scenario file, with what
broke: kvsim replay shows it again, kvsim shrink --replay makes it small. A run that panics or hangs is a failure, too. With --uniform
all runs are drawn anew; ARCHITECTURE.md has a comparison of the two.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(io) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "number that the search depends on")
	f.IntVar(&o.runs, "runs", 1000, "runs at most")
	f.BoolVar(&o.uniform, "uniform", false, "draw every run anew")
	f.StringVar(&o.scenario, "scenario", "swarm", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.DurationVar(&o.duration, "duration", 0, "length of the safety phase; default: that of the scenario")
	f.StringVar(&o.out, "out", filepath.Join("out", "guide"), "folder for the scenario and the report of a failure")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worker processes")
	f.DurationVar(&o.timeout, "seed-timeout", defaultSeedTimeout, "end a run that takes longer than this; it counts as lost")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.checkFlags(cmd) }
	return cmd
}

func (o *guideOptions) run(io stdio) error {
	if o.runs < 1 || o.jobs < 1 || o.timeout <= 0 {
		return errors.New("--runs, --jobs and --seed-timeout must be above zero")
	}
	base, err := o.load()
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	t := &tryers{program: program, timeout: o.timeout, workers: make([]*process, o.jobs), coverage: true}
	defer t.close()
	began := time.Now()
	told := began
	var failure *trial
	r := guide.Search(guide.Options{
		Seed: o.seed, Scenario: base, Runs: o.runs, Uniform: o.uniform,
		Enough: func() bool { return ctx.Err() != nil },
		Test: func(batch []scenarios.Scenario) (out []guide.Outcome) {
			trials := t.all(batch)
			for i := range trials {
				failed := len(trials[i].Failures) > 0 || trials[i].err != nil
				if failed && failure == nil {
					failure = &trials[i]
				}
				out = append(out, guide.Outcome{Failed: failed, Situations: trials[i].Situations})
			}
			return out
		},
		Progress: func(r guide.Result) {
			if time.Since(told) >= 10*time.Second {
				told = time.Now()
				fmt.Fprintf(io.err, "%d of %d runs, %d situations met, %d scenarios kept\n", r.Runs, o.runs, r.Situations, r.Kept)
			}
		},
	})
	if failure != nil && failure.err != nil {
		return failure.err
	}
	err = o.tell(io, base.Name, r, failure, time.Since(began), ctx.Err() != nil)
	if err == nil && ctx.Err() != nil {
		return fmt.Errorf("%w after %d of %d runs", errInterrupted, r.Runs, o.runs)
	}
	return err
}

// tell says how the search ended, and writes down what failed.
func (o *guideOptions) tell(io stdio, name string, r guide.Result, failure *trial, took time.Duration, interrupted bool) error {
	search, verdict := "guided", "ok"
	if interrupted {
		verdict = "unfinished"
	}
	if o.uniform {
		search = "uniform"
	}
	if r.Failed != nil {
		verdict = failure.verdict()
		path, err := o.write(r.Failed, failure)
		if err != nil {
			return err
		}
		fmt.Fprintf(io.out, "%s%s\nreplay: kvsim replay %s\n", failure.Explained, failure.Line, path)
	}
	fmt.Fprintf(io.out, "search=%s scenario=%s seed=%d verdict=%s runs=%d situations=%d kept=%d fresh=%t wall=%.1fs\n",
		search, name, o.seed, verdict, r.Runs, r.Situations, r.Kept, r.Fresh, took.Seconds())
	if r.Failed != nil {
		return errBroken
	}
	return nil
}

// write keeps a failure and returns the path of the scenario file.
func (o *guideOptions) write(s *scenarios.Scenario, t *trial) (string, error) {
	name := filepath.Base(s.Name)
	dir := filepath.Join(o.out, fmt.Sprintf("%s-%d", name, s.Seed))
	path := filepath.Join(dir, name+".scenario")
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = errors.Join(os.WriteFile(path, []byte(s.String()), 0o644),
			os.WriteFile(filepath.Join(dir, "report.txt"), fmt.Appendf(nil, "%s%s\nreplay: kvsim replay %s\n", t.Explained, t.Line, path), 0o644))
	}
	if err != nil {
		return "", fmt.Errorf("keep the failure in %s: %w; choose another folder with --out", dir, err)
	}
	return path, nil
}

// verdict names the promises that broke, as the line for scripts does.
func (t *trial) verdict() string {
	if t.Line == "" {
		return strings.Join(t.Failures, ",")
	}
	return verdictOf(t.Line)
}
