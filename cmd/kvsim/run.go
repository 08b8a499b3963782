package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/sim"
)

type runOptions struct {
	experiment
	seed  uint64
	trace string
	page  string // folder for the page that shows the run; empty: none.
	quiet bool
}

func newRunCommand(io stdio) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Live one seed",
		Long:  "run lives one seed: it prints what the seed drew, then what broke and the command that shows it again, then one line for scripts.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(io, cmd.Flags().Changed("seed"))
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "number that draws everything; default: that of the scenario, or 1")
	f.StringVar(&o.scenario, "scenario", "swarm", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.StringVar(&o.trace, "trace", "", "write everything that happens to this file, one line each")
	f.StringVar(&o.page, "report", "", "draw the run as one HTML page in this folder")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but failures and the last line")
	o.addFlags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.checkFlags(cmd) }
	return cmd
}

// addFlags adds those of every command that lives seeds.
func (e *experiment) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&e.duration, "duration", 0, "length of the safety phase; default: that of the scenario")
	f.BoolVar(&e.verify, "verify", false, "live each seed twice and compare the trace hashes")
	f.StringVar(&e.out, "out", "", "folder for the scenario, the history and the report (soak: of failures only); default: none are kept")
}

func (o *runOptions) run(io stdio, seedGiven bool) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	if !seedGiven && s.Seed != 0 {
		o.seed = s.Seed
	}
	if !o.quiet {
		drawn := sim.Draw(o.seed, s)
		fmt.Fprintln(io.out, drawn.String()) // before the run, so that it is there even if the run ends badly.
	}
	trace, closeTrace, err := openTrace(o.trace)
	if err != nil {
		return err
	}
	var rec *sim.Recording
	if o.page != "" {
		rec = &sim.Recording{}
	}
	drawn, res, err := o.live(s, o.seed, trace, rec)
	if err := errors.Join(err, closeTrace()); err != nil {
		return err
	}
	broken := len(res.Violations) > 0
	if broken {
		fmt.Fprint(io.out, o.explain(res))
	}
	if o.out != "" {
		dir, err := o.keep(drawn, res)
		if err != nil {
			return err
		}
		fmt.Fprintln(io.out, "kept in:", dir)
	}
	if o.page != "" {
		path, err := o.writeReport(o.page, &drawn, res, rec)
		if err != nil {
			return err
		}
		fmt.Fprintln(io.out, "report:", path)
	}
	fmt.Fprintln(io.out, res)
	if drawn.Disk.Walk && res.Faults == 0 {
		fmt.Fprintln(io.err, "nothing crashed: the run ended before the persist that the seed stands for; kvsim soak --seeds walk lives all that there are")
	}
	if broken {
		return errBroken
	}
	return nil
}

// openTrace returns what takes trace lines; nil when no file is named.
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
