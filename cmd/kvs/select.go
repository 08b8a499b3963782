package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"kvs/node/daemon"
)

// findAll finds the instances that args name, each once. Those that neither exist nor run are an error with the given
// code.
func (a *app) findAll(d *daemon.Daemon, args []string, missing exitCode) ([]daemon.Instance, error) {
	cwd, err := a.cwd()
	if err != nil {
		return nil, err
	}
	var out []daemon.Instance
	for _, arg := range args {
		inst, found, err := d.Find(cwd, arg)
		if err != nil {
			return nil, coded(exitUsage, err)
		}
		if !found {
			return nil, coded(missing, errors.New(arg+": there is no such configuration, and no node of that name "+
				"runs; kvs status lists those that do"))
		}
		out = appendOnce(out, inst)
	}
	return out, nil
}

func appendOnce(all []daemon.Instance, inst daemon.Instance) []daemon.Instance {
	for _, other := range all {
		if other == inst {
			return all
		}
	}
	return append(all, inst)
}

// findOrAll is findAll, or all instances that have a PID file.
func (a *app) findOrAll(d *daemon.Daemon, cmd *cobra.Command, args []string, all bool) ([]daemon.Instance, error) {
	switch {
	case all && len(args) > 0:
		return nil, usageError("--all takes no configurations")
	case all:
		instances, err := d.Known()
		if err == nil && len(instances) == 0 {
			a.say("no node of this user runs")
		}
		return instances, err
	case len(args) == 0:
		return nil, usageError("which node? Name its configuration, or use --all; see %s --help", cmd.CommandPath())
	}
	return a.findAll(d, args, exitUsage)
}

// worst returns the first error, and prints the others: one failure does not hide another.
func (a *app) worst(errs []error) error {
	var first error
	for _, err := range errs {
		switch {
		case err == nil:
		case first == nil:
			first = err
		default:
			a.say("kvs: %v", err)
		}
	}
	return first
}

// positive refuses time limits that cannot be kept.
func positive(flag string, d time.Duration) error {
	if d <= 0 {
		return usageError("--%s %v: want more than 0, such as 30s", flag, d)
	}
	return nil
}
