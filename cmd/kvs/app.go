package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/ops"
	"kvs/cmd/version"
	"kvs/node"
	"kvs/node/client"
	"kvs/node/client/load"
	"kvs/node/daemon"
	"kvs/node/host/config"
	"kvs/node/host/slack"
)

// app is what the commands need of their environment, so that tests can replace it.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	cwd      func() (string, error)

	// notify makes c receive the signals that end a command, until stop is called.
	notify func(c chan<- os.Signal) (stop func())

	// notifyNode is notify for a node: SIGHUP asks it to read the settings of its log again, and other signals do not
	// end it by accident.
	notifyNode func(c chan<- os.Signal) (stop func())

	// widenSlack may run the program anew, and is called before a node does anything else.
	widenSlack   func() error
	addProcessor func()

	daemon  func(say func(string)) (*daemon.Daemon, error)
	connect func(to access) (cluster, error)

	// connectLoad returns one store for each endpoint; each keeps up to conns connections and does not retry.
	connectLoad func(to access, conns int, timeout time.Duration) ([]load.Store, error)

	// identityAt is the ID of the node that answers at an address, asked as the node of cfg; empty: none does.
	identityAt func(ctx context.Context, cfg *config.Config, address string) string

	startNode func(ctx context.Context, cfg *config.Config, log *nodeLog, listening func(addr string)) (runningNode,
		error)

	mu    sync.Mutex // guards err: commands that work on several nodes at once comment on all of them.
	drawn bool       // a bar is on the last line of err, see progress.go.
}

// newApp is the real environment.
func newApp() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, cwd: os.Getwd,
		notify: notifyEnd,

		notifyNode: notifyNode,
		widenSlack: slack.Widen, addProcessor: slack.AddProcessor,

		daemon:  newDaemon,
		connect: connect,

		connectLoad: connectLoad,

		identityAt: identityAt,

		startNode: startNode,
	}
}

// notifyEnd listens to the signals that ask for an end in good order. A terminal that closes asks for it too, unless
// nohup prevents that.
func notifyEnd(c chan<- os.Signal) func() {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Notify(c, signals...)
	return func() { signal.Stop(c) }
}

// notifyNode listens to SIGINT and SIGTERM, which end a node, and to SIGHUP, which does not, whether from log rotation
// or from a terminal that closes. SIGPIPE of a closed output does not end it either: it serves clients.
func notifyNode(c chan<- os.Signal) func() {
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return func() { signal.Stop(c) }
}

// newDaemon launches nodes with this program itself.
func newDaemon(say func(string)) (*daemon.Daemon, error) {
	home, err := daemon.HomeFromEnvironment()
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program file of kvs: %w", err)
	}
	return &daemon.Daemon{
		Home: home, Processes: daemon.ProcTable{}, Clock: daemon.SystemClock{}, Launcher: daemon.Exec{Program: exe},
		Prober: prober{}, Version: version.Read().String(), Say: say,
		Dial: daemon.Dial,
	}, nil
}

// say writes one line of commentary.
func (a *app) say(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wipeBar()
	fmt.Fprintf(a.err, format+"\n", args...)
}

// wipeBar makes room for a line of text. The caller holds mu.
func (a *app) wipeBar() {
	if a.drawn {
		a.drawn = false
		fmt.Fprint(a.err, "\r\x1b[K")
	}
}

func (a *app) openDaemon() (*daemon.Daemon, error) {
	return a.daemon(func(line string) { a.say("%s", line) })
}

// interruptible is ctx until the first SIGINT or SIGTERM. The second one ends the process the usual way.
func (a *app) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	c := make(chan os.Signal, 1)
	stop := a.notify(c)
	go func() {
		select {
		case <-c:
			stop()
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { stop(); cancel() }
}

// execute runs one command line and returns the process's exit code.
func execute(a *app, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	refuseUnknownTopics(root)
	err := root.ExecuteContext(context.Background())
	code, silent := codeOf(err)
	if !silent {
		a.say("kvs: %s", strings.TrimRight(err.Error(), "\n"))
	}
	return int(code)
}

// each runs do for every instance at once and returns the results in the instances' order.
func each[T any](instances []daemon.Instance, do func(daemon.Instance) T) []T {
	results := make([]T, len(instances))
	var wg sync.WaitGroup
	for i, inst := range instances {
		wg.Go(func() { results[i] = do(inst) })
	}
	wg.Wait()
	return results
}

// opsEnv is what the commands of package ops need.
func (a *app) opsEnv() *ops.Env {
	return &ops.Env{
		Out: a.out, Err: a.err, Environ: os.Environ, Now: time.Now, Say: a.say, Resolve: a.resolve,
		Complete: a.completeNodes, Daemon: a.openDaemon, Interruptible: a.interruptible,
		Ask: func(cmd *cobra.Command) func(context.Context, func(context.Context, *client.Client) error) error {
			o := new(clientOptions)
			o.addFlags(cmd, false)
			return func(ctx context.Context, do func(context.Context, *client.Client) error) error {
				return a.askReal(ctx, o, func(ctx context.Context, c *client.Client, _ node.Level) error {
					return do(ctx, c)
				})
			}
		},
		Dial: func(cfg *config.Config, address string, member bool, patience time.Duration) (*client.Client, error) {
			reach := nodeAccess
			if member {
				reach = func(cfg *config.Config, all ...string) (access, error) { return memberAccess(cfg, all[0]) }
			}
			to, err := reach(cfg, address)
			if err != nil {
				return nil, err
			}
			options := to.options()
			options.AttemptTimeout = patience
			return client.New(options)
		},
	}
}
