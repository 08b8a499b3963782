package simcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim"
	drawing "kvs/sim/report"
	"kvs/sim/scenario"
	"kvs/sim/shrink"
	"kvs/sim/simcmd/process"
)

type shrinkOptions struct {
	Experiment
	seed    uint64
	replay  string
	file    string
	budget  time.Duration
	timeout time.Duration
	jobs    int
	page    string // folder for the pages; empty: none.
}

func (t *Tools) newShrinkCommand() *cobra.Command {
	o := shrinkOptions{Experiment: t.Experiment()}
	cmd := &cobra.Command{
		Use:   "shrink",
		Short: "Make a failure small",
		Long: `shrink runs a seed that fails, and leaves out time, faults, clients, nodes, disturbances and single
operations for as long as the same promise breaks. It writes what is left as a scenario file, which replay shows again.

With --report DIR it draws both: the page of the whole run and that of the small one lead to each other.

It stops when nothing more can be left out, when the budget is used up, or on Ctrl-C. The result is the smallest failure
so far.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(t.IO, cmd.Flags().Changed("seed")) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "the seed that fails; default: as the scenario says, or 1")
	o.addScenarioFlag(cmd)
	f.StringVar(&o.replay, "replay", "", "file or folder that --out kept, instead of a seed and a scenario")
	f.StringVar(&o.file, "file", "", "write the scenario to this file; default: out/shrink/SCENARIO-SEED.scenario")
	f.StringVar(&o.page, "report", "", "draw the whole run and the small one as HTML pages in this folder")
	f.DurationVar(&o.budget, "budget", time.Minute, "how long to search")
	f.DurationVar(&o.timeout, "seed-timeout", defaultSeedTimeout,
		"end a run that takes longer than this; it counts as lost")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worker processes")
	f.Lookup("jobs").DefValue = "the number of CPUs"
	f.DurationVar(&o.Duration, "duration", 0, "length of the safety phase; default: as the scenario says")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.CheckFlags(cmd) }
	return cmd
}

func (o *shrinkOptions) run(io IO, seedGiven bool) error {
	if o.jobs < 1 || o.budget <= 0 || o.timeout <= 0 {
		return errors.New("--jobs, --budget and --seed-timeout must be above zero")
	}
	if o.replay != "" {
		path, err := scenarioFile(o.replay)
		if err != nil {
			return err
		}
		o.Scenario = path
	}
	s, err := o.Load()
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
	ctx, stop := UntilSignal()
	defer stop()
	t := &tryers{tools: o.tools, program: program, timeout: o.timeout, workers: make([]*process.Process, o.jobs)}
	defer t.close()
	whole := sim.Draw(o.seed, s)
	small, way, first, last, err := o.search(ctx, io, t, whole)
	if err != nil {
		return err
	}
	if err := o.tell(io, small, way, first, last); err != nil || o.page == "" {
		return err
	}
	if way == wayLost {
		return errors.New("--report: a run that ends its process cannot be drawn")
	}
	return o.draw(io, &whole, &small)
}

// draw draws the whole run and the small one; each page leads to the other.
func (o *shrinkOptions) draw(io IO, whole, small *scenario.Scenario) error {
	const suffix = "-shrunk"
	pages := []*page{{drawn: whole}, {drawn: small, suffix: suffix, replay: o.replayShrunk()}}
	for _, p := range pages {
		p.recording = &sim.Recording{}
		var err error
		if p.result, err = o.tools.System().Run(sim.Options{Seed: p.drawn.Seed, Scenario: p.drawn, Commit: commit(),
			Record: p.recording}); err != nil {
			return err
		}
	}
	pages[0].other = drawing.Link{File: pages[1].file(), Text: "the same failure, made smaller"}
	pages[1].other = drawing.Link{File: pages[0].file(), Text: "the whole run"}
	for _, p := range pages {
		path, err := o.writeReport(o.page, p)
		if err != nil {
			return err
		}
		fmt.Fprintln(io.Out, "report:", path)
	}
	return nil
}

// replayShrunk is the command that runs the small scenario again.
func (o *shrinkOptions) replayShrunk() string {
	return fmt.Sprintf("%s replay %s", o.tools.App.program(), o.file)
}

// search shrinks a drawn scenario.
func (o *shrinkOptions) search(ctx context.Context, io IO, t *tryers,
	drawn scenario.Scenario) (small scenario.Scenario, way string, first, last shrink.Size, err error) {
	began := time.Now()
	whole := t.all([]scenario.Scenario{drawn})[0]
	if len(whole.Failures) == 0 {
		return small, "", first, last, fmt.Errorf("seed %d of %s does not fail: there is nothing to shrink", o.seed,
			o.Scenario)
	}
	way = whole.Failures[0]
	first = shrink.SizeOf(&drawn, whole.Begun, 1)
	small, last = shrink.Shrink(drawn, whole.Begun, shrink.Options{
		Batch:  o.jobs,
		Enough: func() bool { return time.Since(began) >= o.budget || ctx.Err() != nil },
		Test:   func(batch []scenario.Scenario) []shrink.Outcome { return outcomes(t.all(batch), way) },
		Progress: func(stage string, now shrink.Size) {
			fmt.Fprintf(io.Err, "%5.1fs %-10s %s\n", time.Since(began).Seconds(), stage, now)
		},
	})
	return small, way, first, last, nil
}

// Words that begin the lines with the sizes.
const (
	beforeWord = "before:"
	afterWord  = "after:"
)

// tell writes the file and reports its content.
func (o *shrinkOptions) tell(io IO, small scenario.Scenario, way string, first, last shrink.Size) error {
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
	fmt.Fprint(io.Out, text)
	fmt.Fprintf(io.Out, "\n%s %s\n%s  %s\nfails:  %s\nreplay: %s\n", beforeWord, first, afterWord, last,
		way, o.replayShrunk())
	return nil
}
