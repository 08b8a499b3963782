package simcmd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/shrink"
	"kvs/sim/simcmd/process"
)

// trial is a worker's report on one scenario, as a line of JSON. Both ends are the same build, so the format is not
// stable.
type trial struct {
	Failures []string // the ways in which it failed: see sim.Result.Ways.
	Begun    []int
	Line     string // the line for scripts.

	Explained string // what broke, on several lines.

	err error // the worker could not be started: the outcome is unknown.
}

// failed reports whether the run failed in this way, among others.
func (t *trial) failed(way string) bool {
	return slices.Contains(t.Failures, way)
}

// wayLost is the way of a run that ended its process, or never ended.
const wayLost = "lost"

const candidateBytesMax = 1 << 20

// newCandidatesCommand is the other end of shrink: it runs the scenarios that come in on stdin, one JSON string a line.
func (t *Tools) newCandidatesCommand() *cobra.Command {
	return &cobra.Command{Use: "candidates", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			outliveSignals()
			lines := bufio.NewScanner(t.In)
			lines.Buffer(nil, candidateBytesMax)
			out := json.NewEncoder(t.Out)
			for lines.Scan() {
				var text string
				if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
					return fmt.Errorf("candidates: %w", err)
				}
				s, err := t.System().Scenarios.Parse(text)
				if err != nil {
					return err
				}
				answer, err := t.tryHere(s)
				if err != nil {
					return err
				}
				if err := out.Encode(answer); err != nil {
					return err
				}
			}
			return lines.Err()
		}}
}

// tryHere runs a drawn scenario in this process.
func (t *Tools) tryHere(s scenario.Scenario) (trial, error) {
	res, err := t.System().Run(sim.Options{Seed: s.Seed, Scenario: &s, Commit: commit()})
	if err != nil {
		return trial{}, err
	}
	answer := trial{Failures: res.Ways(), Begun: res.Begun, Line: res.String()}
	for _, v := range res.Violations {
		answer.Explained += fmt.Sprintf("VIOLATION at %s: %s\n", v.At, v)
	}
	return answer, nil
}

// tryers are processes that run candidates.
type tryers struct {
	tools   *Tools
	program string
	timeout time.Duration
	workers []*process.Process // nil: not started, or gone.
}

// all runs the scenarios, as many side by side as there are workers, each in its own process.
func (t *tryers) all(list []scenario.Scenario) []trial {
	out := make([]trial, len(list))
	var wg sync.WaitGroup
	for worker := range min(len(t.workers), len(list)) {
		wg.Go(func() {
			for i := worker; i < len(list); i += len(t.workers) {
				out[i] = t.one(worker, &list[i])
			}
		})
	}
	wg.Wait()
	return out
}

func (t *tryers) one(worker int, s *scenario.Scenario) trial {
	lost := func(why any) trial {
		return trial{Failures: []string{wayLost}, Explained: fmt.Sprintf("the run gave no answer: %v\n", why)}
	}
	p := t.workers[worker]
	if p == nil {
		var err error
		if p, err = process.Start(t.program, t.tools.arguments("candidates"), []string{"GOMAXPROCS=1", "GOGC=400"},
			t.timeout); err != nil {
			return trial{err: err}
		}
		t.workers[worker] = p
	}
	question, err := json.Marshal(s.String())
	if err != nil {
		return trial{err: err}
	}
	answer, err := p.Ask(string(question))
	if errors.Is(err, process.ErrStopped) {
		t.workers[worker] = nil
		return trial{err: err}
	}
	if err != nil {
		t.workers[worker] = nil
		return lost(err)
	}
	var result trial
	if err := json.Unmarshal(answer, &result); err != nil {
		p.Close()
		t.workers[worker] = nil
		return lost(err)
	}
	return result
}

func (t *tryers) close() {
	for _, p := range t.workers {
		if p != nil {
			p.Close()
		}
	}
}

// outcomes tells which trials failed in this way.
func outcomes(list []trial, way string) []shrink.Outcome {
	out := make([]shrink.Outcome, len(list))
	for i := range list {
		out[i] = shrink.Outcome{Fails: list[i].failed(way), Begun: list[i].Begun}
	}
	return out
}
