package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/sim/simcmd"
)

func newServiceCommand(io simcmd.IO) *cobra.Command {
	return &cobra.Command{
		Use:   "service FILE",
		Short: "How each node served its clients between the faults of a saved history",
		Long: `service reads a history in JSON lines, from the simulator or from real nodes (kvsim run --out, kvsim
live --history; - reads from stdin), and prints for each stretch between two moments of its fault
plan how each node served the clients that asked it: how their operations ended, the slowest of
them, and the longest time without a success. The scenario node-killed is made for it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return serviceOf(io, args[0]) },
	}
}

func serviceOf(stdio simcmd.IO, path string) error {
	var in io.Reader = stdio.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	h, err := linearize.Read(in)
	if err != nil {
		return err
	}
	plan, err := chaos.ParsePlan(h.Plan)
	if err != nil {
		return fmt.Errorf("the plan in the history: %w", err)
	}
	return writeService(stdio.Out, h, plan)
}

// writeService prints a table with a line for each node and each stretch between two moments of the plan.
func writeService(out io.Writer, h *linearize.History, plan chaos.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "from\tto\tnode\tok\tfail\tunknown\tslowest ms\tgap ms\t  after")
	from, what := time.Duration(0), "the start"
	stretch := func(to time.Duration) {
		if to <= from {
			return
		}
		for _, n := range linearize.Service(h, int64(from), int64(to)) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%.1f\t%.1f\t  %s\n", inSeconds(from), inSeconds(to), n.Node, n.OK,
				n.Fail, n.Unknown, inMillis(n.Slowest), inMillis(n.Gap), what)
		}
		from, what = to, ""
	}
	for _, e := range plan.Events {
		stretch(e.At)
		if what != "" {
			what += ", "
		}
		what += e.Fault.String()
	}
	stretch(lastMoment(h))
	return w.Flush()
}

// lastMoment is when the last operation began: after it no operation waits.
func lastMoment(h *linearize.History) time.Duration {
	last := int64(0)
	for i := range h.Ops {
		last = max(last, h.Ops[i].Invoke)
	}
	return time.Duration(last)
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
func inMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
