package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Processes is what the daemon needs of the machine's process table.
type Processes interface {
	// BootID names this run of the operating system.
	BootID() (string, error)

	// StartTicks returns when the process pid started, in clock ticks since boot, and whether it is alive. A zombie is
	// not alive: it runs no code, and only its parent can remove it.
	StartTicks(pid int) (ticks uint64, alive bool, err error)

	// Signal sends sig to pid, but only if it is still the process that started at ticks: another process that got the
	// same PID in between never receives it. A process that is gone is ErrProcessGone.
	Signal(pid int, ticks uint64, sig syscall.Signal) error
}

// ErrProcessGone means that the process to be signalled is no longer alive.
var ErrProcessGone = errors.New("the process is gone")

// ProcTable is the real process table, read from /proc.
type ProcTable struct{}

// BootID reads the kernel's random number of this boot.
func (ProcTable) BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot id: %w; kvs needs /proc to recognise its processes", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// StartTicks reads /proc/PID/stat.
func (ProcTable) StartTicks(pid int) (uint64, bool, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("process %d: %w", pid, err)
	}
	return parseStat(b)
}

// parseStat reads the state (field 3), number of threads (20) and start time (22) of /proc/PID/stat, see proc(5). Field
// 2, the command in parentheses, may itself hold spaces and parentheses: the fields are counted from the last one.
//
// The state is that of the first thread. When a process with many threads is killed, the first one may be a zombie
// while others still hold its ports and locks: the process is alive until it is the only one left.
func parseStat(b []byte) (ticks uint64, alive bool, err error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, false, fmt.Errorf("unreadable process state %q", b)
	}
	const state, threads, starttime = 0, 20 - 3, 22 - 3 // the numbers in proc(5), from the third field on.
	fields := strings.Fields(string(b[i+1:]))
	if len(fields) <= starttime {
		return 0, false, fmt.Errorf("unreadable process state %q", b)
	}
	ticks, err = strconv.ParseUint(fields[starttime], 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("unreadable process state %q: %w", b, err)
	}
	switch fields[state] {
	case "X", "x":
		return ticks, false, nil
	case "Z":
		n, err := strconv.Atoi(fields[threads])
		return ticks, err == nil && n > 1, nil
	}
	return ticks, true, nil
}

// Signal pins the process first (os.FindProcess holds a pidfd), then looks at its start time, then signals what it
// pinned: so the PID cannot pass to another process in between.
func (t ProcTable) Signal(pid int, ticks uint64, sig syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer func() { _ = p.Release() }()
	now, alive, err := t.StartTicks(pid)
	if err != nil {
		return err
	}
	if !alive || now != ticks {
		return ErrProcessGone
	}
	err = p.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return ErrProcessGone
	}
	if err != nil {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}
