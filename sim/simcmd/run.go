package simcmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/simcmd/document"
)

type runOptions struct {
	Experiment
	seed  uint64
	trace string
	page  string // folder for the page that shows the run; empty: none.
	quiet bool
	output
}

func (t *Tools) newRunCommand() *cobra.Command {
	o := runOptions{Experiment: t.Experiment()}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run one seed",
		Long: "run runs one seed. It prints what the seed drew, then what broke and the command that repeats it, " +
			"then one line for scripts.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(t.IO, cmd.Flags().Changed("seed"))
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "number that determines the run; default: that of the scenario, or 1")
	o.addScenarioFlag(cmd)
	f.StringVar(&o.trace, "trace", "", "write everything that happens to this file, one line each")
	f.StringVar(&o.page, "report", "", "draw the run as one HTML page in this folder")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but failures and the last line")
	o.addFlags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.CheckFlags(cmd) }
	o.output.addFlag(cmd)
	return cmd
}

// addScenarioFlag adds the flag that names the scenario.
func (e *Experiment) addScenarioFlag(cmd *cobra.Command) {
	usual := ""
	if len(e.tools.App.Systems) == 1 { // else the system is not chosen yet: see Load.
		usual = e.tools.System().DefaultScenario()
	}
	cmd.Flags().StringVar(&e.Scenario, "scenario", usual,
		fmt.Sprintf("name of a scenario (see %s scenarios), or the path of a file", e.tools.App.program()))
	e.tools.completeScenarios(cmd, "scenario")
}

// addFlags adds those of every command that runs seeds.
func (e *Experiment) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&e.Duration, "duration", 0, "length of the safety phase; default: as the scenario says")
	f.BoolVar(&e.Verify, "verify", false, "run each seed twice and compare the trace hashes")
	f.StringVar(&e.Out, "out", "",
		"folder for the scenario, the history and the report (soak: of failures only); default: none are kept")
	f.StringVar(&e.mutant, "mutant", "", "the bug that was planted in this program, for the replay command")
	_ = f.MarkHidden("mutant")
}

func (o *runOptions) run(io IO, seedGiven bool) error {
	s, err := o.Load()
	if err != nil {
		return err
	}
	if !seedGiven && s.Seed != 0 {
		o.seed = s.Seed
	}
	if !o.quiet && !o.json() {
		drawn := sim.Draw(o.seed, s)
		fmt.Fprintln(io.Out, drawn.String()) // before the run, so that it is printed even if the run crashes.
	}
	trace, closeTrace, err := openTrace(o.trace)
	if err != nil {
		return err
	}
	var rec *sim.Recording
	if o.page != "" {
		rec = &sim.Recording{}
	}
	drawn, res, err := o.Run(s, o.seed, trace, rec)
	if err := errors.Join(err, closeTrace()); err != nil {
		return err
	}
	if err := o.tell(io, &drawn, res, rec); err != nil {
		return err
	}
	if drawn.Disk.Walk && res.Faults == 0 {
		fmt.Fprintln(io.Err, "nothing crashed: the run ended before the persist that the seed stands for;",
			o.tools.App.program(), "soak --seeds walk runs all that there are")
	}
	if len(res.Violations) > 0 {
		return ErrBroken
	}
	return nil
}

// tell keeps the files that were asked for, and prints the result.
func (o *runOptions) tell(io IO, drawn *scenario.Scenario, res *sim.Result, rec *sim.Recording) (err error) {
	if len(res.Violations) > 0 && !o.json() {
		fmt.Fprint(io.Out, o.explain(res))
	}
	told := document.NewRun(o.tools.System().System, res)
	told.Replay, told.Drawn = o.replayCommand(res.Seed), drawn.String()
	if o.Out != "" {
		if told.Kept, err = o.keep(*drawn, res); err != nil {
			return err
		}
	}
	if o.page != "" {
		if told.Report, err = o.writeReport(o.page, &page{drawn: drawn, result: res, recording: rec}); err != nil {
			return err
		}
	}
	if o.json() {
		return document.Print(io.Out, told)
	}
	if told.Kept != "" {
		fmt.Fprintln(io.Out, "kept in:", told.Kept)
	}
	if told.Report != "" {
		fmt.Fprintln(io.Out, "report:", told.Report)
	}
	fmt.Fprintln(io.Out, res)
	return nil
}

// openTrace returns the writer of trace lines; nil when no file is named.
func openTrace(path string) (line func(string), done func() error, err error) {
	if path == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, nil, fmt.Errorf("trace: %w; choose another file with --trace", err)
	}
	b := bufio.NewWriterSize(f, 1<<20)
	line = func(s string) {
		b.WriteString(s) // an error stays in b until Flush returns it.
		b.WriteByte('\n')
	}
	return line, func() error { return errors.Join(b.Flush(), f.Close()) }, nil
}

func writeHistory(w io.Writer, res *sim.Result) error { return linearize.Write(w, res.History) }
