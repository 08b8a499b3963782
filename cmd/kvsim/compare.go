package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	containers "kvs/chaos/docker"
	processes "kvs/chaos/process"
	"kvs/scenarios"
	"kvs/scenarios/live"
	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

const worldSim = "sim"

// The table stands between these lines of a file.
const (
	tableBegin = "<!-- table: kvsim compare -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

type compareOptions struct {
	liveOptions
	names, worlds []string
	update        string
}

func newCompareCommand(t *simcmd.Tools) *cobra.Command {
	o := compareOptions{liveOptions: liveOptions{Experiment: t.Experiment()}}
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Run scenarios in the simulator and on real nodes, and print a table",
		Long: `compare runs the same scenarios with the same seed in the simulator, on processes and in Docker
containers, and prints a table for documents: operations, verdicts, and how long the members took to agree once
everything was healed.

The times of real nodes include delays of the machine: use a machine without other work. Without
--scenario it takes every scenario that containers can run.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(t.IO) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.names, "scenario", nil, "names of the scenarios; default: all that real nodes can run")
	f.StringSliceVar(&o.worlds, "world", []string{worldSim, targetProcess, targetDocker}, "sim, process, docker")
	f.Uint64Var(&o.seed, "seed", 1, "number that determines the workload")
	f.DurationVar(&o.Duration, "duration", 0, "how long the clients work; default: that of each scenario")
	f.StringVar(&o.program, "kvs", "bin/kvs", "the kvs program that process and docker start")
	f.StringVar(&o.dockerfile, "dockerfile", "Dockerfile", "the Dockerfile of the image")
	f.StringVar(&o.Out, "out", "out/live", "folder for the files of a failure")
	f.StringVar(&o.update, "update", "", "replace the table in this file instead of printing it")
	return cmd
}

func (o *compareOptions) run(io simcmd.IO) error {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	for _, w := range o.worlds {
		if w != worldSim && isEndpoints(w) {
			return fmt.Errorf("world %q: use sim, process, docker", w)
		}
	}
	if len(o.names) == 0 {
		o.names = realNames()
	}
	var b strings.Builder
	b.WriteString("| scenario | faults |")
	for _, w := range o.worlds {
		fmt.Fprintf(&b, " %s: operations | verdict | agreed after |", w)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|---|---|", len(o.worlds)) + "\n")
	broken := false
	for _, name := range o.names {
		o.Scenario = name
		row, ok, err := o.row(ctx, io)
		if err != nil {
			return err
		}
		broken = broken || !ok
		b.WriteString(row)
	}
	if err := o.publish(io, b.String()); err != nil {
		return err
	}
	if broken {
		return simcmd.ErrBroken
	}
	return nil
}

// row runs one scenario in all worlds.
func (o *compareOptions) row(ctx context.Context, io simcmd.IO) (row string, ok bool, err error) {
	s, err := o.Load()
	if err != nil {
		return "", false, err
	}
	ok = true
	var b strings.Builder
	fmt.Fprintf(&b, "| `%s` | %d |", s.Name, len(sim.Draw(o.seed, s).Plan.Events))
	for _, w := range o.worlds {
		fmt.Fprintf(io.Err, "compare: %s in %s\n", s.Name, w)
		operations, verdict, settled := 0, "", time.Duration(-1)
		if w == worldSim {
			_, res, err := o.Experiment.Run(s, o.seed, nil, nil)
			if err != nil {
				return "", false, err
			}
			operations, verdict = res.Operations, res.Verdict()
			if res.Settled {
				settled = res.SettledIn
			}
		} else {
			if why := refusal(sim.Draw(o.seed, s), w); why != "" {
				fmt.Fprintf(&b, " - | %s | - |", why)
				continue
			}
			o.target = w
			_, res, kept, err := o.liveOptions.live(ctx, s, func(line string) { fmt.Fprintln(io.Err, "live:", line) })
			if kept != "" {
				fmt.Fprintln(io.Err, "kept in:", kept)
			}
			if err != nil {
				return "", false, err
			}
			operations, verdict = res.Operations, res.Verdict()
			if res.Settled {
				settled = res.SettledIn
			}
		}
		ok = ok && verdict == "ok"
		fmt.Fprintf(&b, " %d | %s | %s |", operations, verdict, agreedAfter(settled))
	}
	return b.String() + "\n", ok, nil
}

func agreedAfter(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// refusal is why a world cannot run a drawn scenario, in a few words; empty: it can.
func refusal(s scenario.Scenario, world string) string {
	supports := containers.Supports
	switch {
	case world == targetProcess:
		supports = processes.Supports
	case isEndpoints(world):
		supports = remote{}.Supports
		if why, _, _ := strings.Cut(live.OnlyStarted(&s), ":"); why != "" {
			return "no " + why
		}
	}
	if s.Network.Duplicate != 0 || s.Network.Reorder != 0 || s.Network.Corrupt != 0 {
		return "no duplicate, reorder or corrupt"
	}
	if why, _, _ := strings.Cut(live.OnlySimulated(&s), ":"); why != "" {
		return "no " + why
	}
	for _, e := range s.Plan.Events {
		if !supports(e.Kind) {
			return "no " + e.Kind.String()
		}
	}
	return ""
}

// realNames are the scenarios of this program that a real world can run, except swarms: their seeds differ too much to
// compare.
func realNames() (names []string) {
	for _, name := range scenarios.Names() {
		s, err := scenarios.Load(name)
		if err == nil && s.Drawn() && refusal(s, targetDocker) == "" {
			names = append(names, name)
		}
	}
	return names
}

// publish prints the table, or puts it into its place in a file.
func (o *compareOptions) publish(io simcmd.IO, table string) error {
	if o.update == "" {
		_, err := fmt.Fprint(io.Out, table)
		return err
	}
	text, err := os.ReadFile(o.update)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table: write the lines %q and %q", o.update,
			strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(o.update, []byte(before+tableBegin+"\n"+table+"\n"+tableEnd+after), 0o644)
}
