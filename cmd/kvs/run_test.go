package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host"
	"kvs/node/host/config"
)

// fakeNode is a node whose end the test decides.
type fakeNode struct {
	ended    chan error
	waiting  chan struct{} // closed when the command has seen that the node runs.
	stopping chan struct{}
	stop     func(context.Context) error
}

func (n *fakeNode) Addr() string { return "127.0.0.1:7001" }
func (n *fakeNode) Wait() error {
	close(n.waiting)
	return <-n.ended
}
func (n *fakeNode) Reload() error { return nil }

func (n *fakeNode) Stop(ctx context.Context) error {
	close(n.stopping)
	return n.stop(ctx)
}

func newFakeNode() *fakeNode {
	return &fakeNode{
		ended: make(chan error, 1), waiting: make(chan struct{}), stopping: make(chan struct{}),
		stop: func(context.Context) error { return nil },
	}
}

// foreground runs a fake node until done is called, which waits for the exit code.
func foreground(t *testing.T, b *bench) (n *fakeNode, pidFile string, done func() int) {
	t.Helper()
	path := filepath.Join(b.dir, "node1.yaml")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	n = newFakeNode()
	b.app.startNode = func(context.Context, *config.Config, *nodeLog, func(string)) (runningNode, error) {
		return n, nil
	}
	code := make(chan int, 1)
	go func() { code <- execute(b.app, []string{"node1"}) }()
	<-b.notified
	<-n.waiting
	d, err := b.app.daemon(func(string) {})
	require.NoError(t, err)
	inst, found, err := b.app.resolve("node1")
	require.NoError(t, err)
	require.True(t, found)
	pidFile = d.Home.PIDPath(inst)
	require.FileExists(t, pidFile)
	return n, pidFile, func() int {
		select {
		case c := <-code:
			return c
		case <-time.After(time.Minute):
			t.Fatal("the command does not end")
			return 0
		}
	}
}

func TestForegroundStopsInGoodOrder(t *testing.T) {
	b := newBench(t)
	_, pidFile, done := foreground(t, b)
	b.signals <- syscall.SIGTERM
	require.Zero(t, done(), b.err.String())
	require.NoFileExists(t, pidFile)
	require.Contains(t, b.err.String(), "from now on quits at once")
}

func TestForegroundSecondSignal(t *testing.T) {
	b := newBench(t)
	n, pidFile, done := foreground(t, b)
	release := make(chan struct{})
	defer close(release)
	n.stop = func(context.Context) error { <-release; return nil }
	b.signals <- os.Interrupt
	<-n.stopping
	b.signals <- os.Interrupt
	require.EqualValues(t, exitInterrupted, done())
	require.NoFileExists(t, pidFile)
}

