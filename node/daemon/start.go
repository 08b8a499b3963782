package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// StartOptions are the limits of a start.
type StartOptions struct {
	// until the node has started, and with Wait until it is ready; it begins anew while the start makes progress.
	Timeout time.Duration
	Wait    bool // wait until the node is ready, not only started.

	// Progress is called often with the state of a newcomer that is waited for. Default: no call.
	Progress func(Instance, Bootstrap)
}

// Started is the outcome of a start.
type Started struct {
	Already bool // it ran before.
	Record  Record
	Health  Health
}

// ErrNotReady is wrapped by Start's error when the node runs and answers but was not ready in time. It keeps running.
var ErrNotReady = errors.New("it runs and answers, but is not ready")

// StartError means that a node did not start; it has the end of its log.
type StartError struct {
	Instance Instance
	Reason   string
	LogPath  string
	LogTail  string
}

func (e *StartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s did not start: %s", e.Instance, e.Reason)
	if e.LogTail == "" {
		fmt.Fprintf(&b, "; its log, %s, says nothing", e.LogPath)
		return b.String()
	}
	fmt.Fprintf(&b, "; the end of its log, %s:", e.LogPath)
	for line := range strings.Lines(e.LogTail) {
		b.WriteString("\n  " + strings.TrimRight(line, "\n"))
	}
	return b.String()
}

const (
	startLogLines = 15
	// sayAfter is how long a node may be unready before a line about it is printed: members that start together take a
	// moment.
	sayAfter = time.Second
	// sayStartingEvery is the pause between two lines about the progress of a node that is starting.
	sayStartingEvery = 5 * time.Second
	// giveUpAfter is how long a node that did not start in time may take to terminate before it is killed.
	giveUpAfter = 5 * time.Second
)

// Start runs inst in the background and returns when the node has started. A node that runs already is left as it is,
// which is not an error: starting twice is the same as starting once. A node that does not start in time is terminated,
// but not while it makes progress.
func (d *Daemon) Start(ctx context.Context, inst Instance, opts StartOptions) (Started, error) {
	if err := d.Home.prepare(); err != nil {
		return Started{}, err
	}
	deadline := d.Clock.Now().Add(opts.Timeout)
	l, running, err := d.acquire(ctx, inst, deadline)
	if err != nil {
		return Started{}, err
	}
	if running != nil {
		return d.finish(ctx, inst, nil, Started{Already: true, Record: *running}, opts, deadline)
	}
	defer l.release() // the child keeps it.

	log, from, err := d.openLog(inst)
	if err != nil {
		return Started{}, err
	}
	child, err := d.Launcher.Launch(inst, log, l.f)
	_ = log.Close()
	if err != nil {
		return Started{}, err
	}
	rec, reason := d.awaitLive(ctx, inst, child, deadline, opts.Timeout)
	if reason != "" {
		d.abandon(inst, child)
		return Started{}, d.startError(inst, reason, from)
	}
	return d.finish(ctx, inst, child, Started{Record: rec}, opts, deadline)
}

// acquire takes inst's lock, and cleans up after an earlier run, or finds inst running. A concurrent start holds the
// lock without a node that serves: acquire waits for its outcome.
func (d *Daemon) acquire(ctx context.Context, inst Instance, deadline time.Time) (*lock, *Record, error) {
	for {
		l, held, err := d.Home.tryLock(inst.Key())
		if err != nil {
			return nil, nil, err
		}
		if !held {
			err = d.cleanUpLocked(inst.Key(), inst.Name)
		}
		var rec Record
		var state State
		if err == nil {
			rec, state, err = d.look(inst)
		}
		switch {
		case err != nil:
			l.release()
			return nil, nil, err
		case state == StateRunning && (rec.Serving() || !held):
			l.release()
			return nil, &rec, nil
		case !held:
			return l, nil, nil
		}
		if !d.Clock.Now().Before(deadline) {
			return nil, nil,
				fmt.Errorf("%s: another process holds %s and has not come up in time (%s); see kvs logs %s",
					inst, d.Home.lockPath(inst.Key()), state.describe(&rec), inst.Config)
		}
		if err := d.Clock.Sleep(ctx, pollEvery); err != nil {
			return nil, nil, err
		}
	}
}

// awaitLive waits until the child has written where it serves, answers there, and has started. The PID file comes
// first: another process on the same port would answer as well. While the child makes progress, timeout begins anew.
func (d *Daemon) awaitLive(ctx context.Context, inst Instance, child Child, deadline time.Time, timeout time.Duration) (
	Record, string) {
	var last Starting
	sayAt := d.Clock.Now().Add(sayAfter)
	for {
		select {
		case <-child.Exited():
			return Record{}, fmt.Sprintf("its process ended (%s)", child.Reason())
		default:
		}
		rec, err := d.record(inst)
		if err == nil && rec.PID == child.PID() && rec.Serving() {
			starting, err := d.live(ctx, &rec)
			switch {
			case err == nil && starting == nil:
				return rec, ""
			case err == nil && *starting != last:
				last, deadline = *starting, d.Clock.Now().Add(timeout)
			}
		}
		now := d.Clock.Now()
		if last.Text != "" && !now.Before(sayAt) {
			d.say("%s: starting: %s", inst, last.Text)
			sayAt = now.Add(sayStartingEvery)
		}
		if ctx.Err() != nil {
			return Record{}, "interrupted"
		}
		if !now.Before(deadline) {
			return Record{}, notInTime(timeout, last)
		}
		if d.Clock.Sleep(ctx, pollEvery) != nil {
			return Record{}, "interrupted"
		}
	}
}

