package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"kvs/node/daemon"
	"kvs/node/host/config"
	"kvs/node/host/logging"
)

// runNode runs the node of one configuration in the foreground until a signal or a failure ends it. `kvs start` runs this very
// form in the background, so there is only one way in which a node lives.
func (a *app) runNode(ctx context.Context, arg string) error {
	signals := make(chan os.Signal, 2)
	defer a.notify(signals)()

	inst, exists, err := a.resolve(arg)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if !exists {
		if err := a.notAFolder(arg); err != nil {
			return err
		}
	}
	cfg, err := a.loadConfig(inst)
	if err != nil {
		return err
	}
	format, err := logging.ParseFormat(cfg.Log.Format)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	log := logging.New(a.err, cfg.SlogLevel(), format)
	err = a.runConfigured(ctx, inst, cfg, log, signals)
	if code, silent := codeOf(err); !silent && format == logging.JSON { // the last line is one of the log, as all before it are.
		log.Error("the node has failed", "err", err)
		return &exitError{code, nil}
	}
	return err
}

// runConfigured is runNode with a log to write to.
func (a *app) runConfigured(ctx context.Context, inst daemon.Instance, cfg *config.Config, log *slog.Logger, signals <-chan os.Signal) error {
	reg, err := a.register(inst, log)
	if err != nil {
		return err
	}
	node, err := a.startNode(ctx, cfg, log)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", inst, err), reg.Release())
	}
	if err := reg.Serving(node.Addr()); err != nil {
		log.Warn("the PID file could not be completed: kvs status will say that the node is starting", "err", err)
	}
	return a.untilDone(inst, node, reg, cfg, log, signals)
}

// untilDone waits for the end of a node that runs.
func (a *app) untilDone(inst daemon.Instance, node runningNode, reg registration, cfg *config.Config, log *slog.Logger, signals <-chan os.Signal) error {
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			return reg.Release()
		}
		// The PID file stays: it is how status knows that nobody wanted this end.
		return fmt.Errorf("%s: the node ended by itself: %w", inst, err)
	case sig := <-signals:
		log.Info("stopping; Ctrl-C (SIGINT) from now on quits at once", "signal", sig.String(), "timeout", cfg.ShutdownTimeout)
	}
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), cfg.ShutdownTimeout)
		defer cancel()
		stopped <- node.Stop(ctx)
	}()
	for {
		select {
		case err := <-stopped:
			if err != nil { // The PID file stays: it is how stop and status know that this was no end in good order.
				return fmt.Errorf("%s: stop: %w", inst, err)
			}
			return reg.Release()
		case sig := <-signals:
			// Only a person at a terminal is in a hurry. SIGTERM comes once from each kvs stop, and SIGHUP from a terminal that closes:
			// both ask for what is under way.
			if sig == os.Interrupt {
				log.Warn("quitting at once", "signal", sig.String())
				return &exitError{exitInterrupted, reg.Release()}
			}
			log.Info("it is stopping already", "signal", sig.String())
		}
	}
}

// registration is the process's entry in the kvs home.
type registration interface {
	Serving(address string) error
	Release() error
}

// unregistered stands for no entry: the node runs, and kvs status does not know it.
type unregistered struct{}

func (unregistered) Serving(string) error { return nil }
func (unregistered) Release() error       { return nil }

// register enters this process in the kvs home. A home that cannot be used, as in a read-only container, is no reason not to
// serve; that the same node runs already is one.
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

// loadConfig reads inst's configuration, and writes one with the defaults when there is none.
func (a *app) loadConfig(inst daemon.Instance) (*config.Config, error) {
	cfg, created, err := config.Load(inst.Config)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if created {
		a.say("%s: there was no configuration; wrote %s with the defaults, each explained in it", inst, inst.Config)
	}
	return cfg, nil
}
