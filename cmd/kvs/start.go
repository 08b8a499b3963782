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
	cmd.Flags().DurationVar(&o.timeout, timeoutFlag, 30*time.Second, "how long a node may take until it answers")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the node is ready, not only answering; a newcomer shows how far it is")
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

Returns when every node answers, and says whether it is ready. A node that does not come up
is reported with the last lines of its log. A node that runs already is left as it is, which
is no error. A configuration that does not exist is written with the defaults and used.

node1 and node1.yaml name the same node. Two files of the same name in different folders are
different nodes.`,
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
		inst, _, err := a.resolve(arg)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		instances = appendOnce(instances, inst)
	}
	// Every configuration is read before any process is launched: mistakes are told here, not in a log.
	for _, inst := range instances {
		if _, err := a.loadConfig(inst); err != nil {
			return err
		}
	}
	ctx, stop := a.interruptible(ctx)
	defer stop()
	return a.startAll(ctx, d, instances, o)
}

// startAll starts all at once: nodes that wait for each other to be ready would otherwise wait in vain.
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
		if r.err == nil {
			fmt.Fprintln(a.out, startedLine(instances[i], r.started))
		}
	}
	return a.worst(errs)
}

// startedLine is the answer for one node.
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