// notInTime is the reason for giving up a child.
func notInTime(timeout time.Duration, last Starting) string {
	if last.Text == "" {
		return fmt.Sprintf("it did not answer within %v, and was ended; give it more with --timeout", timeout)
	}
	return fmt.Sprintf("it was starting (%s), did not get on for %v, and was ended; give it more with --timeout",
		last.Text, timeout)
}

// finish asks the node for its state and, where wanted, waits until it is ready. child is nil for a node that ran
// before.
func (d *Daemon) finish(ctx context.Context, inst Instance, child Child, s Started, opts StartOptions,
	deadline time.Time) (Started, error) {
	said := ""
	sayFrom := d.Clock.Now().Add(sayAfter)
	var done uint64
	lastWhy := ""
	var foundUntil time.Time
	for {
		var err error
		s.Health, err = d.health(ctx, &s.Record)
		if err != nil {
			s.Health = Health{Reasons: []string{err.Error()}}
		}
		if !opts.Wait || s.Health.Ready && d.founded(&s.Health, &foundUntil) {
			return s, nil
		}
		if child != nil {
			select {
			case <-child.Exited():
				return s, fmt.Errorf("%s answered and then ended (%s); see kvs logs %s", inst, child.Reason(),
					inst.Config)
			default:
			}
		} else if state, err := d.judge(&s.Record); err == nil && state != StateRunning {
			return s, fmt.Errorf("%s ended while it was waited for; see kvs logs %s", inst, inst.Config)
		}
		why := strings.Join(s.Health.Reasons, "; ")
		b := s.Health.Bootstrap
		if b != nil && b.BytesDone != done {
			done, deadline = b.BytesDone, d.Clock.Now().Add(opts.Timeout)
		}
		if s.Health.Mode == ModeStarting && why != lastWhy {
			lastWhy, deadline = why, d.Clock.Now().Add(opts.Timeout)
		}
		switch {
		case d.Clock.Now().Before(sayFrom):
		case b != nil && b.BytesTotal > 0 && opts.Progress != nil:
			opts.Progress(inst, *b)
		case why != said:
			d.say("%s: not ready yet: %s", inst, why)
			said = why
		}
		if !d.Clock.Now().Before(deadline) {
			return s, fmt.Errorf("%s: %w after %v (%s); see kvs status %s", inst, ErrNotReady, opts.Timeout, why,
				inst.Config)
		}
		if err := d.Clock.Sleep(ctx, pollEvery); err != nil {
			return s, fmt.Errorf("%s: %w: %w", inst, ErrNotReady, err)
		}
	}
}

// foundWithin is how long a start waits for the founding of a new cluster once the node is ready. The members agree on
// it within a second if all expected ones are up. Commands at the levels quorum and linearizable fail before.
const foundWithin = 5 * time.Second

// founded reports whether the cluster of a ready node is founded, or the wait for it is over.
func (d *Daemon) founded(h *Health, until *time.Time) bool {
	if h.Voters > 0 || h.Retired != "" {
		return true
	}
	if until.IsZero() {
		*until = d.Clock.Now().Add(foundWithin)
	}
	return !d.Clock.Now().Before(*until)
}

// abandon terminates a child that did not start, and cleans up after it. It ignores the caller's context, which may be
// the reason for giving up.
func (d *Daemon) abandon(inst Instance, child Child) {
	ctx := context.Background()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		ticks, alive, err := d.Processes.StartTicks(child.PID())
		if err != nil || !alive {
			break
		}
		// The child has not been reaped yet, so its PID cannot have passed to another process.
		_ = d.Processes.Signal(child.PID(), ticks, sig)
		for end := d.Clock.Now().Add(giveUpAfter); d.Clock.Now().Before(end) && !exited(child); {
			_ = d.Clock.Sleep(ctx, pollEvery)
		}
		if exited(child) {
			break
		}
	}
	if rec, err := d.record(inst); err == nil && rec.PID == child.PID() {
		_ = d.cleanUpLocked(inst.Key(), inst.Name)
	}
}

func exited(child Child) bool {
	select {
	case <-child.Exited():
		return true
	default:
		return false
	}
}

func (d *Daemon) startError(inst Instance, reason string, from int64) error {
	path := d.Home.LogPath(inst)
	tail, _, err := Tail(path, from, startLogLines)
	if err != nil {
		tail = []byte(fmt.Sprintf("(unreadable: %v)", err))
	}
	return &StartError{Instance: inst, Reason: reason, LogPath: path, LogTail: string(tail)}
}
