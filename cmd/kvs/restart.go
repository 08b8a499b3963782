package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"kvs/node/daemon"
)

func newRestart(a *app) *cobra.Command {
	var so stopOptions
	var o startOptions
	cmd := &cobra.Command{
		Use:   "restart CONFIG...",
		Short: "Stop nodes and start them again, one after another",
		Long: `Stop nodes, if they run, and start them again.

Several nodes are restarted one after another, each when the one before answers (with --wait:
is ready), so that the others keep serving. The first failure ends the round. A node whose
configuration is gone or has mistakes is refused and left running.`,
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.restart(cmd, args, so, o)
		},
	}
	o.addFlags(cmd, "timeout")
	so.addFlags(cmd, "stop-timeout")
	return cmd
}

func (a *app) restart(cmd *cobra.Command, args []string, so stopOptions, o startOptions) error {
	if err := positive("timeout", o.timeout); err != nil {
		return err
	}
	if err := positive("stop-timeout", so.timeout); err != nil {
		return err
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	instances, err := a.findOrAll(d, cmd, args, so.all)
	if err != nil {
		return err
	}
	for _, inst := range instances { // a node is not stopped if it could not start again with its configuration.
		// Nor if its configuration is gone: unlike start, restart writes none. The defaults would move the node to
		// another address.
		if _, err := os.Stat(inst.Config); errors.Is(err, os.ErrNotExist) {
			return usageError("%s: its configuration %s is gone, and without it the node would not be the same; put "+
				"it back, or end the node: kvs stop %s", inst, inst.Config, inst)
		}
		if _, err := a.loadConfig(inst); err != nil {
			return err
		}
	}
	ctx, done := a.interruptible(cmd.Context())
	defer done()
	for _, inst := range instances {
		if err := a.restartOne(ctx, d, inst, so, o); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) restartOne(ctx context.Context, d *daemon.Daemon, inst daemon.Instance, so stopOptions,
	o startOptions) error {
	one := []daemon.Instance{inst}
	switch err := a.stopAll(ctx, d, one, so); {
	case errors.Is(err, errUnclean): // it has ended, and is started again.
		a.say("kvs: %v", err)
	case err != nil:
		return err
	}
	return a.startAll(ctx, d, one, o)
}
