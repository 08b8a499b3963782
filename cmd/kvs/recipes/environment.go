// Package recipes has the commands of kvs that run a program under a lock, with a lease or as a leader, and that count:
// node/client/recipe at the command line.
//
// It makes no connections itself: see Environment. Begin with guarded.go, which runs a program for as long as a lock
// lasts.
package recipes

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client"
	"kvs/node/slot"
)

// Environment is what the commands need of the program that has them.
type Environment struct {
	In       io.Reader
	Out, Err io.Writer

	// Say writes a line of commentary.
	Say func(format string, args ...any)

	// Reach adds the flags that name a cluster to a command, and returns what connects to it. A client gives up one
	// attempt after the time given.
	Reach func(cmd *cobra.Command) func(attempt time.Duration) (*client.Client, error)

	// Notify makes c receive the signals that end a command, until stop is called.
	Notify func(c chan<- os.Signal) (stop func())
}

// Commands returns all commands.
func Commands(e *Environment) []*cobra.Command {
	return []*cobra.Command{newLock(e), newLease(e), newElect(e), newLeader(e), newCounter(e)}
}

// arguments makes a wrong number of arguments, and a path that no node would accept, a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return exit.BadUsage("%w; see %s --help", err, cmd.CommandPath())
		}
		if len(args) > 0 {
			if err := slot.CheckPath(args[0]); err != nil {
				return exit.BadUsage("%w", err)
			}
		}
		return nil
	}
}

// errInterrupted is the end of a command by a signal before it had anything to end.
var errInterrupted = exit.With(exit.Interrupted, nil)

// until returns a context that ends with the first signal. The function ends it, and reports whether a signal came.
func until(ctx context.Context, signals <-chan os.Signal) (context.Context, func() (interrupted bool)) {
	ctx, cancel := context.WithCancelCause(ctx)
	came := make(chan bool, 1)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
			came <- true
		case <-ctx.Done():
			came <- false
		}
	}()
	return ctx, sync.OnceValue(func() bool {
		cancel(nil)
		return <-came
	})
}
