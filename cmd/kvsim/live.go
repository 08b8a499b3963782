package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kvs/linearize"
	"kvs/scenarios"
	"kvs/scenarios/live"
	"kvs/sim"
)

type liveOptions struct {
	experiment
	seed                        uint64
	target, program, dockerfile string
	history                     string
	nodes                       int
}

func newLiveCommand(io stdio) *cobra.Command {
	var o liveOptions
	cmd := &cobra.Command{
		Use:   "live",
		Short: "Run a scenario against real nodes",
		Long: `live runs a scenario against real nodes: local processes that it starts (Linux), Docker containers that it starts (root, for
the rules that cut the network), or running nodes by their endpoints, which can have no faults. A plan with a fault that the
target does not have is refused.

What a failure leaves behind is kept in the out folder: scenario, history, report, the nodes' logs. Ctrl-C ends the nodes, too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(io) },
	}
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "process", "process, docker, or the endpoints of a running cluster with commas between")
	f.StringVar(&o.scenario, "scenario", "quiet", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.Uint64Var(&o.seed, "seed", 1, "number that draws the workload")
	f.IntVar(&o.nodes, "nodes", 0, "size of the cluster; default: that of the scenario, or the number of endpoints")
	f.DurationVar(&o.duration, "duration", 0, "how long the clients work; default: that of the scenario")
	f.StringVar(&o.program, "kvs", "bin/kvs", "the kvs program that process and docker start; docker needs a static one")
	f.StringVar(&o.dockerfile, "dockerfile", "Dockerfile", "what docker makes an image with")
	f.StringVar(&o.history, "history", "", "write the history to this file, however the run ends: kvsim check judges it again")
	f.StringVar(&o.out, "out", "out/live", "folder for what a failure leaves behind")
	return cmd
}

func (o *liveOptions) run(io stdio) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	_, res, kept, err := o.live(ctx, s, func(line string) { fmt.Fprintln(io.err, "live:", line) })
	if err != nil {
		return err
	}
	return o.conclude(io, kept, res)
}

// live runs a scenario. The folder is kept only if a promise broke.
func (o *liveOptions) live(ctx context.Context, s scenarios.Scenario, progress func(string)) (_ scenarios.Scenario, res *live.Result, kept string, err error) {
	if o.nodes != 0 {
		s.Nodes = o.nodes
	} else if n := strings.Count(o.target, ",") + 1; isEndpoints(o.target) {
		s.Nodes = n
	}
	s = sim.Draw(o.seed, s)
	if err := refuse(s, o.target); err != nil { // before anything is started.
		return s, nil, "", err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return s, nil, "", fmt.Errorf("out folder: %w; choose another with --out", err)
	}
	dir, err := os.MkdirTemp(o.out, filepath.Base(s.Name)+"-")
	if err != nil {
		return s, nil, "", err
	}
	defer func() {
		if kept == "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return s, nil, "", err
	}
	t, err := openTarget(o, dir, &s, progress)
	if err != nil {
		return s, nil, "", err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	lo := live.Options{World: t.world, Seed: o.seed, Scenario: s, Target: t, Commit: commit(), Progress: progress}
	if isEndpoints(o.target) {
		lo.Prefix = fmt.Sprintf("kvsim-live/%d/", time.Now().UnixMilli())
	}
	res, err = live.Run(ctx, lo)
	failed := t.failures()
	if ctx.Err() != nil {
		return s, nil, "", errors.New("interrupted: the nodes are ended and their files removed")
	}
	if err != nil {
		return s, nil, "", errors.Join(err, failed)
	}
	if failed != nil {
		res.Violations = append(res.Violations, "running: "+failed.Error())
	}
	if len(res.Violations) > 0 {
		return s, res, dir, live.Keep(dir, s, res, t.logs)
	}
	return s, res, "", nil
}

// refuse returns why a target cannot live a drawn scenario, and what to do about it; nil: it can.
func refuse(s scenarios.Scenario, target string) error {
	short := refusal(s, target)
	if short == "" {
		return nil
	}
	what := "this target has " + short
	for _, e := range s.Plan.Events {
		if short == "no "+e.Kind.String() {
			what = fmt.Sprintf("`%s`: %s", e, what)
			break
		}
	}
	why := live.OnlySimulated(&s)
	if why == "" && isEndpoints(target) {
		why = live.OnlyStarted(&s)
	}
	if why == "" {
		why = "choose another target or take it out"
	}
	return fmt.Errorf("scenario %q: %s; %s", s.Name, what, why)
}

// conclude prints how it went.
func (o *liveOptions) conclude(io stdio, kept string, res *live.Result) error {
	if o.history != "" {
		f, err := os.Create(o.history)
		if err == nil {
			err = errors.Join(linearize.Write(f, res.History), f.Close())
		}
		if err != nil {
			return fmt.Errorf("write the history: %w", err)
		}
	}
	if len(res.Unjudged) > 0 {
		fmt.Fprintln(io.err, "live: not visible to clients, not judged:", strings.Join(res.Unjudged, ", "))
	}
	for _, v := range res.Violations {
		fmt.Fprintln(io.out, "VIOLATION", v)
	}
	if len(res.Violations) == 0 {
		fmt.Fprintln(io.out, res)
		return nil
	}
	fmt.Fprintln(io.out, "kept in:", kept)
	fmt.Fprintln(io.out, res)
	return errBroken
}
