package recipes

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client/recipe"
)

type lockOptions struct {
	guarded guardedOptions
	wait    time.Duration
}

const lockLong = `Wait until the lock NAME is free, take it, run CMD, and free the lock when CMD has ended. NAME is a
path: kvs get NAME shows the holder. The exit code is that of CMD.

CMD finds in KVS_FENCING_TOKEN a number that is higher than those of all holders before it. What the
lock protects should refuse numbers lower than one that it has seen: no lock can keep a program that
stood still from going on after its lock has ended.

While CMD runs, the lock is renewed. If it cannot be renewed in time, or somebody has deleted it, CMD
is stopped: with SIGTERM, and with SIGKILL after --stop-after. By default both come before another
program can have the lock. SIGINT, SIGTERM and SIGHUP are passed on to CMD.

  kvs lock jobs/nightly -- ./nightly.sh
  kvs lock jobs/nightly --wait 0s -- ./nightly.sh     fail at once if it is held

Exit codes beside that of CMD: 124 if the lock was not free in time, 125 if it was lost, 126 and 127 if
CMD cannot be started or does not exist, 128 and the number of a signal that ended CMD.`

func newLock(e *Environment) *cobra.Command {
	var o lockOptions
	cmd := &cobra.Command{
		Use:   "lock NAME -- CMD [ARG...]",
		Short: "Run a program while holding a lock",
		Long:  lockLong,
		Args:  arguments(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return guard(cmd.Context(), e, &o.guarded, args, o.acquire)
		},
	}
	cmd.Flags().DurationVar(&o.wait, "wait", -1, "how long to wait for the lock; 0s: not at all (default: for ever)")
	o.guarded.addFlags(e, cmd, "holder", "who holds the lock, for people (default HOST:PID)")
	return cmd
}

// acquire waits for the lock as long as the flags say.
func (o *lockOptions) acquire(ctx context.Context, e *Environment, u *use, name string) (*recipe.Lock, error) {
	ctx, stop := until(ctx, u.signals)
	defer stop()
	if o.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.wait)
		defer cancel()
	}
	l, err := recipe.TryAcquire(ctx, u.client, name, u.options)
	var held *recipe.HeldError
	if errors.As(err, &held) && o.wait != 0 {
		e.Say("kvs: %v: waiting", held)
		l, err = recipe.Acquire(ctx, u.client, name, u.options)
	}
	switch {
	case stop():
		if err == nil {
			release(e, l, u.options.TTL)
		}
		return nil, errInterrupted
	case errors.As(err, &held):
		return nil, exit.With(exit.Held, held)
	}
	return l, err
}

// exitOf is the exit of a command whose program has ended.
func exitOf(end ended, err error) error {
	switch {
	case err != nil:
		return err
	case end.lost:
		return exit.With(exit.Lost, nil)
	case end.code != 0:
		return exit.With(exit.Code(end.code), nil)
	}
	return nil
}
