package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kvs/chaos"
	containers "kvs/chaos/docker"
	processes "kvs/chaos/process"
	"kvs/scenarios"
	"kvs/scenarios/live"
	"kvs/sim/scenario"
)

// The targets that live starts itself; everything else is a list of endpoints.
const (
	targetProcess = "process"
	targetDocker  = "docker"
)

// parseEndpoints reads endpoints with commas between. Space around them and a comma at the end are allowed.
func parseEndpoints(target string) (all []string, err error) {
	for _, e := range strings.Split(strings.TrimSuffix(strings.TrimSpace(target), ","), ",") {
		e = strings.TrimSpace(e)
		switch {
		case e == "":
			return nil, fmt.Errorf("--target %q has an empty endpoint: write process, docker, or host:port,host:port",
				target)
		case slices.Contains(all, e):
			return nil, fmt.Errorf("--target names %s twice; name each member once", e)
		}
		all = append(all, e)
	}
	return all, nil
}

func isEndpoints(target string) bool { return target != targetProcess && target != targetDocker }

// target is a cluster with what else live needs of it.
type target struct {
	live.Target
	world    string
	failures func() error                   // nodes that ended by themselves.
	logs     func(node int) (string, error) // nil: there are none.
	close    func() error
	entry    entry
}

// openTarget starts or finds the cluster that the options name. Dir is for its files.
func openTarget(o *liveOptions, dir string, s *scenario.Scenario, progress func(string)) (*target, error) {
	clocks, disks := live.Needs(s)
	clocks = clocks && o.system.loaded == nil
	own := scenarios.Of(s)
	natural := live.Clocks(s, o.seed, time.Now().UnixMilli())
	switch o.target {
	case targetProcess:
		progress(fmt.Sprintf("starting %d processes", s.Nodes))
		po := processes.Options{
			Program: o.program, Dir: dir, Nodes: s.Nodes, Config: live.Settings(s), Base: s.Network,
			Seeds: own.Tuning.Seeds, Voters: own.Voters.First, Clocks: clocks, Natural: natural,
			Rand: rand.New(rand.NewPCG(o.seed, uint64(os.Getpid()))), Store: o.system.store(),
		}
		if o.secure {
			po.Secure = secureProcess(dir)
		}
		c, err := processes.Start(po)
		if err != nil {
			return nil, err
		}
		return o.enter(&target{c, targetProcess, c.Failures, c.Log, c.Close, entry{}}, dir)
	case targetDocker:
		do := containers.Options{
			Nodes: s.Nodes, Dir: dir, Config: live.Settings(s), Base: s.Network,
			Seeds: own.Tuning.Seeds, Voters: own.Voters.First, Clocks: clocks, Natural: natural,
		}
		do.Store = o.system.store()
		if disks {
			do.DiskBytes = containers.DiskBytesMin
		}
		if o.secure {
			do.Secure, do.Secrets = secureDocker(dir), secretsOf(dir, "").Path("certs")
		}
		t, err := openDocker(o, do, progress)
		if err != nil {
			return nil, err
		}
		return o.enter(t, dir)
	}
	endpoints, err := parseEndpoints(o.target)
	if err != nil {
		return nil, err
	}
	nothing := func() error { return nil }
	return &target{remote{endpoints}, "urls", nothing, nil, nothing, o.entry}, nil
}

// enter sets the access to a cluster that was started.
func (o *liveOptions) enter(t *target, dir string) (*target, error) {
	if !o.secure {
		return t, nil
	}
	var err error
	if t.entry, err = administrator(secretsOf(dir, "")); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func openDocker(o *liveOptions, do containers.Options, progress func(string)) (*target, error) {
	context, image := filepath.Join(do.Dir, "image"), fmt.Sprintf("kvs-live:%d", os.Getpid())
	if err := os.Mkdir(context, 0o700); err != nil {
		return nil, err
	}
	progress("building the image")
	var err error
	if o.system.loaded != nil {
		err = containers.BuildProgramImage(image, o.system.path, context)
	} else {
		err = containers.BuildImage(image, o.program, o.dockerfile, context)
	}
	if err := errors.Join(err, os.RemoveAll(context)); err != nil {
		return nil, fmt.Errorf("%w; name the program with --kvs and the Dockerfile with --dockerfile", err)
	}
	progress(fmt.Sprintf("starting %d containers", do.Nodes))
	do.Image = image
	c, err := containers.Start(do)
	if err != nil {
		return nil, errors.Join(err, containers.RemoveImage(image))
	}
	return &target{c, targetDocker, c.Failures, c.Log,
		func() error { return errors.Join(c.Close(), containers.RemoveImage(image)) }, entry{}}, nil
}

// remote is a cluster that this program did not start.
type remote struct{ endpoints []string }

func (r remote) Nodes() int               { return len(r.endpoints) }
func (r remote) Supports(chaos.Kind) bool { return false }
func (r remote) Endpoints() []string      { return r.endpoints }
func (r remote) Apply(f chaos.Fault) error {
	return fmt.Errorf("`%s`: a cluster given by its endpoints has no faults", f)
}
