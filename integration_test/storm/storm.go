package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/chaos/process"
)

// Options of Run. Every field without a default is required.
type Options struct {
	Program  string // path of kvs.
	Dir      string // for configurations, data and logs, which stay there.
	Nodes    int    // 3 to NodesMax.
	Seed     uint64
	Duration time.Duration // of the storm itself; the look at what is left of it comes on top.
	Say      func(string)  // default: nothing is said.
}

// NodesMax is the largest cluster that Run starts.
const NodesMax = 9

// Settings of the nodes that a storm needs smaller than by default, so that their bounds are met in minutes.
const (
	descriptorsMax = 320       // of a process: the hard limit that it gets.
	diskBytes      = 400 << 20 // of each node's data folder, where it can be a file system of its own.
	settings       = "disk: {low_watermark: 32MiB, high_watermark: 48MiB}\nlog: {level: warn}\n"
	settleTimeout  = 3 * time.Minute        // after the storm, until all members are ready and alike.
	writePause     = 3 * time.Millisecond   // of each writer after each write.
	watchInterval  = 500 * time.Millisecond // between two looks at the processes.
)

// Figures are what a storm came to.
type Figures struct {
	Seed     uint64         `json:"seed"`
	Nodes    int            `json:"nodes"`
	Seconds  float64        `json:"seconds"`
	Faults   map[string]int `json:"faults"`     // by their names.
	Acked    int            `json:"acked"`      // writes that were acknowledged.
	Unknown  int            `json:"unknown"`    // writes that had no certain answer, and may be there or not.
	Refused  int            `json:"refused"`    // writes that certainly did nothing.
	Lost     int            `json:"lost"`       // acknowledged ones that a member does not show.
	Peak     Usage          `json:"peak"`       // of the process that used most.
	Settled  float64        `json:"settled"`    // seconds after the storm until all members were ready and alike.
	Skipped  []string       `json:"skipped"`    // kinds of faults that this machine does not allow, with the reason.
	Problems []string       `json:"violations"` // what must not be.
}

// String is one line for people.
func (f *Figures) String() string {
	var faults []string
	for _, k := range kinds {
		if n := f.Faults[k.name]; n > 0 {
			faults = append(faults, fmt.Sprintf("%d %s", n, k.title))
		}
	}
	return fmt.Sprintf("seed %d: %d nodes, %.0f s: %s; %d writes acknowledged, %d lost; at most %d MiB of memory, %d "+
		"MiB of disk, %d goroutines, %d descriptors a node; all alike %.0f s after the storm",
		f.Seed, f.Nodes, f.Seconds, strings.Join(faults, ", "), f.Acked, f.Lost, f.Peak.MemoryBytes>>20,
		f.Peak.DiskBytes>>20, f.Peak.Goroutines,
		f.Peak.Descriptors, f.Settled)
}

// storm is one call of Run.
type storm struct {
	o       Options
	draw    *rand.Rand
	cluster *process.Cluster
	figures *Figures
	work    *work
	watch   *watch
	disks   []string       // mounted file systems.
	crowds  map[int]*conns // by node: what a fault keeps open.
	fresh   map[int]bool   // by node: it was given an empty folder, and has not answered since.
}

// Run starts the nodes, lets the storm rage, and looks at what is left. An error means that the storm could not be
// made, or that something happened that must not: then the figures, if there are any, have it among Problems.
func Run(ctx context.Context, o Options) (f *Figures, err error) {
	if o.Nodes < 3 || o.Nodes > NodesMax || o.Duration <= 0 {
		return nil, fmt.Errorf("storm: %d nodes for %v: want 3 to %d nodes, and more than no time", o.Nodes, o.Duration,
			NodesMax)
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	s := &storm{
		o: o, draw: rand.New(rand.NewPCG(o.Seed, 0)), crowds: map[int]*conns{},
		fresh:   map[int]bool{},
		figures: &Figures{Seed: o.Seed, Nodes: o.Nodes, Faults: map[string]int{}},
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(); err != nil {
		return nil, err
	}
	s.work, s.watch = startWork(s.cluster.Endpoints(), o.Seed), startWatch(s)
	started := time.Now()
	err = s.rage(ctx)
	s.figures.Seconds = time.Since(started).Seconds()
	s.work.stop()
	if err == nil {
		err = s.settle(ctx)
	}
	s.figures.Peak = s.watch.stop()
	if err != nil {
		return s.figures, err
	}
	if err := s.verify(ctx); err != nil {
		return s.figures, err
	}
	s.figures.Problems = append(s.figures.Problems, s.watch.problems...)
	if err := s.cluster.Failures(); err != nil {
		s.figures.Problems = append(s.figures.Problems, err.Error())
	}
	if len(s.figures.Problems) > 0 {
		return s.figures, fmt.Errorf("storm of seed %d: %s", o.Seed, strings.Join(s.figures.Problems, "; "))
	}
	return s.figures, nil
}

// start mounts the disks, if it may, and starts the nodes and waits until all are ready.
func (s *storm) start() error {
	if err := os.MkdirAll(s.o.Dir, 0o755); err != nil {
		return err
	}
	for i := 1; i <= s.o.Nodes; i++ {
		data := filepath.Join(s.o.Dir, fmt.Sprintf("n%d", i), "data")
		if err := os.MkdirAll(data, 0o755); err != nil {
			return err
		}
		if err := mountDisk(data, diskBytes); err != nil {
			s.skip("disk", fmt.Sprintf("a node needs a file system of its own: %v", err))
			break
		}
		s.disks = append(s.disks, data)
	}
	program, err := s.launcher()
	if err != nil {
		return err
	}
	s.cluster, err = process.Start(process.Options{
		Program: program, Dir: s.o.Dir, Nodes: s.o.Nodes, Config: settings, Clocks: true, Base: chaos.Link{},
		Rand: s.draw,
	})
	if err != nil {
		return err
	}
	_, err = s.awaitAlike(context.Background())
	return err
}

// launcher is a program that runs kvs with few descriptors.
func (s *storm) launcher() (string, error) {
	program, err := filepath.Abs(s.o.Program)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.o.Dir, "kvs")
	text := fmt.Sprintf("#!/bin/sh\nulimit -n %d || exit 1\nexec '%s' \"$@\"\n", descriptorsMax,
		strings.ReplaceAll(program, "'", `'\''`))
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(text), 0o755)
}

func (s *storm) skip(kind, why string) {
	s.figures.Skipped = append(s.figures.Skipped, kind+": "+why)
	s.o.Say("no faults of the kind " + kind + ": " + why)
}

func (s *storm) close() error {
	var errs []error
	if s.work != nil {
		s.work.stop()
	}
	if s.watch != nil {
		s.watch.stop()
	}
	for i := range s.crowds {
		errs = append(errs, s.endFlood(i))
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.Close())
	}
	for _, d := range s.disks {
		errs = append(errs, unmountDisk(d))
	}
	return errors.Join(errs...)
}
