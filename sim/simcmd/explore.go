package simcmd

import (
	"errors"
	"fmt"
	stdio "io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim/explore"
	"kvs/sim/simcmd/document"
)

type exploreOptions struct {
	tools          *Tools
	list           bool
	scenario       string
	scope          string
	nodes          int
	ops            []string
	crashes, ticks int
	passes         int
	victims        []int
	patience       time.Duration
	depth          int
	limit          time.Duration
	replay         string
	output
}

func (t *Tools) newExploreCommand() *cobra.Command {
	o := exploreOptions{tools: t}
	cmd := &cobra.Command{
		Use:   "explore",
		Short: "Run every order of events of a few operations, in a small cluster",
		Long: fmt.Sprintf(`explore runs every order in which the messages of a few operations can arrive, with
crashes at any point if the scope has them. Nothing is drawn. A state that was met before ends an execution. Every
end is judged: the history has to be linearizable, and the promises have to hold whose checkers can
be asked at every state.

It prints the number of different states, and whether those are all. A broken promise is shown step
by step, with a schedule that --replay runs again.

  %[1]s explore --list
  %[1]s explore --ops op@1,op@2,+op@3 --crashes 1 --victims 3 --limit 5m

An operation is a word, and the node it is sent to; + sends it after the answer to the one before.
The word op stands for the next operation that a client of the system draws. A system may have words
of its own instead, such as put and get.`, t.App.program()),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Flags().Changed("ops")) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.list, "list", false, "print the named scopes, and do nothing")
	f.StringVar(&o.scenario, "scenario", "", "take what the system adds to scenarios from this one, a name or a file")
	f.StringVar(&o.scope, "scope", "", "name of the scope; the first one of --list")
	f.StringSliceVar(&o.ops, "ops", nil, "a scope of your own: operations such as op@1,+op@2")
	f.IntVar(&o.nodes, "nodes", 3, "with --ops: members")
	f.IntVar(&o.crashes, "crashes", 0, "with --ops: crashes in one execution")
	f.IntVar(&o.ticks, "ticks", 0, "with --ops: how often a node's timer fires in one execution")
	f.IntVar(&o.passes, "passes", 0, "with --ops: how often time passes in one execution, without waking up a node")
	f.IntSliceVar(&o.victims, "victims", nil,
		"with --ops: the nodes that crash, and whose fsyncs are steps of their own")
	f.DurationVar(&o.patience, "patience", 0,
		"with --ops: by how much a node's timer fires too late, and how much time passes; 0: 300ms")
	f.IntVar(&o.depth, "depth", 0, "most events of one execution; 0: no bound")
	f.DurationVar(&o.limit, "limit", time.Minute, "real time after which the search ends unfinished; 0: never")
	f.StringVar(&o.replay, "replay", "", "run this schedule, and print each step")
	t.completeScenarios(cmd, "scenario")
	_ = cmd.RegisterFlagCompletionFunc("scope",
		func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			if space, err := o.space(); err == nil {
				for _, s := range space.Scopes {
					names = append(names, s.Name)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		})
	o.output.addFlag(cmd)
	return cmd
}

// space describes how the chosen system is explored.
func (o *exploreOptions) space() (*explore.Space, error) {
	system := o.tools.System()
	space := explore.Space{}
	if system.Explore != nil {
		space = *system.Explore
	}
	if space.System == nil {
		space.System = system.System
	}
	if space.Scenario = system.Scenarios.Default(); o.scenario != "" {
		e := o.tools.Experiment()
		e.Scenario = o.scenario
		s, err := e.Load()
		if err != nil {
			return nil, err
		}
		space.Scenario = s
	}
	return &space, nil
}

// chooseScope is the scope that was asked for.
func (o *exploreOptions) chooseScope(space *explore.Space, own bool) (s explore.Scope, err error) {
	switch {
	case own:
		s = explore.Scope{Name: "own", Nodes: o.nodes, Crashes: o.crashes, Ticks: o.ticks, Victims: o.victims,
			Passes: o.passes, Patience: o.patience}
		if s.Ops, err = explore.ParseOps(o.ops); err != nil {
			return s, fmt.Errorf("--ops: %w", err)
		}
		return s, s.Check(space)
	case o.scope != "":
		return space.Find(o.scope)
	case len(space.Scopes) == 0:
		return s, errors.New("the system has no named scopes: name the operations to explore with --ops op@1,op@2")
	}
	return space.Scopes[0], nil
}

