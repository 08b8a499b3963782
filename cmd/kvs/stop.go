package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/daemon"
)

type stopOptions struct {
	timeout time.Duration
	force   bool
	all     bool
}

func (o *stopOptions) addFlags(cmd *cobra.Command, timeoutFlag string) {
	cmd.Flags().DurationVar(&o.timeout, timeoutFlag, 30*time.Second, "how long a node may take to end")
	cmd.Flags().BoolVar(&o.force, "force", false,
		"kill the process (SIGKILL) instead of asking it to end (SIGTERM); acknowledged writes are kept")
	cmd.Flags().BoolVar(&o.all, "all", false, "every node of this user that runs")
}

func newStop(a *app) *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use:   "stop CONFIG...",
		Short: "Stop background nodes",
		Long: `Stop nodes that run in the background, or in the foreground of another terminal.

Asks each process to end, waits until it is gone, and says so. A node that does not run is no
error. A stale PID file is removed, and the process that now has its number is left alone.

Exit code 1 also means that a node is gone, but did not end in good order, that is within its
own shutdown_timeout and without an error. Acknowledged writes are kept all the same.`,
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.stop(cmd, args, o)
		},
	}
	o.addFlags(cmd, "timeout")
	return cmd
}

func (a *app) stop(cmd *cobra.Command, args []string, o stopOptions) error {
	if err := positive("timeout", o.timeout); err != nil {
		return err
	}
	d, err := a.openDaemon()
	if err != nil {
		return err
	}
	instances, err := a.findOrAll(d, cmd, args, o.all)
	if err != nil {
		return err
	}
	ctx, done := a.interruptible(cmd.Context())
	defer done()
	return a.stopAll(ctx, d, instances, o)
}

func (a *app) stopAll(ctx context.Context, d *daemon.Daemon, instances []daemon.Instance, o stopOptions) error {
	type outcome struct {
		stopped daemon.Stopped
		err     error
	}
	results := each(instances, func(inst daemon.Instance) outcome {
		s, err := d.Stop(ctx, inst, daemon.StopOptions{Timeout: o.timeout, Force: o.force})
		return outcome{s, err}
	})
	var errs []error
	for i, r := range results {
		errs = append(errs, r.err)
		if r.err != nil {
			continue
		}
		fmt.Fprintln(a.out, stoppedLine(instances[i], r.stopped, o.force))
		if r.stopped.Unclean && !o.force {
			errs[i] = fmt.Errorf("%s %w; its log says why: kvs logs %s", instances[i], errUnclean, instances[i].Config)
		}
	}
	return a.worst(errs)
}

// errUnclean is wrapped by the errors that mean: the process has ended, in an unknown way.
var errUnclean = errors.New("did not end in good order: it ran out of time, failed, or was killed by another process")

// stoppedLine is the line of output for one node.
func stoppedLine(inst daemon.Instance, s daemon.Stopped, force bool) string {
	if !s.WasRunning {
		return fmt.Sprintf("%s: not running", inst)
	}
	verb := "stopped"
	switch {
	case force:
		verb = "killed"
	case s.Unclean:
		verb = "ended"
	}
	return fmt.Sprintf("%s: %s, pid %d is gone after %v", inst, verb, s.PID, s.Took.Round(10*time.Millisecond))
}
