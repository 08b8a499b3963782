package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// world is a machine without processes: its process table, clock, launches and answers are all pretended.
type world struct {
	t         *testing.T
	d         *Daemon
	inst      Instance
	bootID    string
	procs     map[int]uint64 // pid: start ticks.
	signals   []string       // "pid signal", in order.
	onSignal  func(pid int, sig syscall.Signal)
	now       time.Time
	onSleep   func() // runs at every pause, after the time has passed.
	onLaunch  func(c *fakeChild, log *os.File)
	launches  int
	child     *fakeChild
	liveErr   error
	starting  *Starting
	health    Health
	healthErr error
	said      []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	home, err := NewHome(filepath.Join(dir, "home"))
	require.NoError(t, err)
	w := &world{
		t: t, bootID: "boot-1", procs: map[int]uint64{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		inst: instanceAt(filepath.Join(dir, "node1.yaml")), health: Health{Ready: true, Mode: "normal"},
	}
	w.d = &Daemon{Home: home, Processes: w, Clock: w, Launcher: w, Prober: w, Version: "test",
		Say: func(line string) { w.said = append(w.said, line) }}
	w.onLaunch = func(c *fakeChild, _ *os.File) { w.serve(c) }
	require.NoError(t, home.prepare())
	return w
}

func (w *world) BootID() (string, error) { return w.bootID, nil }

func (w *world) StartTicks(pid int) (uint64, bool, error) {
	ticks, alive := w.procs[pid]
	return ticks, alive, nil
}

func (w *world) Signal(pid int, ticks uint64, sig syscall.Signal) error {
	if w.procs[pid] != ticks {
		return ErrProcessGone
	}
	w.signals = append(w.signals, fmt.Sprintf("%d %v", pid, sig))
	if w.onSignal != nil {
		w.onSignal(pid, sig)
	}
	return nil
}

func (w *world) Now() time.Time { return w.now }

func (w *world) Sleep(ctx context.Context, d time.Duration) error {
	w.now = w.now.Add(d)
	if w.onSleep != nil {
		w.onSleep()
	}
	return ctx.Err()
}

func (w *world) Live(context.Context, *Record) (*Starting, error) { return w.starting, w.liveErr }

func (w *world) Health(context.Context, *Record) (Health, error) { return w.health, w.healthErr }

func (w *world) Launch(_ Instance, log, _ *os.File) (Child, error) {
	w.launches++
	w.child = &fakeChild{pid: 500 + w.launches, exited: make(chan struct{})}
	w.procs[w.child.pid] = 9000
	w.onLaunch(w.child, log)
	return w.child, nil
}

// serve is what a good child does: it enters itself with an address.
func (w *world) serve(c *fakeChild) {
	rec := w.entry(c.pid, 9000)
	rec.Address = "127.0.0.1:7001"
	w.write(rec)
}

// end lets a child's process go.
func (w *world) end(c *fakeChild, reason string) {
	delete(w.procs, c.pid)
	c.reason = reason
	close(c.exited)
}

func (w *world) entry(pid int, ticks uint64) Record {
	return Record{PID: pid, StartTicks: ticks, BootID: w.bootID, Name: w.inst.Name, Config: w.inst.Config,
		Started: w.now, Version: "test"}
}

func (w *world) write(rec Record) { require.NoError(w.t, writeRecord(w.d.Home.PIDPath(w.inst), rec)) }

func (w *world) pidFileExists() bool {
	_, err := os.Stat(w.d.Home.PIDPath(w.inst))
	require.True(w.t, err == nil || errors.Is(err, os.ErrNotExist))
	return err == nil
}

func (w *world) commentary() string { return strings.Join(w.said, "\n") }

// hold takes the lock as another process would.
func (w *world) hold() *lock {
	l, held, err := w.d.Home.tryLock(w.inst.Key())
	require.NoError(w.t, err)
	require.False(w.t, held)
	w.t.Cleanup(l.release)
	return l
}

type fakeChild struct {
	pid    int
	exited chan struct{}
	reason string
}

func (c *fakeChild) PID() int                { return c.pid }
func (c *fakeChild) Exited() <-chan struct{} { return c.exited }
func (c *fakeChild) Reason() string          { return c.reason }
