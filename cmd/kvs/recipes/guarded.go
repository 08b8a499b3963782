package recipes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/exit"
	"kvs/node/client"
	"kvs/node/client/recipe"
	"kvs/node/slot"
)

// The variables that a guarded program finds in its environment.
const (
	tokenVariable = "KVS_FENCING_TOKEN"
	lockVariable  = "KVS_LOCK"
	leaseVariable = "KVS_LEASE"
)

// granted is what a program runs under: a lock, or a lease. Its context ends when it is lost.
type granted interface {
	Context() context.Context
	Path() string
	Release(ctx context.Context) error
}

// variablesOf are what a program finds of it in its environment.
func variablesOf(l granted) []string {
	if lock, ok := l.(*recipe.Lock); ok {
		return []string{tokenVariable + "=" + lock.Token().String(), lockVariable + "=" + lock.Path()}
	}
	return []string{leaseVariable + "=" + l.Path()}
}

// guardedOptions are the flags of commands that run a program under a lock or a lease.
type guardedOptions struct {
	ttl        time.Duration
	stopAfter  time.Duration // zero: a tenth of ttl.
	holder     string
	holderFlag string
	foreground bool
	connect    func(attempt time.Duration) (*client.Client, error)
}

// addFlags adds them. The holder has a flag of this name, with this help.
func (o *guardedOptions) addFlags(e *Environment, cmd *cobra.Command, holderFlag, holder string) {
	o.holderFlag = holderFlag
	cmd.Flags().DurationVar(&o.ttl, "ttl", recipe.DefaultOptions().TTL,
		"how long the "+what(cmd)+" outlives this command, if it dies or is cut off")
	cmd.Flags().DurationVar(&o.stopAfter, "stop-after", 0,
		"time from SIGTERM to SIGKILL for CMD when the "+what(cmd)+" is lost (default a tenth of --ttl)")
	cmd.Flags().StringVar(&o.holder, holderFlag, "", holder)
	cmd.Flags().BoolVar(&o.foreground, "foreground", false,
		"leave CMD in the terminal's group, so that it can read from it; what CMD starts is not stopped then")
	o.connect = e.Reach(cmd)
}

// what is the word for what a command's program runs under.
func what(cmd *cobra.Command) string {
	if cmd.Name() == "lease" {
		return "lease"
	}
	return "lock"
}

// options checks the flags.
func (o *guardedOptions) options() (recipe.Options, error) {
	ro := recipe.DefaultOptions()
	if o.ttl < slot.TTLMin || o.ttl > slot.TTLMax || o.ttl%time.Millisecond != 0 {
		return ro, exit.BadUsage("--ttl %v: want whole milliseconds from %v", o.ttl, slot.TTLMin)
	}
	if len(o.holder) > recipe.HolderBytesMax {
		return ro, exit.BadUsage("--%s: at most %d bytes", o.holderFlag, recipe.HolderBytesMax)
	}
	if o.stopAfter < 0 {
		return ro, exit.BadUsage("--stop-after %v: want 0 or more", o.stopAfter)
	}
	if o.stopAfter == 0 {
		o.stopAfter = o.ttl / 10
	}
	ro.TTL, ro.Holder = o.ttl, o.holder
	if ro.Holder == "" {
		ro.Holder = defaultHolder()
	}
	return ro, nil
}

// defaultHolder tells people where the holder is.
func defaultHolder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// attemptOf is how long a request to one member may take: some have to fit into the time to live.
func attemptOf(ttl time.Duration) time.Duration { return min(ttl/4, 5*time.Second) }

// use is what the commands that run a program begin with.
type use struct {
	signals <-chan os.Signal
	options recipe.Options
	client  *client.Client
}

// begin checks the flags and connects. The caller calls end, unless there is an error.
func (o *guardedOptions) begin(e *Environment) (u *use, end func(), err error) {
	ro, err := o.options()
	if err != nil {
		return nil, nil, err
	}
	c, err := o.connect(attemptOf(ro.TTL))
	if err != nil {
		return nil, nil, err
	}
	signals := make(chan os.Signal, 4)
	ignore := e.Notify(signals)
	return &use{signals, ro, c}, func() { c.Close(); ignore() }, nil
}

// guard runs the program args[1:] under what get gets of the name args[0].
func guard[L granted](ctx context.Context, e *Environment, o *guardedOptions, args []string,
	get func(ctx context.Context, e *Environment, u *use, name string) (L, error)) error {
	u, end, err := o.begin(e)
	if err != nil {
		return err
	}
	defer end()
	l, err := get(ctx, e, u, args[0])
	if err != nil {
		return err
	}
	how, err := guarded(e, o, l, args[1:], u.signals)
	release(e, l, u.options.TTL)
	return exitOf(how, err)
}

// ended is how a guarded program ended.
type ended struct {
	code int
	lost bool // it was stopped, because the lock was lost.

	signalled bool // this command was told to end.
}

// guarded runs a program for as long as a lock or a lease lasts, and passes signals on to it.
func guarded(e *Environment, o *guardedOptions, l granted, argv []string, signals <-chan os.Signal) (ended,
	error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.In, e.Out, e.Err
	cmd.Env = append(os.Environ(), variablesOf(l)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !o.foreground}
	dieWithUs(cmd.SysProcAttr)
	started, done := make(chan error), make(chan error, 1)
	go func() { // the kernel ties the program to the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		code := exit.NoStart
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			code = exit.NoFile
		}
		return ended{}, exit.With(code, err)
	}
	signal := func(s syscall.Signal) {
		pid := cmd.Process.Pid
		if !o.foreground {
			pid = -pid
		}
		_ = syscall.Kill(pid, s) // it may have ended.
	}
	lost, signalled := l.Context().Done(), false
	var kill <-chan time.Time
	for {
		select {
		case err := <-done:
			if kill != nil {
				signal(syscall.SIGKILL) // what it has started and left behind.
			}
			return ended{codeOf(cmd, err), kill != nil, signalled}, nil
		case <-lost:
			e.Say("kvs: %s: %v; %s is stopped", l.Path(), context.Cause(l.Context()), argv[0])
			lost = nil
			signal(syscall.SIGTERM)
			signal(syscall.SIGCONT) // a program that stands still could not end.
			kill = time.After(o.stopAfter)
		case <-kill:
			signal(syscall.SIGKILL)
			kill = make(chan time.Time)
		case s := <-signals:
			signalled = true
			if s, ok := s.(syscall.Signal); ok {
				signal(s)
			}
		}
	}
}

// codeOf is the exit code of a program, as a shell tells it.
func codeOf(cmd *exec.Cmd, err error) int {
	if err == nil {
		return 0
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return int(exit.Signalled) + int(status.Signal())
	}
	return max(cmd.ProcessState.ExitCode(), 1)
}

// release ends a lock or a lease after its program has ended. The program's exit code says more than a failure of this.
func release(e *Environment, l granted, ttl time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), ttl)
	defer cancel()
	if err := l.Release(ctx); err != nil && !errors.Is(err, recipe.ErrLost) {
		e.Say("kvs: %v; it ends by itself within %v or some seconds more", err, ttl)
	}
}
