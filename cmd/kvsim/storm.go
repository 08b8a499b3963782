package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"kvs/integration_test/storm"
	"kvs/sim/simcmd"
)

func newStormCommand(io simcmd.IO) *cobra.Command {
	var o storm.Options
	var output string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "storm",
		Short: "Attack real nodes with everything at once, and look for each acknowledged write",
		Long: `storm starts real processes and attacks them with everything that happens in production, at once and
drawn from a seed: kill -9, SIGSTOP, full disks, floods of connections, slow and greedy clients, clocks that jump, cut
networks, members that are replaced. Writers at all levels record what was acknowledged; at the end each of these writes
is looked for at each member. Memory, disk, goroutines and descriptors of each process must stay within bounds
throughout. Full disks need root, for a file system of each node's own.

It ends with one line of figures. A seed repeats the order of the faults, and not the run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %q: want text or json", output)
			}
			if !quiet {
				o.Say = func(line string) { fmt.Fprintf(io.Err, "%s %s\n", time.Now().Format("15:04:05"), line) }
			}
			if o.Dir == "" {
				dir, err := os.MkdirTemp("", "kvs-storm-")
				if err != nil {
					return err
				}
				o.Dir = dir
			}
			return runStorm(cmd.Context(), io, o, output == "json")
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.Program, "kvs", "bin/kvs", "the program to attack")
	fl.StringVar(&o.Dir, "dir", "", "folder for configurations, data and logs, which stay there (default: a new one)")
	fl.IntVar(&o.Nodes, "nodes", 5, "processes")
	fl.Uint64Var(&o.Seed, "seed", 1, "number that determines the faults")
	fl.DurationVar(&o.Duration, "duration", 3*time.Minute, "how long the storm lasts")
	fl.StringVarP(&output, "output", "o", "text", "output format: text or json")
	fl.BoolVarP(&quiet, "quiet", "q", false, "say nothing before the end")
	return cmd
}

func runStorm(ctx context.Context, io simcmd.IO, o storm.Options, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, endSignals...)
	defer stop()
	f, err := storm.Run(ctx, o)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w; the nodes' files are in %s", simcmd.ErrInterrupted, o.Dir)
	case f == nil || err != nil && len(f.Problems) == 0:
		return fmt.Errorf("%w; the nodes' files are in %s", err, o.Dir)
	case asJSON:
		text, failed := json.Marshal(f)
		if failed != nil {
			return failed
		}
		fmt.Fprintf(io.Out, "%s\n", text)
	default:
		fmt.Fprintln(io.Out, f)
	}
	if err != nil {
		fmt.Fprintf(io.Err, "kvsim: %v; the nodes' files are in %s\n", err, o.Dir)
		return simcmd.ErrBroken
	}
	return nil
}
