package simcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/linearize/foreign"
	"kvs/sim/simcmd/document"
)

type checkOptions struct {
	linearize.Options
	model, promise, html string
	from, failedCAS      string
	memory               int64 // MiB.
	timeout              time.Duration
	output
}

func (t *Tools) newCheckCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Judge a saved history",
		Long: `check judges a history in JSON lines, from the simulator or from a real cluster; - reads from stdin. The
format is described in docs/reference/histories.md. --from reads the histories of others: jepsen, a history.edn with the
operations of a register, a set, a queue or a list; porcupine, the logs among its tests. Event n of such a file
counts as happening at n ns.

It judges what the header of the history promises: that the paths are linearizable; or, for a planted fault, that
they are not; or, for a run at another level of consistency, that every value that was seen had been written. A
header without promises, as in old files, counts as a promise that all paths are linearizable.
--promise asks for something else.

Violations are printed when they are found, then the verdict and a table of the keys. Ctrl-C ends the search: keys
that are not judged by then are undecided.

Exit codes: 0 the promise holds, 1 it does not, or is undecided, 2 the history cannot be read, or has nothing to
judge.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(t.IO, args[0], cmd.Flags().Changed("prefix"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.promise, "promise", "header",
		"the promise to judge: linearizable, not-linearizable, known-values, or header: that of the file's header")
	f.StringVar(&o.model, "model", "", "model of each path: "+modelNames()+"; default: that of the header")
	f.StringVar(&o.from, "from", "", "format of the file: jepsen or porcupine; default: the format of kvsim")
	f.StringVar(&o.failedCAS, "failed-cas", "",
		"with --from, what a failed compare-and-set means: condition-false or not-happened; "+
			"default: not-happened for jepsen, condition-false for porcupine")
	f.Int64Var(&o.Work, "work", linearize.WorkDefault, "most steps of the search for one key; then it is undecided")
	f.Int64Var(&o.memory, "memory", linearize.MemoryBytesDefault>>20,
		"most MiB of the search for one key; then it is undecided")
	f.DurationVar(&o.timeout, "timeout", 0, "interrupt the search after this time; 0: never")
	f.StringSliceVar(&o.Levels, "level", nil, "judge only these consistency levels; default: all")
	f.StringVar(&o.Prefix, "prefix", "", "judge only paths that begin with it; default: that of the header")
	f.StringVar(&o.html, "html", "",
		"write a page with the operations of the key that matters to this file, unless all is well")
	o.output.addFlag(cmd)
	return cmd
}

// modelNames lists the models for people.
func modelNames() string {
	var names []string
	for _, m := range linearize.Models() {
		names = append(names, m.Name())
	}
	return strings.Join(names, ", ")
}

func (o *checkOptions) run(stdio IO, path string, prefixGiven bool) error {
	if err := o.complete(); err != nil {
		return err
	}
	h, err := o.read(stdio, path)
	if err != nil {
		return err
	}
	want, err := o.choose(h, prefixGiven, stdio.Err)
	if err != nil {
		return err
	}
	for _, level := range o.Levels { // where no level of them is there, that is an error.
		if !slices.ContainsFunc(h.Ops, func(op linearize.Op) bool { return op.Level == level }) {
			fmt.Fprintf(stdio.Err, "check: --level: no operation of this history is at the level %q\n", level)
		}
	}
	ctx, done := UntilSignal()
	defer done()
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	p := newJudging(stdio, o.json())
	o.Stop = func() bool { p.tick(); return ctx.Err() != nil }
	o.Judged = p.judged
	res := linearize.Check(h, o.Options)
	p.end()
	if res.Problem != "" {
		return fmt.Errorf("%s: this is not a valid history: %s", path, res.Problem)
	}
	if res.Nothing != "" {
		return fmt.Errorf("%s: nothing was judged: %s", path, res.Nothing)
	}
	return o.report(stdio, h, res, want)
}

// complete makes the options of the judge of the flags.
func (o *checkOptions) complete() error {
	switch {
	case o.Work <= 0:
		return fmt.Errorf("--work %d: must be above 0", o.Work)
	case o.memory <= 0 || o.memory > 1<<40:
		return fmt.Errorf("--memory %d: must be above 0, in MiB", o.memory)
	case o.timeout < 0:
		return fmt.Errorf("--timeout %s: must not be negative; 0 means that there is none", o.timeout)
	}
	if o.failedCAS != "" && o.from == "" {
		return errors.New(
			"--failed-cas is about other formats: in a history of kvsim each operation says it itself; use it " +
				"with --from")
	}
	o.MemoryBytes = o.memory << 20
	if o.model != "" {
		var err error
		if o.Model, err = linearize.ModelByName(o.model); err != nil {
			return fmt.Errorf("--model: %w", err)
		}
	}
	return nil
}

func (o *checkOptions) read(stdio IO, path string) (*linearize.History, error) {
	var in io.Reader = stdio.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	if o.from != "" {
		return foreign.Read(in,
			foreign.Options{Format: foreign.Format(o.from), FailedCAS: foreign.FailedCAS(o.failedCAS)})
	}
	h, err := linearize.Read(in)
	if err == nil && h.Format == 1 {
		fmt.Fprintln(stdio.Err,
			"check: a history of format 1 does not end with the number of its operations: lost lines at its end "+
				"go unnoticed")
	}
	return h, err
}

// choose returns the promise to judge, and its paths.
func (o *checkOptions) choose(
	h *linearize.History, prefixGiven bool, commentary io.Writer,
) (want linearize.Expectation, err error) {
	want, prefix := h.Expects()
	if o.promise != "header" {
		for _, want = range []linearize.Expectation{
			linearize.ExpectLinearizable, linearize.ExpectViolation, linearize.ExpectKnownValues,
		} {
			if want.String() == o.promise {
				break
			}
		}
		if want.String() != o.promise {
			return 0, fmt.Errorf("--promise %q: use header, linearizable, not-linearizable or known-values", o.promise)
		}
		prefix = ""
	} else if len(h.Promises) > 0 {
		fmt.Fprintf(commentary, "check: judging what the header promises: %s%s\n", inWords[want], ofPaths(prefix))
	}
	if !prefixGiven {
		o.Prefix = prefix
	}
	o.KnownValues = want == linearize.ExpectKnownValues
	return want, nil
}

var inWords = map[linearize.Expectation]string{
	linearize.ExpectLinearizable: "that it is linearizable",
	linearize.ExpectViolation:    "that it is not linearizable",
	linearize.ExpectKnownValues: "not that it is linearizable, so only that every value that was seen had " +
		"been written",
}

func ofPaths(prefix string) string {
	if prefix == "" {
		return ""
	}
	return fmt.Sprintf(", on paths that begin with %q", prefix)
}

// report prints the verdict, and returns ErrBroken if it is not the expected one.
func (o *checkOptions) report(
	stdio IO, h *linearize.History, res *linearize.Result, want linearize.Expectation,
) error {
	met := want.Met(res.Verdict)
	tags := linearize.Tags(h, o.Prefix)
	if o.json() {
		if err := document.Print(stdio.Out, document.NewCheck(res, tags, want, met)); err != nil {
			return err
		}
		stdio.Out = io.Discard
	}
	if err := res.WriteReport(stdio.Out); err != nil {
		return err
	}
	for _, ev := range tags {
		fmt.Fprintf(stdio.Out, "contradicting versions, which are no part of the verdict: %s\n", ev.Text)
	}
	if o.html != "" {
		if err := o.page(stdio.Err, res); err != nil {
			return err
		}
	}
	switch {
	case met:
		if want == linearize.ExpectViolation {
			fmt.Fprintln(stdio.Out, "ok: a violation was promised")
		}
		return nil
	case want == linearize.ExpectViolation:
		fmt.Fprintln(stdio.Out, "broken: a violation was promised")
	}
	return ErrBroken
}

// page writes the page of --html. A verdict that leaves nothing to draw is no error, and leaves no file.
func (o *checkOptions) page(commentary io.Writer, res *linearize.Result) error {
	var page bytes.Buffer
	switch err := res.WriteHTML(&page); {
	case errors.Is(err, linearize.ErrNoPicture):
		_, err := fmt.Fprintf(commentary, "check: %s is not written: %s\n", o.html, err)
		return err
	case err != nil:
		return fmt.Errorf("write %s: %w", o.html, err)
	}
	return os.WriteFile(o.html, page.Bytes(), 0o666)
}
