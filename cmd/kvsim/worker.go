package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// report is what a worker process says about one seed, as a line of JSON. It is between one build of kvsim and itself: no
// stable format.
type report struct {
	Seed       uint64
	Broken     bool
	Line       string // the line for scripts.
	Explained  string // when broken.
	Operations int
	Events     uint64
	Faults     int
	Simulated  int64 // nanoseconds.
}

// newWorkerCommand is the other end of soak: it lives the seeds that come in on stdin, one a line.
func newWorkerCommand(io stdio) *cobra.Command {
	var e experiment
	cmd := &cobra.Command{Use: "worker", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return e.work(io) },
	}
	cmd.Flags().StringVar(&e.scenario, "scenario", "swarm", "name or path of a scenario")
	e.addFlags(cmd)
	return cmd
}

func (e *experiment) work(io stdio) error {
	outliveSignals()
	s, err := e.load()
	if err != nil {
		return err
	}
	seeds := bufio.NewScanner(io.in)
	out := json.NewEncoder(io.out)
	for seeds.Scan() {
		seed, err := strconv.ParseUint(seeds.Text(), 10, 64)
		if err != nil {
			return fmt.Errorf("worker: %w", err)
		}
		drawn, res, err := e.live(s, seed, nil, nil)
		if err != nil {
			return err
		}
		r := report{
			Seed: seed, Broken: len(res.Violations) > 0, Line: res.String(),
			Operations: res.Operations, Events: res.Events, Faults: res.Faults, Simulated: int64(res.Simulated),
		}
		if r.Broken {
			r.Explained = e.explain(res)
			if e.out != "" {
				dir, err := e.keep(drawn, res)
				if err != nil {
					return err
				}
				r.Explained += "kept in: " + dir + "\n"
			}
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return seeds.Err()
}
