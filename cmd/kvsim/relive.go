package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/version"
	"kvs/node/recorder"
	"kvs/node/relive"
	"kvs/sim/report"
	"kvs/sim/simcmd"
)

type reliveOptions struct {
	report   string
	anyBuild bool
	steps    bool
}

func newReliveCommand(stdio simcmd.IO) *cobra.Command {
	var o reliveOptions
	cmd := &cobra.Command{
		Use:   "relive FILE",
		Short: "Run the core of a node again over what its flight recorder has kept",
		Long: `relive reads a recording (kvs debug record; - reads from stdin), makes the core of the node of the image
in it, and gives it again what it was given: the same times, inputs, reads and randomness. Each effect is compared with
the recorded one.

Exit codes: 0 all effects are the same, 1 one differs (the first is printed, both sides), 2 the recording cannot be
used. A recording of another build of kvs is refused: the message says which commit to build.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(stdio, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.report, "report", "", "draw the recording as one HTML page in this file")
	f.BoolVar(&o.anyBuild, "any-build", false,
		"take a recording of another commit, if the types of the state are the same: does this build decide the same?")
	f.BoolVar(&o.steps, "steps", false, "print each step: what came in, what was read, what was decided")
	return cmd
}

func (o *reliveOptions) run(stdio simcmd.IO, path string) error {
	var in io.Reader = stdio.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	built := version.Read()
	drawn := newDrawing()
	res, err := relive.Run(bufio.NewReaderSize(in, 1<<20), relive.Options{
		Build:    recorder.Build{Version: built.Version, Revision: built.Revision(), Toolchain: runtime.Version()},
		AnyBuild: o.anyBuild,
		Seen: func(s *relive.Seen) {
			if o.steps {
				writeStep(stdio.Out, s)
			}
			if o.report != "" {
				drawn.add(s)
			}
		},
	})
	if err != nil {
		return err
	}
	writeRelived(stdio.Out, res)
	if o.report != "" {
		if err := writeReport(o.report, drawn.run(res, "kvsim relive "+path)); err != nil {
			return err
		}
		fmt.Fprintf(stdio.Out, "report: %s\n", o.report)
	}
	if c := res.Head.Hashed; res.Differs != nil || c != nil && c.Differs {
		return simcmd.ErrBroken
	}
	return nil
}

func writeReport(path string, run *report.Run) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	return report.Write(f, run)
}

// writeRelived prints the result.
func writeRelived(w io.Writer, r *relive.Result) {
	h := r.Head
	fmt.Fprintf(w, "%s of cluster %s (%s), from %s to %s\n", h.Name, h.Cluster, h.Member, moment(h.Time.Wall),
		moment(r.Last.Wall))
	fmt.Fprintf(w, "relived %d steps with %d effects and %d reads, in %d segments, from %d images\n", r.Steps,
		r.Effects, r.Reads, r.Segments, r.Revived)
	if c := h.Hashed; c != nil {
		fmt.Fprintf(w, "the values are hashes; before they were replaced, %d steps with %d effects were the same\n",
			c.Steps, c.Effects)
		if c.Ended != "" {
			fmt.Fprintf(w, "the recording ends there, although more was recorded: %s\n", c.Ended)
		}
	}
	if r.Torn != nil {
		fmt.Fprintf(w, "the recording is not whole: %v\n", r.Torn)
	}
	switch {
	case r.Differs != nil:
		fmt.Fprintf(w, "DIFFERS at %s, %v\n", moment(r.Last.Wall), r.Differs)
	case r.Broke != "":
		fmt.Fprintf(w, "the last step panicked, then and now: %s\n", r.Broke)
	default:
		fmt.Fprintln(w, "every effect is the same")
	}
}

func moment(wall int64) string { return time.UnixMilli(wall).UTC().Format("2006-01-02T15:04:05.000Z") }

// writeStep prints one step.
func writeStep(w io.Writer, s *relive.Seen) {
	fmt.Fprintf(w, "%d %s %s\n", s.Step.Number, moment(s.Step.Time.Wall), recorder.Describe(s.Step.Input))
	for i := range s.Step.Reads {
		fmt.Fprintf(w, "    read %s\n", s.Step.Reads[i].String())
	}
	marks, err := recorder.Marks(recorder.AppendMarks(nil, s.Effects, recorder.Already{}))
	if err != nil {
		return // it has just been made.
	}
	seen := map[byte]int{}
	for _, m := range marks {
		fmt.Fprintf(w, "    %s\n", m.Text)
		if more := recorder.DescribeEffect(s.Effects, m.Kind, seen[m.Kind]); more != "" {
			fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(more, "\n", "\n        "))
		}
		seen[m.Kind]++
	}
}
