package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// ErrRunning is wrapped by Register's error when the instance runs already.
var ErrRunning = errors.New("already running")

// Registration is the entry of the running process itself: its lock and its PID file.
type Registration struct {
	home Home
	inst Instance
	rec  Record
	lock *lock
}

// Register enters this process as the one that runs inst, before it opens anything. The entry has no address yet: `kvs
// start` waits for Serving. A process that `kvs start` launched already has the lock; one in the foreground takes it.
func (d *Daemon) Register(inst Instance) (*Registration, error) {
	if err := d.Home.prepare(); err != nil {
		return nil, err
	}
	l := d.Home.inheritLock(inst.Key())
	if l == nil {
		var err error
		if l, err = d.lockForMyself(inst); err != nil {
			return nil, err
		}
	}
	reg, err := d.register(inst, l)
	if err != nil {
		l.release()
		return nil, err
	}
	return reg, nil
}

// lockForMyself takes inst's lock. A stop or a status may hold it for a moment, to clean up: that is waited for. A
// process that runs holds it for good.
func (d *Daemon) lockForMyself(inst Instance) (*lock, error) {
	const attempts = 50 // a second.
	for range attempts {
		l, held, err := d.Home.tryLock(inst.Key())
		if err != nil || !held {
			return l, err
		}
		if _, state, err := d.look(inst); err == nil && state == StateRunning {
			break
		}
		if err := d.Clock.Sleep(context.Background(), pollEvery); err != nil {
			return nil, err
		}
	}
	return nil, d.alreadyRunning(inst)
}

func (d *Daemon) register(inst Instance, l *lock) (*Registration, error) {
	if err := d.cleanUpLocked(inst.Key(), inst.Name); err != nil {
		return nil, err
	}
	boot, err := d.Processes.BootID()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHome, err)
	}
	pid := os.Getpid()
	ticks, alive, err := d.Processes.StartTicks(pid)
	if err == nil && !alive {
		err = fmt.Errorf("process %d, this one, is not in the process table", pid)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHome, err)
	}
	reg := &Registration{home: d.Home, inst: inst, lock: l, rec: Record{
		PID: pid, StartTicks: ticks, BootID: boot, Name: inst.Name, Config: inst.Config,
		Started: d.Clock.Now().UTC().Truncate(1e6), Version: d.Version,
	}}
	if err := writeRecord(d.Home.PIDPath(inst), reg.rec); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHome, err)
	}
	return reg, nil
}

func (d *Daemon) alreadyRunning(inst Instance) error {
	if rec, state, err := d.look(inst); err == nil && state == StateRunning {
		return fmt.Errorf("%s is %w with pid %d; stop it first: kvs stop %s", inst, ErrRunning, rec.PID, inst.Config)
	}
	return fmt.Errorf("%s is %w or being started; see kvs status %s", inst, ErrRunning, inst.Config)
}

// Serving records that the node now answers at address (host:port), also while it is starting.
func (r *Registration) Serving(address string) error {
	r.rec.Address = address
	return writeRecord(r.home.PIDPath(r.inst), r.rec)
}

// Release removes the entry, as the last act of a node that ends in good order.
func (r *Registration) Release() error {
	defer r.lock.release()
	path := r.home.PIDPath(r.inst)
	rec, err := readRecord(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && rec.PID != r.rec.PID { // another process has replaced the file: it is left alone.
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove PID file: %w", err)
	}
	return nil
}