func (o *exploreOptions) run(ownOps bool) error {
	io := o.tools.IO
	space, err := o.space()
	if err != nil {
		return err
	}
	if o.list {
		return listScopes(io, space)
	}
	s, err := o.chooseScope(space, ownOps)
	if err != nil {
		return err
	}
	if o.replay != "" {
		return replaySchedule(io, space, &s, o.replay)
	}
	begin, told := time.Now(), time.Now()
	res, err := explore.Search(space, &s, explore.Options{DepthMax: o.depth, Go: func(r *explore.Result) bool {
		if time.Since(told) >= time.Second {
			told = time.Now()
			fmt.Fprintf(io.Err, "\r%d states, depth %d, %s ", r.States, r.Depth, time.Since(begin).Round(time.Second))
		}
		return o.limit == 0 || time.Since(begin) < o.limit
	}})
	fmt.Fprint(io.Err, "\r")
	if err != nil {
		return err
	}
	return o.tell(space, &s, res, time.Since(begin), ownOps)
}

// tell prints what the search has found, and shows a violation step by step.
func (o *exploreOptions) tell(
	space *explore.Space, s *explore.Scope, res *explore.Result, took time.Duration, ownOps bool,
) error {
	io := o.tools.IO
	found := document.Explore{Scope: s.Name, Verdict: res.Verdict(), Complete: res.Complete, States: res.States,
		Ends: res.Ends, Depth: res.Depth, Executions: res.Executions, Steps: res.Steps, WallSeconds: took.Seconds(),
		Violation: res.Violation, Schedule: res.Schedule}
	if !o.json() {
		fmt.Fprintf(io.Out, "scope=%s verdict=%s complete=%t states=%d ends=%d depth=%d executions=%d steps=%d "+
			"wall=%.1fs states_per_second=%.0f\n", s.Name, res.Verdict(), res.Complete, res.States, res.Ends, res.Depth,
			res.Executions, res.Steps, took.Seconds(), float64(res.States)/took.Seconds())
	}
	if res.Violation != "" {
		steps := io
		if o.json() {
			steps.Out = stdio.Discard
		}
		if err := replaySchedule(steps, space, s, res.Schedule); !errors.Is(err, ErrBroken) {
			return fmt.Errorf("the schedule does not break it again (%s): %s", fmt.Sprint(err), res.Violation)
		}
		found.Replay = o.replayLine(s, res.Schedule, ownOps)
	}
	if o.json() {
		if err := document.Print(io.Out, found); err != nil {
			return err
		}
	} else if found.Replay != "" {
		fmt.Fprintln(io.Out, "replay:", found.Replay)
	}
	if res.Violation != "" {
		return ErrBroken
	}
	return nil
}

// replayLine is the command that runs a schedule again.
func (o *exploreOptions) replayLine(s *explore.Scope, schedule string, ownOps bool) string {
	args := o.tools.arguments("explore")
	if o.scenario != "" {
		args = append(args, "--scenario", o.scenario)
	}
	if ownOps {
		args = append(args, o.ownFlags()...)
	} else {
		args = append(args, "--scope", s.Name)
	}
	return fmt.Sprintf("%s %s --replay '%s'", o.tools.App.program(), strings.Join(args, " "), schedule)
}

// ownFlags are those that make a scope of one's own.
func (o *exploreOptions) ownFlags() []string {
	out := []string{"--ops", strings.Join(o.ops, ","), "--nodes", strconv.Itoa(o.nodes)}
	if o.crashes > 0 {
		victims := strings.Trim(strings.ReplaceAll(fmt.Sprint(o.victims), " ", ","), "[]")
		out = append(out, "--crashes", strconv.Itoa(o.crashes), "--victims", victims)
	}
	if o.ticks > 0 {
		out = append(out, "--ticks", strconv.Itoa(o.ticks))
	}
	if o.passes > 0 {
		out = append(out, "--passes", strconv.Itoa(o.passes))
	}
	if o.patience > 0 {
		out = append(out, "--patience", o.patience.String())
	}
	return out
}

func listScopes(io IO, space *explore.Space) error {
	table := tabwriter.NewWriter(io.Out, 0, 0, 2, ' ', 0)
	for _, s := range space.Scopes {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}

// replaySchedule prints each step, and returns ErrBroken when a promise breaks.
func replaySchedule(io IO, space *explore.Space, s *explore.Scope, schedule string) error {
	violation, err := explore.Replay(space, s, schedule, func(line string) { fmt.Fprintln(io.Out, line) })
	if err != nil {
		return err
	}
	if violation != "" {
		fmt.Fprintln(io.Out, "VIOLATION:", violation)
		return ErrBroken
	}
	return nil
}
