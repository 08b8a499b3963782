package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Daemon starts, stops and inspects instances. All its dependencies are required.
type Daemon struct {
	Home      Home
	Processes Processes
	Clock     Clock
	Launcher  Launcher
	Prober    Prober
	Version   string // of this kvs, for the PID files it writes.

	// Say takes one line of commentary for people, without line break.
	Say func(line string)

	// Dial reports whether a member accepts connections. Nil: members that a node considers alive are not asked.
	Dial func(ctx context.Context, address string) error
}

// Clock is the wall clock, and a sleep that ends early with a context.
type Clock interface {
	Now() time.Time

	// Sleep returns after d, or earlier with ctx's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Launcher starts node processes.
type Launcher interface {
	// Launch starts a process of its own session that runs inst in the foreground, with no stdin and both outputs going
	// to log. lock is inherited. log and lock stay the caller's to close.
	Launch(inst Instance, log, lock *os.File) (Child, error)
}

// Child is a process that this one has started.
type Child interface {
	PID() int

	// Exited is closed when the process is gone; Reason then says how it ended.
	Exited() <-chan struct{}
	Reason() string
}

// Prober asks running nodes for their state, at rec.Address.
type Prober interface {
	// Live returns an error when the node does not answer at all, and its progress when it is starting; nil: it has
	// started.
	Live(ctx context.Context, rec *Record) (*Starting, error)

	// Health asks for the whole state. It fails when the node does not answer.
	Health(ctx context.Context, rec *Record) (Health, error)
}

// Starting is the progress of a node that has not started yet.
type Starting struct {
	Text        string // for people.
	Done, Total int    // a measure of the progress; Total 0: there is none.
}

// ModeStarting is the mode of a node that answers, but has not started yet.
const ModeStarting = "starting"

// Health is the state of a node as it reports it.
type Health struct {
	Ready   bool
	Mode    string   // normal, read-only, syncing, ..., or ModeStarting.
	Reasons []string // why it is not ready, or not in normal mode.
	Retired string   // why it is no longer a member of its cluster; empty: it is one.
	Members []Member // sorted by name.

	Warnings []string // problems that do not keep it from serving.

	Voters      int // their majority decides linearizable and quorum operations; 0: the cluster is not founded yet.
	VotersAlive int // of them, as this node sees it.

	Bootstrap *Bootstrap // nil: none is under way.

	CertificateExpires *time.Time // of the node's certificate; nil: it has none.

	Digest string // of all the node holds.
	// how far the clock of the peer that differs most is ahead of the node's; nil: not measured lately.
	ClockOffsetMillis *int64
}

// LostMajority says that too few voters are alive for linearizable and quorum operations.
func (h *Health) LostMajority() bool { return h.Voters > 0 && h.VotersAlive <= h.Voters/2 }

// Bootstrap is the progress of a newcomer. Totals are estimates; 0: not known.
type Bootstrap struct {
	Phase      string `json:"phase"` // waiting, pulling or comparing.
	KeysDone   uint64 `json:"keys_done"`
	KeysTotal  uint64 `json:"keys_total"`
	BytesDone  uint64 `json:"bytes_done"`
	BytesTotal uint64 `json:"bytes_total"`
	Rate       uint64 `json:"rate_bytes"`            // a second.
	ETASeconds *int64 `json:"eta_seconds,omitempty"` // nil: not known.
}

// Member is one member of the cluster as the asked node sees it.
type Member struct {
	Name    string `json:"name"`
	State   string `json:"state"` // alive, suspect, dead or left; StateSilent too in a status.
	Address string `json:"address"`
	Voter   bool   `json:"-"`
}

// pollEvery is the pause between two looks at something that is expected to change.
const pollEvery = 20 * time.Millisecond

// probeTimeout bounds how long one question to a node may take.
const probeTimeout = 2 * time.Second

func (d *Daemon) live(ctx context.Context, rec *Record) (*Starting, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return d.Prober.Live(ctx, rec)
}

func (d *Daemon) health(ctx context.Context, rec *Record) (Health, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return d.Prober.Health(ctx, rec)
}

func (d *Daemon) say(format string, args ...any) { d.Say(fmt.Sprintf(format, args...)) }

// SystemClock is the real clock.
type SystemClock struct{}

// Now is time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep waits for d or for the end of ctx.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look reads inst's PID file and judges it. Only errors that leave the state unknown are returned: a missing file is
// StateStopped, an unreadable one StateCorrupt.
func (d *Daemon) look(inst Instance) (Record, State, error) {
	rec, err := d.record(inst)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Record{}, StateStopped, nil
	case errors.Is(err, ErrPIDFileCorrupt):
		return Record{}, StateCorrupt, nil
	case err != nil:
		return Record{}, "", err
	}
	state, err := d.judge(&rec)
	return rec, state, err
}

// cleanUp removes key's PID file if it is still stale when no process can be starting or running: that is, under the
// lock. It reports what it did. The lock is further evidence: while it is held there is a process, whatever the PID
// file says.
func (d *Daemon) cleanUp(key, name string) error {
	l, held, err := d.Home.tryLock(key)
	if err != nil {
		return err
	}
	if held {
		return nil // it has just been started anew, and will replace the file.
	}
	defer l.release()
	return d.cleanUpLocked(key, name)
}

// cleanUpLocked is cleanUp for the holder of the lock.
func (d *Daemon) cleanUpLocked(key, name string) error {
	path := d.Home.pidPath(key)
	state := StateCorrupt
	rec, err := readRecord(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, ErrPIDFileCorrupt):
	case err != nil:
		return err
	default:
		if state, err = d.judge(&rec); err != nil {
			return err
		}
	}
	if !state.Stale() {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the stale PID file: %w", err)
	}
	d.say("%s: %s; removed its stale PID file", name, state.describe(&rec))
	return nil
}
