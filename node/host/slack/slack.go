// Package slack gives the process of a node a timer slack: by how much the kernel may be late with a timer, so that
// it wakes the process less often (prctl(2), PR_SET_TIMERSLACK).
//
// Go's runtime has a thread that takes the processor away from goroutines that are in a system call for long. While a
// process writes, which is an fdatasync after the other, this thread looks every 20 us, and with the kernel's usual
// slack of 50 us it wakes some 14,000 times a second. That was a quarter of the CPU of a durable write, see
// docs/measurements.md, "What a write costs on three nodes". With a slack of a millisecond it looks about a thousand
// times a second. Timers of the node are not finer than that: see tickPauseMin in node/host.
//
// The thread gets the slack of the thread that has made it, before the program's first line runs. So the slack has to
// be there when the program starts, and Widen starts it a second time.
package slack

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Wanted is the timer slack of a node.
const Wanted = time.Millisecond

// variable tells the program that it has been started for the second time: it never is for a third one.
const variable = "KVS_TIMER_SLACK"

// Widen gives this process the slack Wanted, unless it has as much. For that the program is run anew in this process,
// with its arguments, environment and inherited files, and Widen does not return. So it is called before anything else
// is done. An error means that the process goes on with the slack that it had; it costs CPU alone.
func Widen() error {
	if _, again := os.LookupEnv(variable); again {
		return os.Unsetenv(variable) // so that it does not reach children.
	}
	runtime.LockOSThread() // a thread's slack is its own, and passes to the program that it runs.
	defer runtime.UnlockOSThread()
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || now >= int(Wanted) {
		return failed(err)
	}
	program, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(Wanted), 0, 0, 0); err != nil {
		return failed(err)
	}
	return failed(unix.Exec(program, os.Args, append(os.Environ(), variable+"="+Wanted.String())))
}

func failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the process keeps its timer slack: %w", err)
}
