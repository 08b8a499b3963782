package simcmd

import (
	"bufio"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"kvs/sim"
	"kvs/sim/scenario"
)

type tracesOptions struct {
	tools     *Tools
	scenarios []string
	seeds     string
	jobs      int
}

func (t *Tools) newTracesCommand() *cobra.Command {
	o := tracesOptions{tools: t}
	cmd := &cobra.Command{
		Use:   "traces",
		Short: "Print the trace hash of each seed of each scenario",
		Long: `traces runs the same seeds of many scenarios and prints one line for each run: the scenario, the seed,
the verdict and the trace hash. Two builds that print the same lines behave the same, to the last byte of each message
and record: compare the lines before and after a refactoring (make traces BASE=REVISION does).`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(t.IO) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.scenarios, "scenario", nil, "names of scenarios; default: all of them")
	f.StringVar(&o.seeds, "seeds", "1..5", "the seeds of each scenario, as first..last")
	f.IntVar(&o.jobs, "jobs", 2, "runs at once")
	return cmd
}

func (o *tracesOptions) run(io IO) error {
	first, last, err := parseSeeds(o.seeds)
	if err != nil {
		return err
	}
	if o.jobs < 1 {
		return fmt.Errorf("--jobs %d: want 1 or more", o.jobs)
	}
	names, library := o.scenarios, o.tools.System().Scenarios
	if len(names) == 0 {
		names = library.Names()
	}
	out := bufio.NewWriter(io.Out)
	for _, name := range names {
		s, err := library.Load(name)
		if err != nil {
			return err
		}
		if err := o.scenario(out, name, s, first, last); err != nil {
			return err
		}
	}
	return out.Flush()
}

// scenario runs the seeds of one scenario, o.jobs at once, and prints their lines in the order of the seeds.
func (o *tracesOptions) scenario(out io.Writer, name string, s scenario.Scenario, first, last uint64) error {
	lines, errs := make([]string, last-first+1), make([]error, o.jobs)
	var wg sync.WaitGroup
	for job := range o.jobs {
		wg.Go(func() {
			for at := uint64(job); at < uint64(len(lines)) && errs[job] == nil; at += uint64(o.jobs) {
				drawn := sim.Draw(first+at, s)
				res, err := o.tools.System().Run(sim.Options{Seed: first + at, Scenario: &drawn})
				if err != nil {
					errs[job] = err
					return
				}
				lines[at] = fmt.Sprintf("%s %d %s %s", name, first+at, res.Verdict(), res.Trace)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
	}
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return nil
}
