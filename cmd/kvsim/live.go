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

	"kvs/chaos"
	containers "kvs/chaos/docker"
	"kvs/linearize"
	"kvs/node/client/profile"
	"kvs/scenarios/live"
	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

type liveOptions struct {
	simcmd.Experiment
	seed                        uint64
	target, program, dockerfile string
	history                     string
	nodes                       int
	secure                      bool          // nodes that are started have TLS and credentials.
	given                       profile.Given // the user's settings for a running cluster.
	entry                       entry         // the access to it.
	system                      systemOptions // another store than kvs.
}

func newLiveCommand(t *simcmd.Tools) *cobra.Command {
	o := liveOptions{Experiment: t.Experiment()}
	cmd := &cobra.Command{
		Use:   "live",
		Short: "Run a scenario against real nodes",
		Long: `live runs a scenario against real nodes: local processes that it starts (Linux), Docker containers that
it starts (root, for the rules that cut the network), or running nodes by their endpoints, which can have no faults. A
plan with a fault that the target does not have is refused.

The out folder keeps the files of a failure: scenario, history, report, the nodes' logs. A node that ends by itself is a
violation. The files are also kept when the run could not be judged. Ctrl-C ends the nodes, too. In a running cluster
everything is written in a directory of its own, kvsim-live/TIME/, and deleted at the end.

With --system the nodes are those of another store, or kvs as one store among others: a shipped system by its name, or
the path of a file that says how a node is started, when it is ready and which driver speaks to it (kvsim systems shows
them). The workload and the plan are those of the scenario; the history is judged by what the store promises:
linearizable, no acknowledged write lost, all nodes alike in the end.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkFlags(cmd); err != nil {
				return err
			}
			if err := o.chooseTarget(cmd.Flags().Changed("target"), os.Getenv); err != nil {
				return err
			}
			if err := o.chooseSystem(); err != nil {
				return err
			}
			return o.run(t.IO)
		},
	}
	o.addAccessFlags(cmd)
	o.system.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.target, "target", targetProcess,
		"process, docker, or the endpoints of a running cluster with commas between")
	f.StringVar(&o.Scenario, "scenario", "quiet", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.Uint64Var(&o.seed, "seed", 1, "number that determines the workload")
	f.IntVar(&o.nodes, "nodes", 0, "size of the cluster; default: that of the scenario, or the number of endpoints")
	f.DurationVar(&o.Duration, "duration", 0, "how long the clients work; default: that of the scenario")
	f.StringVar(&o.program, "kvs", "bin/kvs",
		"the kvs program that process and docker start; docker needs a static one")
	f.StringVar(&o.dockerfile, "dockerfile", "Dockerfile", "the Dockerfile of the image")
	f.StringVar(&o.history, "history", "",
		"write the history to this file, however the run ends once clients have worked: kvsim check judges it again")
	f.StringVar(&o.Out, "out", "out/live", "folder for the files of a failure")
	return cmd
}

// checkFlags refuses what would be found wrong only after the run, or would mean the same as a flag that is not given.
func (o *liveOptions) checkFlags(cmd *cobra.Command) error {
	if cmd.Flags().Changed("nodes") && (o.nodes < 1 || o.nodes > chaos.NodesMax) {
		return fmt.Errorf("--nodes %d: use 1 to %d", o.nodes, chaos.NodesMax)
	}
	if o.history != "" {
		if dir, err := os.Stat(filepath.Dir(o.history)); err != nil {
			return fmt.Errorf("--history: its folder: %w; make it, or choose another", err)
		} else if !dir.IsDir() {
			return fmt.Errorf("--history: %s is no folder", filepath.Dir(o.history))
		}
		if file, err := os.Stat(o.history); err == nil && file.IsDir() {
			return fmt.Errorf("--history: %s is a folder; name a file", o.history)
		}
	}
	return o.CheckFlags(cmd)
}

func (o *liveOptions) run(io simcmd.IO) error {
	s, err := o.Load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	_, res, kept, err := o.live(ctx, s, func(line string) { fmt.Fprintln(io.Err, "live:", line) })
	if res == nil || res.Void != "" && len(res.Violations) == 0 {
		if kept != "" {
			fmt.Fprintln(io.Out, "kept in:", kept)
		}
		return err
	}
	concluded := o.conclude(io, kept, res)
	if concluded != nil && err != nil {
		fmt.Fprintln(io.Err, "live:", err)
		return concluded
	}
	return errors.Join(concluded, err)
}

// endSignals end a run, which then removes everything that it has started. The last one is that of a terminal that is
// closed.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

var errLiveInterrupted = fmt.Errorf("%w: the nodes are ended and their files removed", simcmd.ErrInterrupted)

// runPrefix and the PID begin the name of the folder of a run that is under way.
const runPrefix = "run-"

// live runs a scenario. The folder is kept if a promise broke, or if there are nodes' logs that explain why the run
// could not be judged. The result is nil if no client has worked.
func (o *liveOptions) live(ctx context.Context, s scenario.Scenario, progress func(string)) (
	_ scenario.Scenario, res *live.Result, kept string, err error,
) {
	if o.nodes != 0 {
		s.Nodes = o.nodes
	} else if isEndpoints(o.target) {
		endpoints, err := parseEndpoints(o.target)
		if err != nil {
			return s, nil, "", err
		}
		s.Nodes = len(endpoints)
	}
	s = sim.Draw(o.seed, s)
	err = s.Validate() // before anything is started.
	if err == nil {
		err = errors.Join(refuse(s, o.target), o.system.refuse(s))
	}
	if err != nil {
		return s, nil, "", err
	}
	dir, err := o.folder()
	if err != nil {
		return s, nil, "", err
	}
	t, err := openTarget(o, dir, &s, progress)
	if err != nil {
		return s, nil, "", errors.Join(err, os.RemoveAll(dir))
	}
	lo := live.Options{
		Store: o.system.judged(t, progress), Commit: o.system.version(ctx),
		TLS: t.entry.tls, Token: t.entry.token, World: t.world, Seed: o.seed, Scenario: s, Target: t,
		Failures: t.failures, Progress: progress,
	}
	if isEndpoints(o.target) {
		lo.Prefix = fmt.Sprintf("kvsim-live/%d/", time.Now().UnixMilli())
	}
	res, err = live.Run(ctx, lo)
	interrupted := ctx.Err() != nil // the nodes may have got the same Ctrl-C: then their end is no failure.
	if interrupted {
		err = errLiveInterrupted
	}
	if res != nil && interrupted {
		res.Void, res.Violations = err.Error(), nil
	} else if res != nil {
		if failed := t.failures(); failed != nil {
			res.Violations = append(res.Violations, "running: "+failed.Error())
		}
	}
	keep := !interrupted && (err != nil || len(res.Violations) > 0)
	err = errors.Join(err, o.writeHistory(res))
	if keep {
		what := res
		if what == nil {
			what = &live.Result{Seed: o.seed, World: t.world, Scenario: s.Name, Void: err.Error()}
		}
		err = errors.Join(err, live.Keep(dir, s, what, t.logs))
	}
	err = errors.Join(err, t.close())
	if !keep {
		return s, res, "", errors.Join(err, os.RemoveAll(dir))
	}
	kept = filepath.Join(filepath.Dir(dir), filepath.Base(s.Name)+"-"+strings.TrimPrefix(filepath.Base(dir), runPrefix))
	return s, res, kept, errors.Join(err, os.Rename(dir, kept))
}

// folder makes the folder of a run, and removes those of runs that were killed.
func (o *liveOptions) folder() (string, error) {
	out, err := filepath.Abs(o.Out)
	if err == nil {
		err = os.MkdirAll(out, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("out folder: %w; choose another with --out", err)
	}
	if o.target == targetDocker {
		if err := containers.Available(); err != nil {
			return "", err
		}
		if err := containers.RemoveLeftovers(); err != nil { // among them disks that are mounted in the folders.
			return "", err
		}
	}
	// a folder with a container's disk is removed by the next run on Docker.
	_ = containers.RemoveFolders(out, runPrefix)
	return os.MkdirTemp(out, fmt.Sprintf("%s%d-", runPrefix, os.Getpid()))
}

// writeHistory writes the history to the file that was asked for.
func (o *liveOptions) writeHistory(res *live.Result) error {
	if o.history == "" || res == nil || res.History == nil {
		return nil
	}
	f, err := os.Create(o.history)
	if err == nil {
		err = errors.Join(linearize.Write(f, res.History), f.Close())
	}
	if err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return nil
}

// refuse returns why a target cannot run a drawn scenario, and what to do; nil: it can.
func refuse(s scenario.Scenario, target string) error {
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

// conclude prints the result.
func (o *liveOptions) conclude(io simcmd.IO, kept string, res *live.Result) error {
	if len(res.Unjudged) > 0 {
		fmt.Fprintln(io.Err, "live: not visible to clients, not judged:", strings.Join(res.Unjudged, ", "))
	}
	for _, v := range res.Violations {
		fmt.Fprintln(io.Out, "VIOLATION", v)
	}
	if len(res.Violations) == 0 {
		fmt.Fprintln(io.Out, res)
		return nil
	}
	fmt.Fprintln(io.Out, "kept in:", kept)
	fmt.Fprintln(io.Out, res)
	return simcmd.ErrBroken
}
