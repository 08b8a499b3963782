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
)

// guardedOptions are the flags of commands that run a program under a lock.
type guardedOptions struct {
	ttl        time.Duration
	stopAfter  time.Duration // zero: a tenth of ttl.
	holder     string
	foreground bool
	connect    func(attempt time.Duration) (*client.Client, error)
}

func (o *guardedOptions) addFlags(e *Environment, cmd *cobra.Command, holder string) {
	cmd.Flags().DurationVar(&o.ttl, "ttl", recipe.DefaultOptions().TTL,
		"how long the lock outlives this command, if it dies or is cut off")
	cmd.Flags().DurationVar(&o.stopAfter, "stop-after", 0,
		"time from SIGTERM to SIGKILL for CMD when the lock is lost (default a tenth of --ttl)")
	cmd.Flags().StringVar(&o.holder, "holder", "", holder)
	cmd.Flags().BoolVar(&o.foreground, "foreground", false,
		"leave CMD in the terminal's group, so that it can read from it; what CMD starts is not stopped then")
	o.connect = e.Reach(cmd)
}

// options checks the flags.
func (o *guardedOptions) options() (recipe.Options, error) {
	ro := recipe.DefaultOptions()
	if o.ttl < slot.TTLMin || o.ttl > slot.TTLMax || o.ttl%time.Millisecond != 0 {
		return ro, exit.BadUsage("--ttl %v: want whole milliseconds from %v", o.ttl, slot.TTLMin)
	}
	if len(o.holder) > recipe.HolderBytesMax {
		return ro, exit.BadUsage("--holder: at most %d bytes", recipe.HolderBytesMax)
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

// ended is how a guarded program ended.
type ended struct {
	code int
	lost bool // it was stopped, because the lock was lost.

	signalled bool // this command was told to end.
}

// guarded runs a program for as long as a lock lasts, and passes signals on to it.
func guarded(e *Environment, o *guardedOptions, l *recipe.Lock, argv []string, signals <-chan os.Signal) (ended,
	error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.In, e.Out, e.Err
	cmd.Env = append(os.Environ(), tokenVariable+"="+l.Token().String(), lockVariable+"="+l.Path())
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

// release frees a lock after its program has ended. The program's exit code says more than a failure of this.
func release(e *Environment, l *recipe.Lock, ttl time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), ttl)
	defer cancel()
	if err := l.Release(ctx); err != nil && !errors.Is(err, recipe.ErrLost) {
		e.Say("kvs: %v; it ends by itself within %v or some seconds more", err, ttl)
	}
}
