package main

import (
	"encoding/json"
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
	format := "text"
	cmd := &cobra.Command{
		Use:   "service FILE",
		Short: "How each node served its clients between the faults of a saved history",
		Long: `service reads a history in JSON lines, from the simulator or from real nodes (kvsim run --out, kvsim
live --history; - reads from stdin), and prints for each stretch between two moments of its fault
plan how each node served the clients that asked it: how their operations ended, the slowest of
them, and the longest time without a success. The scenario node-killed is made for it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch format {
			case "text":
				return serviceOf(io, args[0], writeService)
			case "json":
				return serviceOf(io, args[0], writeServiceJSON)
			}
			return fmt.Errorf("--output %q: use text or json", format)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", format, "output format: text or json")
	return cmd
}

func serviceOf(stdio simcmd.IO, path string, write func(io.Writer, *linearize.History, chaos.Plan) error) error {
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
	return write(stdio.Out, h, plan)
}

// served is how a node served between two moments of the plan: one line of the table. Times are since the start.
type served struct {
	FromMillis    float64 `json:"from_ms"`
	ToMillis      float64 `json:"to_ms"`
	Node          string  `json:"node"`
	OK            int     `json:"ok"`
	Fail          int     `json:"fail"`
	Unknown       int     `json:"unknown"`
	SlowestMillis float64 `json:"slowest_ms"`
	GapMillis     float64 `json:"gap_ms"` // the longest time without a success.
	After         string  `json:"after"`  // what happened at the beginning.
}

// stretches are the lines for each node and each stretch between two moments of the plan.
func stretches(h *linearize.History, plan chaos.Plan) []served {
	all := []served{}
	from, what := time.Duration(0), "the start"
	stretch := func(to time.Duration) {
		if to <= from {
			return
		}
		for _, n := range linearize.Service(h, int64(from), int64(to)) {
			all = append(all, served{inMillis(from), inMillis(to), n.Node, n.OK, n.Fail, n.Unknown,
				inMillis(n.Slowest), inMillis(n.Gap), what})
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
	return all
}

// writeService prints a table.
func writeService(out io.Writer, h *linearize.History, plan chaos.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "from\tto\tnode\tok\tfail\tunknown\tslowest ms\tgap ms\t  after")
	for _, s := range stretches(h, plan) {
		fmt.Fprintf(w, "%.1fs\t%.1fs\t%s\t%d\t%d\t%d\t%.1f\t%.1f\t  %s\n", s.FromMillis/1000, s.ToMillis/1000, s.Node,
			s.OK, s.Fail, s.Unknown, s.SlowestMillis, s.GapMillis, s.After)
	}
	return w.Flush()
}

// writeServiceJSON prints the lines of the table as an array.
func writeServiceJSON(out io.Writer, h *linearize.History, plan chaos.Plan) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(stretches(h, plan))
}

// lastMoment is when the last operation began: after it no operation waits.
func lastMoment(h *linearize.History) time.Duration {
	last := int64(0)
	for i := range h.Ops {
		last = max(last, h.Ops[i].Invoke)
	}
	return time.Duration(last)
}

func inMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
