package simcmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ErrInterrupted is the error of a command that Ctrl-C or SIGTERM has ended.
var ErrInterrupted = errors.New("interrupted")

// UntilSignal returns a context that Ctrl-C or SIGTERM ends, and a function that releases it. A second signal ends the
// program, unless it comes together with the first: timeout(1) signals its child, and then the group.
func UntilSignal() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	return ctx, stop
}

// outliveSignals ignores Ctrl-C and SIGTERM, which reach the whole process group: the parent process handles them, and
// waits for runs under way. The end of stdin ends this process in any case.
func outliveSignals() { signal.Ignore(os.Interrupt, syscall.SIGTERM) }
