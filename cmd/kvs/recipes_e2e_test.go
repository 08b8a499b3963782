package main

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/client/recipe"
)

// running is a kvs command that runs, and whose output is read line by line.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err *bufio.Reader // its commentary.
}

// begin runs kvs beside the test.
func (s *site) begin(args ...string) *running {
	s.t.Helper()
	r := &running{t: s.t, cmd: s.command(args...)}
	var err error
	r.in, err = r.cmd.StdinPipe()
	require.NoError(s.t, err)
	out, err := r.cmd.StdoutPipe()
	require.NoError(s.t, err)
	errs, err := r.cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, r.cmd.Start())
	s.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.out, r.err = bufio.NewReader(out), bufio.NewReader(errs)
	return r
}

// line is the next line of its output.
func (r *running) line() string {
	r.t.Helper()
	line, err := r.out.ReadString('\n')
	require.NoError(r.t, err)
	return strings.TrimSuffix(line, "\n")
}

// end is its exit code.
func (r *running) end() int {
	_ = r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

// recipeSite is a cluster of three that takes linearizable operations, which the commands ask.
func recipeSite(t *testing.T) *site {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	t.Setenv(endpointsVariable, "") // the site's commands have none of it.
	eventually(t, "the cluster is founded", func() bool {
		return s.run("counter", "add", "founded", "1", "--endpoint", s.endpoint(1)).code == 0
	})
	return s
}

func (s *site) all() []string {
	return []string{"--endpoint", s.endpoint(1), "--endpoint", s.endpoint(2), "--endpoint", s.endpoint(3)}
}

// at is a command line with the endpoints of all nodes before two dashes, or at its end.
func (s *site) at(args ...string) []string {
	for i, a := range args {
		if a == "--" {
			return append(append(append([]string{}, args[:i]...), s.all()...), args[i:]...)
		}
	}
	return append(args, s.all()...)
}

func TestE2ELock(t *testing.T) {
	s := recipeSite(t)
	last := recipe.Token(0)
	token := func(text string) {
		got, err := recipe.ParseToken(strings.TrimSpace(text))
		require.NoError(t, err)
		require.Greater(t, got, last)
		last = got
	}
	show := `printf '%s' "$KVS_FENCING_TOKEN"`
	token(s.ok(s.at("lock", "jobs/a", "--", "sh", "-c", show)...).stdout)
	require.Equal(t, "jobs/a", s.ok(s.at("lock", "jobs/a", "--", "sh", "-c", `printf %s "$KVS_LOCK"`)...).stdout)
	require.Equal(t, 7, s.run(s.at("lock", "jobs/a", "--", "sh", "-c", "exit 7")...).code)
	require.Equal(t, 128+9, s.run(s.at("lock", "jobs/a", "--", "sh", "-c", "kill -9 $$")...).code)
	require.Equal(t, 127, s.run(s.at("lock", "jobs/a", "--", "no-such-program")...).code)
	require.Equal(t, 126, s.run(s.at("lock", "jobs/a", "--", "/")...).code)
	require.Equal(t, int(exitUsage), s.run(s.at("lock", "jobs/a")...).code)
	require.Equal(t, int(exitUsage), s.run(s.at("lock", "jobs/a", "--ttl", "1ms", "--", "true")...).code)
	require.Equal(t, int(exitUsage), s.run(s.at("lock", "jobs//a", "--", "true")...).code)

	// each run has freed the lock: this one need not wait. And while it runs there is no other.
	hold := s.begin(s.at("lock", "jobs/a", "--wait", "0s", "--holder", "me", "--", "sh", "-c",
		show+"; echo; read x")...)
	token(hold.line())
	r := s.run(s.at("lock", "jobs/a", "--wait", "0s", "--", "true")...)
	require.Equal(t, 124, r.code)
	require.Contains(t, r.stderr, `jobs/a is held by "me"`)
	require.Equal(t, 124, s.run(s.at("lock", "jobs/a", "--wait", "300ms", "--", "true")...).code)
	require.Equal(t, last.String()+" me\n", s.ok(s.at("leader", "jobs/a")...).stdout)
	wait := s.begin(s.at("lock", "jobs/a", "--", "sh", "-c", show+"; echo")...)
	require.NoError(t, hold.in.Close())
	require.Equal(t, 1, hold.end(), "read has met the end of its input")
	token(wait.line())
	require.Zero(t, wait.end())
	require.Equal(t, int(exitNotFound), s.run(s.at("leader", "jobs/a")...).code)
}

// The value of a lease is there as long as its program runs, and another program waits for its end.
func TestE2ELease(t *testing.T) {
	s := recipeSite(t)
	hold := s.begin(s.at("lease", "services/a", "--value", "10.0.0.1:631", "--", "sh", "-c",
		`echo "$KVS_LEASE"; read x`)...)
	require.Equal(t, "services/a", hold.line())
	require.Equal(t, "10.0.0.1:631", s.ok("get", "services/a", "--consistency", "linearizable", "--endpoint",
		s.endpoint(2)).stdout)
	r := s.run(s.at("lease", "services/a", "--wait", "0s", "--", "true")...)
	require.Equal(t, 124, r.code)
	require.Contains(t, r.stderr, "services/a is held")
	require.Equal(t, 124, s.run(s.at("lease", "services/a", "--wait", "300ms", "--", "true")...).code)
	require.Equal(t, int(exitUsage), s.run(s.at("lease", "services/a", "--ttl", "1ms", "--", "true")...).code)
	wait := s.begin(s.at("lease", "services/a", "--", "echo", "mine")...)
	said, err := wait.err.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, said, "services/a is held: waiting")
	interrupted := s.begin(s.at("lease", "services/a", "--", "echo", "never")...)
	_, err = interrupted.err.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, interrupted.cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, int(exitInterrupted), interrupted.end())
	require.NoError(t, hold.in.Close())
	require.Equal(t, 1, hold.end(), "read has met the end of its input")
	require.Equal(t, "mine", wait.line())
	require.Zero(t, wait.end())
	require.Equal(t, int(exitNotFound), s.run("get", "services/a", "--consistency", "linearizable", "--endpoint",
		s.endpoint(3)).code, "it is deleted with the end of its program")

	// A lease whose value somebody has changed is lost, and its program is stopped.
	lost := s.begin(s.at("lease", "services/b", "--ttl", "1s", "--", "sh", "-c", "echo up; read x")...)
	require.Equal(t, "up", lost.line())
	s.ok("put", "services/b", "another", "--consistency", "linearizable", "--endpoint", s.endpoint(1))
	require.Equal(t, 125, lost.end())
	require.Equal(t, "another", s.ok("get", "services/b", "--consistency", "linearizable", "--endpoint",
		s.endpoint(1)).stdout)
}

