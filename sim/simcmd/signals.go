package simcmd

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ErrInterrupted ends what Ctrl-C or SIGTERM asked to end.
var ErrInterrupted = errors.New("interrupted")

// UntilSignal returns a context that Ctrl-C or SIGTERM ends, and what gives it up. A second signal ends the program,
// but not one that comes together with the first: timeout(1) tells its child, and then the group.
func UntilSignal() (context.Context, func()) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	return ctx, stop
}

// outliveSignals leaves Ctrl-C and SIGTERM, which both reach the whole process group, to the one that started this
// process: it waits for what is under way. The end of stdin ends this process in any case.
func outliveSignals() { signal.Ignore(os.Interrupt, syscall.SIGTERM) }
