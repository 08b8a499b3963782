package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/shrink"
)

type shrinkOptions struct {
	experiment
	seed    uint64
	replay  string
	file    string
	budget  time.Duration
	timeout time.Duration
	jobs    int
}

func newShrinkCommand(io stdio) *cobra.Command {
	var o shrinkOptions
	cmd := &cobra.Command{
		Use:   "shrink",
		Short: "Make a failure small",
		Long: `shrink lives a seed that fails, and leaves out time, faults, clients, nodes, disturbances and single operations
for as long as the same promise breaks. It writes what is left as a scenario file, which kvsim replay shows again.

It stops when nothing more can be left out, when the budget is used up, or on Ctrl-C: what was found by then is the answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(io, cmd.Flags().Changed("seed")) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "the seed that fails; default: that of the scenario, or 1")
	f.StringVar(&o.scenario, "scenario", "swarm", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.StringVar(&o.replay, "replay", "", "file or folder that --out kept, instead of a seed and a scenario")
	f.StringVar(&o.file, "file", "", "write the scenario to this file; default: out/shrink/SCENARIO-SEED.scenario")
	f.DurationVar(&o.budget, "budget", time.Minute, "how long to search")
	f.DurationVar(&o.timeout, "seed-timeout", defaultSeedTimeout, "end a run that takes longer than this; it counts as lost")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worker processes")
	f.DurationVar(&o.duration, "duration", 0, "length of the safety phase; default: that of the scenario")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.checkFlags(cmd) }
	return cmd
}

func (o *shrinkOptions) run(io stdio, seedGiven bool) error {
	if o.jobs < 1 || o.budget <= 0 || o.timeout <= 0 {
		return errors.New("--jobs, --budget and --seed-timeout must be above zero")
	}
	if o.replay != "" {
		path, err := scenarioFile(o.replay)
		if err != nil {
			return err
		}
		o.scenario = path
	}
	s, err := o.load()
	if err != nil {
		return err
	}
	if !seedGiven && s.Seed != 0 {
		o.seed = s.Seed
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	t := &tryers{program: program, timeout: o.timeout, workers: make([]*process, o.jobs)}
	defer t.close()
	small, way, first, last, err := o.search(ctx, io, t, sim.Draw(o.seed, s))
	if err != nil {
		return err
	}
	return o.tell(io, small, way, first, last)
}

// search shrinks a drawn scenario.
func (o *shrinkOptions) search(ctx context.Context, io stdio, t *tryers, drawn scenarios.Scenario) (small scenarios.Scenario, way string, first, last shrink.Size, err error) {
	began := time.Now()
	whole := t.all([]scenarios.Scenario{drawn})[0]
	if len(whole.Failures) == 0 {
		return small, "", first, last, fmt.Errorf("seed %d of %s does not fail: there is nothing to shrink", o.seed, o.scenario)
	}
	way = whole.Failures[0]
	first = shrink.SizeOf(&drawn, whole.Begun, 1)
	small, last = shrink.Shrink(drawn, whole.Begun, shrink.Options{
		Batch:  o.jobs,
		Enough: func() bool { return time.Since(began) >= o.budget || ctx.Err() != nil },
		Test:   func(batch []scenarios.Scenario) []shrink.Outcome { return outcomes(t.all(batch), way) },
		Progress: func(stage string, now shrink.Size) {
			fmt.Fprintf(io.err, "%5.1fs %-10s %s\n", time.Since(began).Seconds(), stage, sizeText(now))
		},
	})
	return small, way, first, last, nil
}

func sizeText(s shrink.Size) string {
	return fmt.Sprintf("nodes=%d clients=%d faults=%d operations=%d duration=%s lines=%d runs=%d", s.Nodes, s.Clients, s.Faults, s.Ops, s.Duration, s.Lines, s.Runs)
}

// Words that begin the lines with the sizes.
const (
	beforeWord = "before:"
	afterWord  = "after:"
)

// tell writes the file and says what is in it.
func (o *shrinkOptions) tell(io stdio, small scenarios.Scenario, way string, first, last shrink.Size) error {
	if o.file == "" {
		o.file = filepath.Join("out", "shrink", fmt.Sprintf("%s-%d.scenario", filepath.Base(small.Name), o.seed))
	}
	if err := os.MkdirAll(filepath.Dir(o.file), 0o755); err != nil {
		return err
	}
	text := small.String()
	if err := os.WriteFile(o.file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("%w; choose another file with --file", err)
	}
	fmt.Fprint(io.out, text)
	fmt.Fprintf(io.out, "\n%s %s\n%s  %s\nfails:  %s\nreplay: kvsim replay %s\n", beforeWord, sizeText(first), afterWord, sizeText(last), way, o.file)
	return nil
}
