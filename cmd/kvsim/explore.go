package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/sim/explore"
)

type exploreOptions struct {
	list           bool
	scope          string
	nodes          int
	ops            []string
	crashes, ticks int
	victims        []int
	depth          int
	limit          time.Duration
	replay         string
}

func newExploreCommand(io stdio) *cobra.Command {
	var o exploreOptions
	cmd := &cobra.Command{
		Use:   "explore",
		Short: "Live every order of events of a few operations, in a small cluster",
		Long: `explore walks through all orders in which the messages of a few linearizable operations can arrive, with crashes at any point if
the scope has them: not drawn, but all of them, down to states that were met before. Every end is judged: the history has to be
linearizable, reads at all nodes at the end included.

It says how many different states there were and whether those are all. A broken promise is shown step by step, with a schedule that
--replay lives again.

  kvsim explore --list
  kvsim explore --scope two-creates
  kvsim explore --ops put@1,get@2,+get@3 --crashes 1 --victims 3 --limit 5m

An operation is get, put, delete or create (a put that wants nothing to be there), and the node it is sent to; + sends it after the answer
to the one before.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(io, cmd.Flags().Changed("ops")) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.list, "list", false, "print the named scopes, and do nothing")
	f.StringVar(&o.scope, "scope", "two-writers", "name of the scope")
	f.StringSliceVar(&o.ops, "ops", nil, "a scope of your own: operations such as put@1,+get@2")
	f.IntVar(&o.nodes, "nodes", 3, "with --ops: members, all of them voters")
	f.IntVar(&o.crashes, "crashes", 0, "with --ops: crashes in one execution")
	f.IntVar(&o.ticks, "ticks", 0, "with --ops: how often a node gets tired of waiting in one execution")
	f.IntSliceVar(&o.victims, "victims", nil, "with --ops: the nodes that crash, and whose fsyncs take their time")
	f.IntVar(&o.depth, "depth", 0, "most events of one execution; 0: no bound")
	f.DurationVar(&o.limit, "limit", time.Minute, "real time after which the search ends unfinished; 0: never")
	f.StringVar(&o.replay, "replay", "", "live this schedule, and tell what happens")
	return cmd
}

func (o *exploreOptions) run(io stdio, ownOps bool) error {
	if o.list {
		return listScopes(io)
	}
	s, err := explore.Find(o.scope)
	if ownOps {
		s, err = o.ownScope()
	}
	if err != nil {
		return err
	}
	if o.replay != "" {
		return replaySchedule(io, &s, o.replay)
	}
	begin, told := time.Now(), time.Now()
	res, err := explore.Search(&s, explore.Options{DepthMax: o.depth, Go: func(r *explore.Result) bool {
		if time.Since(told) >= time.Second {
			told = time.Now()
			fmt.Fprintf(io.err, "\r%d states, depth %d, %s ", r.States, r.Depth, time.Since(begin).Round(time.Second))
		}
		return o.limit == 0 || time.Since(begin) < o.limit
	}})
	fmt.Fprint(io.err, "\r")
	if err != nil {
		return err
	}
	verdict := "ok"
	if res.Violation != "" {
		verdict = "broken"
	}
	took := time.Since(begin)
	fmt.Fprintf(io.out, "scope=%s verdict=%s complete=%t states=%d ends=%d depth=%d executions=%d steps=%d wall=%.1fs states_per_second=%.0f\n",
		s.Name, verdict, res.Complete, res.States, res.Ends, res.Depth, res.Executions, res.Steps, took.Seconds(), float64(res.States)/took.Seconds())
	if res.Violation == "" {
		return nil
	}
	if err := replaySchedule(io, &s, res.Schedule); !errors.Is(err, errBroken) {
		return fmt.Errorf("the schedule does not break it again (%v): %s", err, res.Violation)
	}
	scope := "--scope " + s.Name
	if ownOps {
		scope = ownFlags(os.Args)
	}
	fmt.Fprintf(io.out, "replay: kvsim explore %s --replay '%s'\n", scope, res.Schedule)
	return errBroken
}

// ownFlags are the arguments that made a scope of one's own.
func ownFlags(args []string) string {
	var out []string
	for i, a := range args {
		name, _, inline := strings.Cut(a, "=")
		switch name {
		case "--ops", "--nodes", "--crashes", "--ticks", "--victims":
			if out = append(out, a); !inline && i+1 < len(args) {
				out = append(out, args[i+1])
			}
		}
	}
	return strings.Join(out, " ")
}

func listScopes(io stdio) error {
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	for _, s := range explore.Scopes() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}

// replaySchedule tells what happens, and is errBroken when a promise is.
func replaySchedule(io stdio, s *explore.Scope, schedule string) error {
	violation, err := explore.Replay(s, schedule, func(line string) { fmt.Fprintln(io.out, line) })
	if err != nil {
		return err
	}
	if violation != "" {
		fmt.Fprintln(io.out, "VIOLATION:", violation)
		return errBroken
	}
	return nil
}

var exploredKinds = map[string]linearize.Kind{"get": linearize.Get, "put": linearize.Put, "delete": linearize.Delete, "create": linearize.CAS}

// ownScope reads the flags.
func (o *exploreOptions) ownScope() (explore.Scope, error) {
	s := explore.Scope{Name: "own", Nodes: o.nodes, Crashes: o.crashes, Ticks: o.ticks, Victims: o.victims}
	for _, text := range o.ops {
		rest, after := strings.CutPrefix(text, "+")
		word, at, _ := strings.Cut(rest, "@")
		kind, known := exploredKinds[word]
		op := explore.Op{Kind: kind, Path: "a", After: after}
		if _, err := fmt.Sscanf(at, "%d", &op.Node); err != nil || !known {
			return s, fmt.Errorf("--ops %q: want get, put, delete or create, and a node, such as put@1 or +get@2", text)
		}
		s.Ops = append(s.Ops, op)
	}
	return s, s.Check()
}
