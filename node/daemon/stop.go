package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// StopOptions are the options of a stop.
type StopOptions struct {
	Timeout time.Duration // how long the process may take to end.
	Force   bool          // kill it (SIGKILL) instead of asking it to end (SIGTERM).
}

// Stopped is the outcome of a stop.
type Stopped struct {
	WasRunning bool
	Unclean    bool // it ended without removing its PID file: it was killed, crashed, or could not end in good order.
	PID        int
	Took       time.Duration
}

// progressEvery is the pause between two lines that report that a stop still waits.
const progressEvery = time.Second

// Stop ends inst and returns when its process is gone. A node that does not run is not an error: stopping twice is the
// same as stopping once. A stale PID file is removed; the process that it names is never signalled.
func (d *Daemon) Stop(ctx context.Context, inst Instance, opts StopOptions) (Stopped, error) {
	begin := d.Clock.Now()
	rec, state, err := d.awaitEntry(ctx, inst, begin.Add(opts.Timeout))
	if err != nil {
		return Stopped{}, err
	}
	if state == StateStopped {
		return Stopped{}, nil
	}
	if state.Stale() {
		return Stopped{}, d.cleanUp(inst.Key(), inst.Name)
	}
	sig := syscall.SIGTERM
	if opts.Force {
		sig = syscall.SIGKILL
	}
	err = d.Processes.Signal(rec.PID, rec.StartTicks, sig)
	if err != nil && !errors.Is(err, ErrProcessGone) {
		return Stopped{}, fmt.Errorf("%s: %w", inst, err)
	}
	if err := d.awaitGone(ctx, inst, &rec, opts, begin); err != nil {
		return Stopped{}, err
	}
	left, err := d.removeAfterStop(inst, &rec)
	if err != nil {
		return Stopped{}, err
	}
	return Stopped{WasRunning: true, Unclean: left, PID: rec.PID, Took: d.Clock.Now().Sub(begin)}, nil
}

// awaitEntry looks at inst. A held lock without a PID file that can be trusted belongs to a process that is just
// starting: awaitEntry waits for its entry, since a stop that misses it would leave it running.
func (d *Daemon) awaitEntry(ctx context.Context, inst Instance, deadline time.Time) (Record, State, error) {
	for {
		rec, state, err := d.look(inst)
		if err != nil || state == StateRunning {
			return rec, state, err
		}
		if _, err := os.Stat(d.Home.lockPath(inst.Key())); errors.Is(err, os.ErrNotExist) {
			return rec, state, nil // it has never run.
		}
		l, held, err := d.Home.tryLock(inst.Key())
		if err != nil {
			return Record{}, "", err
		}
		l.release()
		if !held {
			return rec, state, nil
		}
		if !d.Clock.Now().Before(deadline) {
			return Record{}, "",
				fmt.Errorf("%s: %s, yet a process holds %s; find it with `fuser %s`, end it, and try again",
					inst, state.describe(&rec), d.Home.lockPath(inst.Key()), d.Home.lockPath(inst.Key()))
		}
		if err := d.Clock.Sleep(ctx, pollEvery); err != nil {
			return Record{}, "", err
		}
	}
}

// awaitGone waits until the process of rec is gone.
func (d *Daemon) awaitGone(ctx context.Context, inst Instance, rec *Record, opts StopOptions, begin time.Time) error {
	nextLine := begin.Add(progressEvery)
	for {
		state, err := d.judge(rec)
		if err != nil {
			return err
		}
		if state != StateRunning {
			return nil
		}
		now := d.Clock.Now()
		if waited := now.Sub(begin); waited >= opts.Timeout {
			hint := fmt.Sprintf("wait longer with --timeout, or kill it: kvs stop --force %s", inst.Config)
			if opts.Force {
				hint = "it was killed and still hangs in the kernel, perhaps on its disk"
			}
			return fmt.Errorf("%s: process %d still runs after %v; %s", inst, rec.PID, opts.Timeout, hint)
		}
		if !now.Before(nextLine) {
			d.say("%s: waiting for process %d to end, %v", inst, rec.PID, now.Sub(begin).Round(time.Second))
			nextLine = nextLine.Add(progressEvery)
		}
		if err := d.Clock.Sleep(ctx, pollEvery); err != nil {
			return fmt.Errorf("%s: process %d was told to end, and not waited for: %w", inst, rec.PID, err)
		}
	}
}

// removeAfterStop removes the PID file of a process that did not do so itself, as a process that ends in good order
// does, and reports whether there was one.
func (d *Daemon) removeAfterStop(inst Instance, rec *Record) (left bool, err error) {
	l, held, err := d.Home.tryLock(inst.Key())
	if err != nil || held { // held: it has been started again meanwhile.
		return false, err
	}
	defer l.release()
	if now, err := d.record(inst); err != nil || now.PID != rec.PID || now.StartTicks != rec.StartTicks {
		return false, nil
	}
	if err := os.Remove(d.Home.PIDPath(inst)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return true, fmt.Errorf("remove PID file: %w", err)
	}
	return true, nil
}

// AwaitEnd waits until the process that runs inst is gone, without asking it to end: the caller has done so by other
// means. It returns the state of inst then. A process that ends removes its PID file a little before it is gone.
func (d *Daemon) AwaitEnd(ctx context.Context, inst Instance) (State, error) {
	rec, state, err := d.look(inst)
	for err == nil && state == StateRunning {
		if err := d.Clock.Sleep(ctx, pollEvery); err != nil {
			return state, fmt.Errorf("%s: process %d still runs: %w", inst, rec.PID, err)
		}
		state, err = d.judge(&rec)
	}
	if err != nil {
		return state, err
	}
	_, state, err = d.look(inst)
	return state, err
}
