package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/daemon"
)

type startOptions struct {
	timeout time.Duration
	wait    bool
}

func (o *startOptions) addFlags(cmd *cobra.Command, timeoutFlag string) {
	cmd.Flags().DurationVar(&o.timeout, timeoutFlag, 30*time.Second,
		"how long a node may take to start, or to make no progress while it starts")
	cmd.Flags().BoolVar(&o.wait, "wait", false,
		"wait until the node is ready, not only answering, and a new cluster founded; a newcomer shows its progress")
}

func (o *startOptions) daemon(b *board) daemon.StartOptions {
	return daemon.StartOptions{Timeout: o.timeout, Wait: o.wait, Progress: b.show}
}

func newStart(a *app) *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use:   "start CONFIG...",
		Short: "Run nodes in the background",
		Long: `Run nodes in the background.

Returns when every node has started, and says whether it is ready. While a node checks its store,
the command waits as long as the node makes progress. For a node that does not start, the command
shows the last lines of its log. A node that is no longer a member of its cluster ends with exit
code 1. A node that runs already is left as it is, which is no error. A configuration that does not
exist is written with the defaults and used, but only into the current folder, and not when its name
looks like a slip for one that exists.

node1 and node1.yaml name the same node. Two files of the same name in different folders are
different nodes. A name is refused when there is no such file here and a node of that name is
known elsewhere: give the path of the one that you mean.`,
		Args:              usageArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: completeConfigs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.start(cmd.Context(), args, o)
		},
	}
	o.addFlags(cmd, "timeout")
	return cmd
}

func (a *app) start(ctx context.Context, args []string, o startOptions) error {
	if err := positive("timeout", o.timeout); err != nil {
		return err
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	var instances []daemon.Instance
	for _, arg := range args {
		inst, err := a.toStart(ctx, d, arg)
		if err != nil {
			return err
		}
		instances = appendOnce(instances, inst)
	}
	// Every configuration is read before any process is launched: mistakes are reported here and not in a log.
	for _, inst := range instances {
		if _, err := a.loadOrWrite(inst); err != nil {
			return err
		}
	}
	ctx, stop := a.interruptible(ctx)
	defer stop()
	return a.startAll(ctx, d, instances, o)
}

// toStart is the instance that arg names, which need not have a configuration yet: start writes one. Start refuses that
// when stop, status and restart would mean another node by the same word, or when this one runs already.
func (a *app) toStart(ctx context.Context, d *daemon.Daemon, arg string) (daemon.Instance, error) {
	here, exists, err := a.resolve(arg)
	if err != nil {
		return here, coded(exitUsage, err)
	}
	if exists {
		return here, nil
	}
	cwd, err := a.cwd()
	if err != nil {
		return here, err
	}
	known, found, err := d.Find(cwd, arg)
	switch {
	case err != nil:
		return here, coded(exitUsage, err)
	case !found:
		return here, a.mayWrite(arg, here)
	case known != here:
		return here, usageError("%s: there is no such configuration here, and a node of that name elsewhere: kvs "+
			"start %s; or write a new one here: kvs start ./%s", arg, known.Config, arg)
	}
	report, err := d.Status(ctx, here) // removes a PID file that is stale.
	if err != nil {
		return here, err
	}
	if report.State == daemon.StateRunning {
		return here, usageError("%s runs with pid %d, and its configuration %s is gone; put it back, or end the "+
			"node: kvs stop %s", here, report.Record.PID, here.Config, arg)
	}
	return here, nil
}

// startAll starts all at once: otherwise nodes that wait for each other to be ready would wait in vain.
func (a *app) startAll(ctx context.Context, d *daemon.Daemon, instances []daemon.Instance, o startOptions) error {
	type outcome struct {
		started daemon.Started
		err     error
	}
	b := newBoard(a)
	results := each(instances, func(inst daemon.Instance) outcome {
		s, err := d.Start(ctx, inst, o.daemon(b))
		return outcome{s, err}
	})
	b.done()
	var errs []error
	for i, r := range results {
		errs = append(errs, r.err)
		if r.err != nil {
			continue
		}
		fmt.Fprintln(a.out, startedLine(instances[i], r.started))
		if why := r.started.Health.Retired; why != "" {
			errs[i] = fmt.Errorf("%s runs, but is no longer a member of its cluster and serves no client: %s",
				instances[i], why)
		}
	}
	return a.worst(errs)
}

// startedLine is the line of output for one node.
func startedLine(inst daemon.Instance, s daemon.Started) string {
	verb := "started"
	if s.Already {
		verb = "already running"
	}
	ready := "ready"
	if !s.Health.Ready {
		ready = "not ready yet"
		if len(s.Health.Reasons) > 0 {
			ready += ": " + strings.Join(s.Health.Reasons, "; ")
		}
	}
	return fmt.Sprintf("%s: %s, pid %d, %s, %s", inst, verb, s.Record.PID, s.Record.Address, ready)
}
