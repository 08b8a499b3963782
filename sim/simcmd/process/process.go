// Package process is a program in a process of its own that answers one line with another, such as a worker of a soak.
package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// errStopped says that a worker was ended from outside, by a signal that asks for it. That says nothing about what it
// ran.
var ErrStopped = errors.New("its process was told to end")

// stopped reports whether a process was ended by such a signal. Workers outlive them, but there is a moment at the
// start of a process in which they do not yet.
func stopped(s *os.ProcessState) bool {
	if s == nil {
		return false
	}
	status, ok := s.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGINT ||
		status.Signal() == syscall.SIGHUP)
}

// Process is this program once more, in a process that answers one line with another: whatever happens to it, the
// others go on.
type Process struct {
	Cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  tail
	timeout time.Duration
}

// Start runs a program. Env comes on top of the environment. Timeout bounds the CPU time of each answer: on a busy
// machine an answer may take patience times as long.
func Start(program string, args, env []string, timeout time.Duration) (*Process, error) {
	p := &Process{Cmd: exec.Command(program, args...), timeout: timeout}
	p.Cmd.Env = append(os.Environ(), env...)
	p.Cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.Cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.Cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.Cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker process: %w", err)
	}
	return p, nil
}

// Ask sends a line and returns the one that comes back. After an error the process is gone.
func (p *Process) Ask(question string) ([]byte, error) {
	inTime := p.watch()
	_, err := fmt.Fprintln(p.in, question)
	var line []byte
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if !inTime() {
		_ = p.Cmd.Wait()
		return nil, fmt.Errorf("it was not done after %s and was ended", p.timeout)
	}
	if err != nil {
		_ = p.in.Close()
		ended := p.Cmd.Wait()
		if stopped(p.Cmd.ProcessState) {
			return nil, fmt.Errorf("%w (%v)", ErrStopped, ended)
		}
		return nil, fmt.Errorf("its process ended (%s):\n%s", fmt.Sprint(ended), p.stderr.String())
	}
	return line, nil
}

// Close ends the process, if it has not ended.
func (p *Process) Close() {
	if p.Cmd.ProcessState != nil {
		return
	}
	_ = p.in.Close()
	overdue := time.AfterFunc(p.timeout, func() { _ = p.Cmd.Process.Kill() })
	_ = p.Cmd.Wait()
	overdue.Stop()
}

// Used is the CPU time of a process that has ended.
func (p *Process) Used() time.Duration {
	if s := p.Cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	return 0
}

// tail keeps the beginning and the end of what a process said last: the first lines of a panic say why, and there may
// be megabytes of goroutines behind them.
type tail struct {
	head, rest []byte
	cut        bool
}

const tailBytesMax = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	n := len(b)
	if room := tailBytesMax - len(t.head); room > 0 {
		take := min(room, len(b))
		t.head = append(t.head, b[:take]...)
		b = b[take:]
	}
	t.rest = append(t.rest, b...)
	if over := len(t.rest) - tailBytesMax; over > 0 {
		t.rest = append(t.rest[:0], t.rest[over:]...)
		t.cut = true
	}
	return n, nil
}

func (t *tail) String() string {
	if t.cut {
		return string(t.head) + "\n[...]\n" + string(t.rest)
	}
	return string(t.head) + string(t.rest)
}
