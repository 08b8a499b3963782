package simcmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"kvs/sim/simcmd/heap"
	"kvs/sim/simcmd/process"
)

// report is a worker's report on one seed, as a line of JSON. Both ends are the same build, so the format is not
// stable.
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

// worker runs one seed after another.
type worker interface {
	// run returns the report on a seed. After an error the worker must not be used any more.
	run(seed uint64) (report, error)
	close()
}

// seedProcess is a worker in a process of its own.
type seedProcess struct{ *process.Process }

func (p *seedProcess) run(seed uint64) (report, error) {
	var r report
	line, err := p.Ask(fmt.Sprint(seed))
	if err != nil {
		return report{}, err
	}
	if err := json.Unmarshal(line, &r); err != nil || r.Seed != seed {
		p.close()
		return report{}, fmt.Errorf("its process says %q, which is no report on it", line)
	}
	return r, nil
}

func (p *seedProcess) close() { p.Process.Close() }

// startSeeds runs a program, this one or a mutant of it, as a worker.
func startSeeds(program string, args, env []string, timeout time.Duration) (*seedProcess, error) {
	p, err := process.Start(program, args, env, timeout)
	if err != nil {
		return nil, err
	}
	return &seedProcess{p}, nil
}

// startWorker is startSeeds, for callers that take any worker.
func startWorker(program string, args, env []string, timeout time.Duration) (worker, error) {
	p, err := startSeeds(program, args, env, timeout)
	if err != nil {
		return nil, err // a nil interface, not one that holds a nil pointer.
	}
	return p, nil
}

// newWorkerCommand is the other end of soak: it runs the seeds that come in on stdin, one a line.
func (t *Tools) newWorkerCommand() *cobra.Command {
	e := t.Experiment()
	cmd := &cobra.Command{Use: "worker", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return e.work(t.IO) },
	}
	e.addScenarioFlag(cmd)
	e.addFlags(cmd)
	return cmd
}

func (e *Experiment) work(io IO) error {
	outliveSignals()
	s, err := e.Load()
	if err != nil {
		return err
	}
	garbage := heap.NewCollector()
	seeds := bufio.NewScanner(io.In)
	out := json.NewEncoder(io.Out)
	for seeds.Scan() {
		seed, err := strconv.ParseUint(seeds.Text(), 10, 64)
		if err != nil {
			return fmt.Errorf("worker: %w", err)
		}
		drawn, res, err := e.Run(s, seed, nil, nil)
		if err != nil {
			return err
		}
		r := report{
			Seed: seed, Broken: len(res.Violations) > 0, Line: res.String(),
			Operations: res.Operations, Events: res.Events, Faults: res.Faults, Simulated: int64(res.Simulated),
		}
		if r.Broken {
			r.Explained = e.explain(res)
			if e.Out != "" {
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
		garbage.RunOver()
	}
	return seeds.Err()
}