// A signal that calls off the start may come too late: then the node is stopped, and a second signal still quits at
// once.
func TestForegroundSecondSignalAfterACalledOffStart(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	n, release := newFakeNode(), make(chan struct{})
	defer close(release)
	n.stop = func(context.Context) error { <-release; return nil }
	b.app.startNode = func(ctx context.Context, _ *config.Config, _ *nodeLog, _ func(string)) (runningNode, error) {
		<-ctx.Done()
		return n, nil
	}
	code := make(chan int, 1)
	go func() { code <- execute(b.app, []string{"node1"}) }()
	<-b.notified
	b.signals <- os.Interrupt
	<-n.stopping
	b.signals <- os.Interrupt
	require.EqualValues(t, exitInterrupted, <-code)
	left, err := os.ReadDir(filepath.Join(b.dir, "home", "pids"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A start that is called off in time leaves no node to stop, whatever stands beside its error.
func TestForegroundCalledOffInTime(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	b.app.startNode = func(ctx context.Context, _ *config.Config, _ *nodeLog, _ func(string)) (runningNode, error) {
		<-ctx.Done()
		var none *fakeNode
		return none, ctx.Err()
	}
	code := make(chan int, 1)
	go func() { code <- execute(b.app, []string{"node1"}) }()
	<-b.notified
	b.signals <- syscall.SIGTERM
	require.Zero(t, <-code, b.err.String())
	left, err := os.ReadDir(filepath.Join(b.dir, "home", "pids"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// Whoever calls kvs stop a second time, or several at once, sends further SIGTERMs: they ask for what is under way.
func TestForegroundIsAskedToStopSeveralTimes(t *testing.T) {
	b := newBench(t)
	n, pidFile, done := foreground(t, b)
	release := make(chan struct{})
	n.stop = func(context.Context) error { <-release; return nil }
	b.signals <- syscall.SIGTERM
	<-n.stopping
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTERM} {
		// the channel holds two: the first has been read.
		b.signals <- sig
	}
	close(release)
	require.Zero(t, done(), b.err.String())
	require.NoFileExists(t, pidFile)
	require.NotContains(t, b.err.String(), "quitting at once")
}

// A node that nobody stopped leaves its PID file, so that status can say that it is dead.
func TestForegroundNodeEndsByItself(t *testing.T) {
	b := newBench(t)
	n, pidFile, done := foreground(t, b)
	n.ended <- errors.New("disk on fire")
	require.EqualValues(t, exitFailed, done())
	require.Contains(t, b.err.String(), "disk on fire")
	require.FileExists(t, pidFile)
}

// A node that finds its store damaged while it runs starts again, in the same process: the start makes it whole.
func TestForegroundNodeWithADamagedStoreStartsAgain(t *testing.T) {
	b := newBench(t)
	first, pidFile, done := foreground(t, b)
	second := newFakeNode()
	b.app.startNode = func(context.Context, *config.Config, *nodeLog, func(string)) (runningNode, error) {
		return second, nil
	}
	first.ended <- fmt.Errorf("%w: a bit", host.ErrDamaged)
	<-second.waiting
	require.FileExists(t, pidFile)
	b.signals <- syscall.SIGTERM
	require.Zero(t, done(), b.err.String())
	require.NoFileExists(t, pidFile)
}

func TestForegroundStopFails(t *testing.T) {
	b := newBench(t)
	n, pidFile, done := foreground(t, b)
	n.stop = func(context.Context) error { return errors.New("requests did not end in time") }
	b.signals <- syscall.SIGTERM
	require.EqualValues(t, exitFailed, done())
	require.Contains(t, b.err.String(), "did not end in time")
	require.FileExists(t, pidFile)
}

func TestForegroundStartFails(t *testing.T) {
	b := newBench(t)
	b.app.startNode = func(context.Context, *config.Config, *nodeLog, func(string)) (runningNode, error) {
		return nil, errors.New("address already in use")
	}
	require.EqualValues(t, exitFailed, execute(b.app, []string{"./new.yaml"}))
	require.Contains(t, b.err.String(), "address already in use")
	require.Contains(t, b.err.String(), "wrote "+filepath.Join(b.dir, "new.yaml"))
	left, err := os.ReadDir(filepath.Join(b.dir, "home", "pids"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestForegroundTwice(t *testing.T) {
	b := newBench(t)
	_, _, done := foreground(t, b)
	other := newBench(t)
	other.dir, other.app.cwd, other.app.daemon = b.dir, b.app.cwd, b.app.daemon
	require.EqualValues(t, exitFailed, execute(other.app, []string{"node1.yaml"}))
	require.Contains(t, other.err.String(), "already running")
	b.signals <- syscall.SIGTERM
	require.Zero(t, done())
}

// A node that runs has its identity and its address from its configuration. A restart must not invent another one.
func TestRestartWithoutItsConfiguration(t *testing.T) {
	b := newBench(t)
	_, pidFile, done := foreground(t, b)
	path := filepath.Join(b.dir, "node1.yaml")
	require.NoError(t, os.Remove(path))
	other := newBench(t)
	other.dir, other.app.cwd, other.app.daemon = b.dir, b.app.cwd, b.app.daemon
	for _, args := range [][]string{{"restart", "node1"}, {"restart", "--all"}} {
		require.EqualValues(t, exitUsage, execute(other.app, args), other.err.String())
	}
	require.Contains(t, other.err.String(), path+" is gone")
	require.NoFileExists(t, path)
	require.FileExists(t, pidFile, "it still runs")
	b.signals <- syscall.SIGTERM
	require.Zero(t, done())
}

// A word means the same node to start as to stop, or is refused: start must not make a second node of that name beside
// the first.
func TestStartOfANameThatIsKnownElsewhere(t *testing.T) {
	b := newBench(t)
	_, pidFile, done := foreground(t, b)
	other := newBench(t)
	other.app.daemon = b.app.daemon
	for _, arg := range []string{"node1", "node1.yaml"} {
		other.err.Reset()
		require.EqualValues(t, exitUsage, execute(other.app, []string{"start", arg}))
		require.Contains(t, other.err.String(), "kvs start "+filepath.Join(b.dir, "node1.yaml"))
		require.Contains(t, other.err.String(), "kvs start ./"+arg)
		require.NoFileExists(t, filepath.Join(other.dir, "node1.yaml"))
	}
	require.NoError(t, os.Remove(filepath.Join(b.dir, "node1.yaml")))
	other.app.cwd = b.app.cwd
	require.EqualValues(t, exitUsage, execute(other.app, []string{"start", "node1"}))
	require.Contains(t, other.err.String(), "is gone")
	require.NoFileExists(t, filepath.Join(b.dir, "node1.yaml"))
	require.FileExists(t, pidFile)
	b.signals <- syscall.SIGTERM
	require.Zero(t, done())
}

// The shell is offered nodes that run elsewhere by their names, and otherwise configurations.
func TestCompletionOfNodes(t *testing.T) {
	b := newBench(t)
	_, _, done := foreground(t, b)
	other := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(other.dir, "none.yml"), nil, 0o600))
	complete := func(args ...string) string {
		other.out.Reset()
		require.Zero(t, execute(other.app, append([]string{"__complete"}, args...)), other.err.String())
		return other.out.String()
	}
	require.Equal(t, "yaml\nyml\n:8\n", complete("stop", ""), "no node is known")
	other.app.daemon = b.app.daemon
	for _, command := range []string{"stop", "status", "restart", "logs", "leave"} {
		require.Equal(t, "node1\nnone.yml\n:4\n", complete(command, "no"))
	}
	require.Equal(t, "none.yml\n:4\n", complete("stop", "node1", ""), "what is there already is not offered again")
	require.Equal(t, "yaml\nyml\n:8\n", complete("stop", "../"))
	require.Equal(t, "yaml\nyml\n:8\n", complete("start", ""))
	b.signals <- syscall.SIGTERM
	require.Zero(t, done())
}

// A log of JSON is one to its end: whoever reads it by a program reads why the node did not start, too.
func TestForegroundFailsInTheFormatOfItsLog(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), []byte("log: {format: json}\n"), 0o600))
	b.app.startNode = func(context.Context, *config.Config, *nodeLog, func(string)) (runningNode, error) {
		return nil, errors.New("address already in use")
	}
	require.EqualValues(t, exitFailed, execute(b.app, []string{"node1"}))
	for line := range strings.Lines(b.err.String()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Contains(t, b.err.String(), "address already in use")
	require.Equal(t, 1, strings.Count(b.err.String(), "address already in use"))
}

// Without a usable home a node still serves: containers often have none.
func TestForegroundWithoutHome(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "home"), nil, 0o600)) // a file where the folder should be.
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	n := newFakeNode()
	n.ended <- nil
	b.app.startNode = func(context.Context, *config.Config, *nodeLog, func(string)) (runningNode, error) {
		return n, nil
	}
	require.Zero(t, execute(b.app, []string{"node1.yaml"}), b.err.String())
	require.Contains(t, b.err.String(), "no PID file is written")
}
