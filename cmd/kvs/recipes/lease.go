package recipes

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client/recipe"
)

type leaseOptions struct {
	guarded guardedOptions
	wait    time.Duration
}

const leaseLong = `Put a value at NAME that is there for as long as CMD runs: the presence of a service, with its
address, for those that list or watch the directory. The value is renewed while CMD runs, and deleted when CMD has
ended; if this command dies or is cut off, the value ends by itself after --ttl. NAME is a path without a
value: if there is one, the command waits, at most for as long as --wait says. The exit code is that of CMD.

If the lease cannot be renewed in time, or somebody has changed or deleted the value, CMD is stopped as by
kvs lock. CMD finds NAME in KVS_LEASE. SIGINT, SIGTERM and SIGHUP are passed on to CMD.

  kvs lease services/printer/$(hostname) --value 10.0.0.1:631 -- ./printer
  kvs ls services/printer/ --values                                who is there

A lease is no lock: it has no fencing token. For work that one program at a time may do see kvs lock.

Exit codes beside that of CMD: as of kvs lock.`

func newLease(e *Environment) *cobra.Command {
	var o leaseOptions
	cmd := &cobra.Command{
		Use:   "lease NAME -- CMD [ARG...]",
		Short: "Keep a value alive while a program runs",
		Long:  leaseLong,
		Args:  arguments(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return guard(cmd.Context(), e, &o.guarded, args, o.hold)
		},
	}
	cmd.Flags().DurationVar(&o.wait, "wait", -1, "how long to wait until NAME has no value; 0s: not at all "+
		"(default: for ever)")
	o.guarded.addFlags(e, cmd, "value", "what others read at NAME: an address, for instance (default HOST:PID)")
	return cmd
}

// hold makes the value, and waits as long as the flags say while there is another one.
func (o *leaseOptions) hold(ctx context.Context, e *Environment, u *use, name string) (*recipe.Lease, error) {
	ctx, stop := until(ctx, u.signals)
	defer stop()
	if o.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.wait)
		defer cancel()
	}
	var held *recipe.HeldError
	for waits := false; ; waits = true {
		l, err := recipe.Hold(ctx, u.client, name, u.options, []byte(u.options.Holder), "text/plain; charset=utf-8")
		var now *recipe.HeldError
		if errors.As(err, &now) {
			held = now
		}
		switch {
		case stopped(ctx, stop):
			if err == nil {
				release(e, l, u.options.TTL)
			}
			return nil, errInterrupted
		case err == nil:
			return l, nil
		case held != nil && (now == nil && ctx.Err() != nil || o.wait == 0): // the time is up.
			return nil, exit.With(exit.Held, held)
		case now == nil:
			return nil, err
		}
		if !waits {
			e.Say("kvs: %v: waiting", held)
		}
		t := time.NewTimer(u.options.Poll/2 + rand.N(u.options.Poll/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// stopped reports whether a signal has ended ctx.
func stopped(ctx context.Context, stop func() bool) bool {
	return errors.Is(context.Cause(ctx), errInterrupted) && stop()
}
