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

func newCompareCommand(io stdio) *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Run scenarios in the simulator and on real nodes, and print a table",
		Long: `compare lives the same scenarios with the same seed in the simulator, on processes and in Docker containers, and prints a
table for documents: operations, verdicts, and how long the members took to agree once everything was healed.

The times of real nodes include the last faults' aftermath that the machine adds: use a machine that has nothing else to do. Without
--scenario it takes every scenario that containers can live.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(io) },
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.names, "scenario", nil, "names of the scenarios; default: all that real nodes can live")
	f.StringSliceVar(&o.worlds, "world", []string{worldSim, targetProcess, targetDocker}, "sim, process, docker")
	f.Uint64Var(&o.seed, "seed", 1, "number that draws the workload")
	f.DurationVar(&o.duration, "duration", 0, "how long the clients work; default: that of each scenario")
	f.StringVar(&o.program, "kvs", "bin/kvs", "the kvs program that process and docker start")
	f.StringVar(&o.dockerfile, "dockerfile", "Dockerfile", "what docker makes an image with")
	f.StringVar(&o.out, "out", "out/live", "folder for what a failure leaves behind")
	f.StringVar(&o.update, "update", "", "replace the table in this file instead of printing it")
	return cmd
}

func (o *compareOptions) run(io stdio) error {
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
		o.scenario = name
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
		return errBroken
	}
	return nil
}

// row lives one scenario in all worlds.
func (o *compareOptions) row(ctx context.Context, io stdio) (row string, ok bool, err error) {
	s, err := o.load()
	if err != nil {
		return "", false, err
	}
	ok = true
	var b strings.Builder
	fmt.Fprintf(&b, "| `%s` | %d |", s.Name, len(sim.Draw(o.seed, s).Plan.Events))
	for _, w := range o.worlds {
		fmt.Fprintf(io.err, "compare: %s in %s\n", s.Name, w)
		operations, verdict, settled := 0, "", time.Duration(-1)
		if w == worldSim {
			_, res, err := o.experiment.live(s, o.seed, nil, nil)
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
			_, res, kept, err := o.liveOptions.live(ctx, s, func(line string) { fmt.Fprintln(io.err, "live:", line) })
			if kept != "" {
				fmt.Fprintln(io.err, "kept in:", kept)
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

// refusal says in a few words why a world cannot live a drawn scenario; empty: it can.
func refusal(s scenarios.Scenario, world string) string {
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

// realNames are the scenarios of this program that some real world can live, but swarms: their seeds differ too much to compare.
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
func (o *compareOptions) publish(io stdio, table string) error {
	if o.update == "" {
		_, err := fmt.Fprint(io.out, table)
		return err
	}
	text, err := os.ReadFile(o.update)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table: write the lines %q and %q", o.update, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return os.WriteFile(o.update, []byte(before+tableBegin+"\n"+table+"\n"+tableEnd+after), 0o644)
}
