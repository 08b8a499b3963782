package daemon

import "fmt"

// State is the state of the process that a PID file names.
type State string

// The states. All but StateRunning, StateStopped and StateUnknown are stale PID files.
const (
	StateRunning  State = "running"  // it runs.
	StateDead     State = "dead"     // it is gone and has not removed its PID file: it was killed, or it crashed.
	StateRecycled State = "recycled" // it is gone, and its number belongs to a process that is not ours.
	StateRebooted State = "rebooted" // it is gone: the machine was restarted since.
	StateCorrupt  State = "corrupt"  // the PID file cannot be understood.
	StateStopped  State = "stopped"  // there is no PID file.
	// there is a PID file that is neither trusted nor removed: it cannot be read, or another version of kvs wrote it.
	StateUnknown State = "unknown"
)

// Stale reports whether the PID file is to be removed.
func (s State) Stale() bool { return s != StateRunning && s != StateStopped && s != StateUnknown }

// judge compares a PID file with the process table's answers about its PID.
func judge(rec *Record, bootID string, ticks uint64, alive bool) State {
	switch {
	case rec.BootID != bootID:
		return StateRebooted
	case alive && ticks == rec.StartTicks:
		return StateRunning
	case alive:
		return StateRecycled
	}
	return StateDead
}

// describe is the state in words.
func (s State) describe(rec *Record) string {
	switch s {
	case StateRunning:
		return fmt.Sprintf("running with pid %d", rec.PID)
	case StateDead:
		return fmt.Sprintf("process %d is gone without removing its PID file", rec.PID)
	case StateRecycled:
		return fmt.Sprintf(
			"process %d is gone and its number now belongs to a process that is not kvs, which is left alone", rec.PID)
	case StateRebooted:
		return fmt.Sprintf("process %d ended when the machine was restarted", rec.PID)
	case StateCorrupt:
		return "the PID file is corrupt"
	}
	return "not running"
}

// judge asks the process table about rec.
func (d *Daemon) judge(rec *Record) (State, error) {
	boot, err := d.Processes.BootID()
	if err != nil {
		return "", err
	}
	if rec.BootID != boot { // the PID is of an earlier boot: it is not looked up.
		return StateRebooted, nil
	}
	ticks, alive, err := d.Processes.StartTicks(rec.PID)
	if err != nil {
		return "", err
	}
	return judge(rec, boot, ticks, alive), nil
}
