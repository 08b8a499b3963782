package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"kvs/cmd/kvs/supervisor"
	"kvs/node/daemon"
	"kvs/node/host"
	"kvs/node/host/config"
	"kvs/node/host/logging"
)

// runNode runs the node of one configuration in the foreground until a signal or a failure ends it. `kvs start` runs
// this same form in the background, so there is only one way in which a node runs.
func (a *app) runNode(ctx context.Context, arg string) error {
	narrow := a.widenSlack()
	a.addProcessor()
	signals := make(chan os.Signal, 2)
	defer a.notifyNode(signals)()

	inst, exists, err := a.resolve(arg)
	if err != nil {
		return coded(exitUsage, err)
	}
	if !exists {
		if err := a.mayWrite(arg, inst); err != nil {
			return err
		}
	}
	cfg, err := a.loadOrWrite(inst)
	if err != nil {
		return err
	}
	log, err := a.openNodeLog(cfg)
	if err != nil {
		return err
	}
	defer log.close()
	if narrow != nil {
		log.Warn("each write costs more of the processor than it has to", "err", narrow)
	}
	r := nodeRun{app: a, inst: inst, cfg: cfg, log: log, signals: signals}
	err = r.run(ctx)
	if code, silent := codeOf(err); !silent && cfg.Log.Format == logging.JSON.String() {
		// the last line is a line of the log, as all before it are.
		log.Error("the node has failed", "err", err)
		return coded(code, nil)
	}
	return err
}

// nodeRun is one run of a node in this process.
type nodeRun struct {
	app     *app
	inst    daemon.Instance
	cfg     *config.Config
	log     *nodeLog
	signals <-chan os.Signal
	reg     registration
}

// run registers the node, starts it, and waits for its end.
func (r *nodeRun) run(ctx context.Context) error {
	reg, err := r.app.register(r.inst, r.log.Logger)
	if err != nil {
		return err
	}
	r.reg = reg
	for {
		node, calledOff, err := r.start(ctx)
		switch {
		case err != nil || node == nil:
			return errors.Join(err, reg.Release())
		case calledOff:
			return r.awaitStop(node)
		}
		r.tell(supervisor.Status("serves at %s", node.Addr()))
		r.tell(supervisor.Ready())
		if err = r.untilDone(node); !errors.Is(err, host.ErrDamaged) {
			return err
		}
		r.log.Warn("the node starts again, to get from the other members what its store has lost")
	}
}

// tell logs that the supervisor could not be told something: the node runs nevertheless.
func (r *nodeRun) tell(err error) {
	if err != nil {
		r.log.Warn("the supervisor does not know how the node is doing", "err", err)
	}
}

// start starts the node, which may take long: meanwhile a signal can cancel it. Then there is no error, and no node,
// unless the signal came too late: the caller stops that node.
func (r *nodeRun) start(ctx context.Context) (node runningNode, calledOff bool, err error) {
	ctx, callOff := context.WithCancel(ctx)
	defer callOff()
	type outcome struct {
		node runningNode
		err  error
	}
	started := make(chan outcome, 1)
	go func() {
		node, err := r.app.startNode(ctx, r.cfg, r.log, r.listening)
		started <- outcome{node, err}
	}()
	var impatience <-chan time.Time
	for {
		select {
		case o := <-started:
			switch {
			case ctx.Err() != nil && o.err != nil: // it was cancelled in time.
				return nil, true, nil
			case ctx.Err() != nil:
				return o.node, true, nil
			case o.err != nil:
				return nil, false, fmt.Errorf("%s: %w", r.inst, o.err)
			}
			return o.node, false, nil
		case sig := <-r.signals:
			switch {
			case sig == syscall.SIGHUP:
				r.log.reload(r.cfg)
			case ctx.Err() == nil:
				r.log.Info("the start is cancelled", "signal", sig.String())
				callOff()
				impatience = time.After(r.cfg.ShutdownTimeout)
			case sig == os.Interrupt:
				return nil, true, coded(exitInterrupted, nil)
			}
		case <-impatience: // the start cannot be cut short; the process can end without a loss.
			return nil, true, nil
		}
	}
}

// listening completes the PID file.
func (r *nodeRun) listening(addr string) {
	r.tell(supervisor.Status("opens its store, and answers at %s that it is starting", addr))
	if err := r.reg.Serving(addr); err != nil {
		r.log.Warn("the PID file could not be completed: kvs status will say that the node is starting", "err", err)
	}
}

// untilDone waits for the end of a node that runs.
func (r *nodeRun) untilDone(node runningNode) error {
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	for {
		select {
		case err := <-ended:
			if err == nil {
				return r.reg.Release()
			}
			// The PID file stays: by it status recognises that this end was not asked for.
			return fmt.Errorf("%s: the node ended by itself: %w", r.inst, err)
		case sig := <-r.signals:
			if sig == syscall.SIGHUP {
				r.log.reload(r.cfg)
				if err := node.Reload(); err != nil {
					r.log.Error("certificates are not reloaded: those read before stay in use", "error", err)
				}
				continue
			}
			r.log.Info("stopping; Ctrl-C (SIGINT) from now on quits at once", "signal", sig.String(), "timeout",
				r.cfg.ShutdownTimeout)
			return r.awaitStop(node)
		}
	}
}

// awaitStop stops the node, and handles signals meanwhile.
func (r *nodeRun) awaitStop(node runningNode) error {
	r.tell(supervisor.Stopping())
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop(node) }()
	for {
		select {
		case err := <-stopped:
			if err != nil { // The PID file stays: by it stop and status recognise that this was no end in good order.
				return err
			}
			return r.reg.Release()
		case sig := <-r.signals:
			switch sig {
			// SIGINT comes from a person who does not want to wait; SIGTERM comes once from each kvs stop.
			case os.Interrupt:
				r.log.Warn("quitting at once", "signal", sig.String())
				return coded(exitInterrupted, r.reg.Release())
			case syscall.SIGHUP:
				r.log.reload(r.cfg)
			default:
				r.log.Info("it is stopping already", "signal", sig.String())
			}
		}
	}
}

// stop ends the node in good order, within its own time.
func (r *nodeRun) stop(node runningNode) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.ShutdownTimeout)
	defer cancel()
	if err := node.Stop(ctx); err != nil {
		return fmt.Errorf("%s: stop: %w", r.inst, err)
	}
	return nil
}

// registration is the process's entry in the kvs home.
type registration interface {
	Serving(address string) error
	Release() error
}

// unregistered is the lack of an entry: the node runs, and kvs status does not know it.
type unregistered struct{}

func (unregistered) Serving(string) error { return nil }
func (unregistered) Release() error       { return nil }

// register enters this process in the kvs home. If the home cannot be used, as in a read-only container, the node runs
// nevertheless; if the same node runs already, it does not.
func (a *app) register(inst daemon.Instance, log *slog.Logger) (registration, error) {
	d, err := a.daemon(func(line string) { log.Info(line) })
	if err == nil {
		var reg *daemon.Registration
		if reg, err = d.Register(inst); err == nil {
			return reg, nil
		}
	}
	if d != nil && !errors.Is(err, daemon.ErrHome) {
		return nil, err
	}
	log.Warn("no PID file is written: kvs status and kvs stop will not know this node", "err", err)
	return unregistered{}, nil
}
