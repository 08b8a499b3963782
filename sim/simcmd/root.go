package simcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim/simcmd/heap"
)

// Exit codes.
const (
	ExitOK     = 0
	ExitBroken = 1 // a promise did not hold.
	ExitUsage  = 2 // the command could not do what it was asked.
)

// ErrBroken is returned by commands that have already printed which promise did not hold.
var ErrBroken = errors.New("a promise did not hold")

// IO is where a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// App is a program of the tools. Only Systems is required.
type App struct {
	Program string // its name, in help and errors. Default: that of the file that runs.
	Short   string // what it is, in a few words.
	Long    string // what it is, above the list of its commands.
	Version string

	Systems  []System                        // the first one is the default; names differ.
	Commands func(t *Tools) []*cobra.Command // of its own, beside those of every system. Default: none.

	// Replay is the one command line that shows a run again. Default: PROGRAM run --seed SEED --scenario SCENARIO.
	Replay func(e *Experiment, seed uint64) string
}

// Main runs the command line of this process over systems, and ends the process. It is all that a program of one's own
// needs:
//
//	func main() { simcmd.Main(mine.System()) }
//
// It is called in package main only.
func Main(systems ...System) { (&App{Systems: systems}).Main() }

// Main runs the command line of this process, and ends the process. It is called in package main only.
func (a *App) Main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heap.Percent) // workers get it from their environment.
	}
	os.Exit(a.Execute(os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

// Execute runs a command line and returns the exit code.
func (a *App) Execute(args []string, io IO) int {
	t, err := newTools(a, io)
	if err == nil {
		root := t.newRoot()
		root.SetArgs(args)
		err = root.Execute()
	}
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrBroken):
		return ExitBroken
	}
	fmt.Fprintf(io.Err, "%s: %v\n", a.program(), err)
	return ExitUsage
}

// Root is the command line itself, for a page of documentation. Execute runs it.
func (a *App) Root(io IO) (*cobra.Command, error) {
	t, err := newTools(a, io)
	if err != nil {
		return nil, err
	}
	return t.newRoot(), nil
}

func (a *App) program() string {
	if a.Program != "" {
		return a.Program
	}
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
}

// Tools are what the commands of one execution have in common.
type Tools struct {
	IO
	App *App

	chosen string // the name of the system.
}

func newTools(a *App, io IO) (*Tools, error) {
	if len(a.Systems) == 0 {
		return nil, errors.New("the program has no system to run: register one")
	}
	for i := range a.Systems {
		if err := a.Systems[i].check(); err != nil {
			return nil, err
		}
		for j := range i {
			if a.Systems[i].name() == a.Systems[j].name() {
				return nil, fmt.Errorf("two systems are called %q: give one another name", a.Systems[i].name())
			}
		}
	}
	return &Tools{IO: io, App: a, chosen: a.Systems[0].name()}, nil
}

// System is the one that was asked for.
func (t *Tools) System() *System {
	for i := range t.App.Systems {
		if t.App.Systems[i].name() == t.chosen {
			return &t.App.Systems[i]
		}
	}
	return nil
}

func (t *Tools) newRoot() *cobra.Command {
	a := t.App
	root := &cobra.Command{
		Use:           a.program(),
		Short:         a.Short,
		Long:          a.Long,
		Version:       a.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	if a.Short == "" {
		root.Short = "Simulated lifetimes of " + t.names()
	}
	if a.Long == "" {
		root.Long = root.Short + `: the real code in a virtual world that one seed draws: network, clocks, disks, faults
and clients.

Exit codes: 0 all promises held, 1 some did not, 2 the command could not do what it was asked.`
	}
	root.SetIn(t.In)
	root.SetOut(t.Out)
	root.SetErr(t.Err)
	if len(a.Systems) > 1 {
		root.PersistentFlags().StringVar(&t.chosen, "system", t.chosen, "the system to run: "+t.names())
		root.PersistentPreRunE = func(*cobra.Command, []string) error {
			if t.System() == nil {
				return fmt.Errorf("--system %q: use one of %s", t.chosen, t.names())
			}
			return nil
		}
	}
	root.AddCommand(t.newRunCommand(), t.newSoakCommand(), t.newReplayCommand(), t.newShrinkCommand(),
		t.newScenariosCommand(), t.newExploreCommand(),
		t.newCheckCommand(), t.newTracesCommand(), t.newMutantsCommand(), t.newWorkerCommand(),
		t.newCandidatesCommand())
	if a.Commands != nil {
		root.AddCommand(a.Commands(t)...)
	}
	return root
}

// names are those of the systems.
func (t *Tools) names() string {
	var out []string
	for i := range t.App.Systems {
		out = append(out, t.App.Systems[i].name())
	}
	return strings.Join(out, ", ")
}

// arguments begin the command line of another process of this program, or of a mutant of it, for the same system.
func (t *Tools) arguments(command string, more ...string) []string {
	args := []string{command}
	if len(t.App.Systems) > 1 {
		args = append(args, "--system", t.chosen)
	}
	return append(args, more...)
}

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
