package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// errStopped says that a worker was ended from outside, by a signal that asks for it. That says nothing about what it lived.
var errStopped = errors.New("its process was told to end")

// stopped reports whether a process was ended by such a signal. Workers outlive them, but there is a moment at the start of a process in
// which they do not yet.
func stopped(s *os.ProcessState) bool {
	if s == nil {
		return false
	}
	status, ok := s.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGINT || status.Signal() == syscall.SIGHUP)
}

// worker lives one seed after another.
type worker interface {
	// live returns the report on a seed. After an error the worker is of no use any more.
	live(seed uint64) (report, error)
	close()
}

// process is a worker in a process of its own: whatever a seed does to it, the others go on.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	stderr  tail
	timeout time.Duration
}

// startProcess runs this program again as a worker. Env comes on top of the environment.
func startProcess(program string, args, env []string, timeout time.Duration) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), timeout: timeout}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker process: %w", err)
	}
	return p, nil
}

func (p *process) live(seed uint64) (report, error) {
	var r report
	line, err := p.ask(fmt.Sprint(seed))
	if err != nil {
		return report{}, err
	}
	if err := json.Unmarshal(line, &r); err != nil || r.Seed != seed {
		p.close()
		return report{}, fmt.Errorf("its process says %q, which is no report on it", line)
	}
	return r, nil
}

// ask sends a line and returns the one that comes back. After an error the process is gone.
func (p *process) ask(question string) ([]byte, error) {
	overdue := time.AfterFunc(p.timeout, func() { _ = p.cmd.Process.Kill() })
	_, err := fmt.Fprintln(p.in, question)
	var line []byte
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if inTime := overdue.Stop(); !inTime {
		_ = p.cmd.Wait()
		return nil, fmt.Errorf("it was not done after %s and was ended", p.timeout)
	}
	if err != nil {
		_ = p.in.Close()
		ended := p.cmd.Wait()
		if stopped(p.cmd.ProcessState) {
			return nil, fmt.Errorf("%w (%v)", errStopped, ended)
		}
		return nil, fmt.Errorf("its process ended (%v):\n%s", ended, p.stderr.String())
	}
	return line, nil
}

func (p *process) close() {
	_ = p.in.Close()
	overdue := time.AfterFunc(p.timeout, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	overdue.Stop()
}

// tail keeps the beginning and the end of what a process said last: the first lines of a panic say why, and there may be
// megabytes of goroutines behind them.
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