// Signals reach CMD, the lock is freed when CMD has ended, and a command that waits for the lock is interrupted.
func TestE2ELockAndSignals(t *testing.T) {
	s := recipeSite(t)
	// It waits for a program, not in a read: a signal that comes just before a read is not noticed in it.
	holds := "trap 'kill $!; exit 3' TERM; cat <" + s.fifo() + " & echo up; wait"
	hold := s.begin(s.at("lock", "x", "--", "sh", "-c", holds)...)
	require.Equal(t, "up", hold.line())
	wait := s.begin(s.at("lock", "x", "--", "echo", "mine")...)
	other := s.begin(s.at("lock", "x", "--", "echo", "never")...)
	said, err := other.err.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, said, "x is held by")
	require.NoError(t, other.cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, int(exitInterrupted), other.end())
	require.NoError(t, hold.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 3, hold.end())
	require.Equal(t, "mine", wait.line())
	require.Zero(t, wait.end())
}

// fifo is a file to which nothing is ever written.
func (s *site) fifo() string {
	path := filepath.Join(s.dir, "never")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		require.ErrorIs(s.t, err, syscall.EEXIST)
	}
	return path
}

// A lock that is taken away ends the program, and what the program has started, also when they do not listen.
func TestE2ELostLockEndsItsProgram(t *testing.T) {
	s := recipeSite(t)
	deaf := "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do read y <&9; done 9<>" + s.fifo() + "'"
	hold := s.begin(s.at("lock", "x", "--ttl", "3s", "--", "sh", "-c", deaf)...)
	child, err := strconv.Atoi(hold.line())
	require.NoError(t, err)
	s.ok(s.at("delete", "x", "--if-match", "*")...)
	require.Equal(t, 125, hold.end())
	eventually(t, "what it has started is gone", func() bool { return !alive(child) })
}

// A leader that loses its lead campaigns again; with a signal it resigns.
func TestE2EElection(t *testing.T) {
	s := recipeSite(t)
	follow := s.begin(s.at("leader", "service", "--follow")...)
	require.Equal(t, "-", follow.line())
	say := "echo $KVS_FENCING_TOKEN; while :; do read y <&9; done 9<>" + s.fifo()
	a := s.begin(s.at("elect", "service", "--ttl", "3s", "--holder", "a:1", "--", "sh", "-c", say)...)
	first := a.line()
	require.Equal(t, first+" a:1", follow.line())
	s.ok(s.at("delete", "service", "--if-match", "*")...)
	second := a.line()
	require.NotEqual(t, first, second)
	line := follow.line()
	for line == "-" {
		line = follow.line()
	}
	require.Equal(t, second+" a:1", line)
	require.Contains(t, s.ok(s.at("leader", "service", "-o", "json")...).stdout,
		`{"leads":true,"holder":"a:1","token":"`+second+`"}`)

	b := s.begin(s.at("elect", "service", "--holder", "b:2", "--", "sh", "-c", say)...)
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 128+int(syscall.SIGTERM), a.end())
	third := b.line()
	for line = follow.line(); line == "-"; {
		line = follow.line()
	}
	require.Equal(t, third+" b:2", line)
	require.NoError(t, b.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 128+int(syscall.SIGTERM), b.end())
	require.NoError(t, follow.cmd.Process.Signal(syscall.SIGINT))
	require.Zero(t, follow.end())
	require.JSONEq(t, `{"leads":false}`, s.run(s.at("leader", "service", "-o", "json")...).stdout)
}

func TestE2ECounter(t *testing.T) {
	s := recipeSite(t)
	require.Equal(t, "0\n", s.ok(s.at("counter", "get", "n")...).stdout)
	adders := make([]*running, 5)
	for i := range adders {
		adders[i] = s.begin(s.at("counter", "add", "n", "3")...)
	}
	for _, a := range adders {
		require.Zero(t, a.end())
	}
	require.Equal(t, "10\n", s.ok(s.at("counter", "add", "n", "--", "-5")...).stdout)
	require.Equal(t, "10", s.ok(append([]string{"get", "n", "--consistency", "linearizable"}, s.all()...)...).stdout)
	require.Equal(t, int(exitUsage), s.run(s.at("counter", "add", "n", "many")...).code)
	require.Equal(t, int(exitFailed), s.run(s.at("counter", "add", "n", "9223372036854775807")...).code)
	require.Equal(t, int(exitUnavailable), s.run("counter", "get", "n", "--endpoint", "127.0.0.1:1").code)
}
