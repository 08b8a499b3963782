package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/shrink"
)

// trial is what a worker says about one scenario, as a line of JSON. It is between one build of kvsim and itself: no stable
// format.
type trial struct {
	Failures []string // how it failed: see failures.
	Begun    []int
	Line     string // the line for scripts.

	Explained  string   // what broke, on several lines.
	Situations []uint32 // if they were asked for: see sim.Coverage.

	err error // the worker could not be started: nothing is known.
}

// failed reports whether the run failed in this way, whatever else failed.
func (t *trial) failed(way string) bool {
	for _, f := range t.Failures {
		if f == way {
			return true
		}
	}
	return false
}

// failures names the ways in which a run failed, the first one first: the promise, and of a panic the words as well, without
// their numbers.
func failures(list []sim.Violation) (out []string) {
	seen := map[string]bool{}
	for _, v := range list {
		way := v.Promise
		if way == "no-panic" {
			words, _, _ := strings.Cut(v.Detail, "\n")
			way += ": " + strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' {
					return -1
				}
				return r
			}, words)
		}
		if !seen[way] {
			out = append(out, way)
		}
		seen[way] = true
	}
	return out
}

// wayLost is the way of a run that ended its process, or never came to an end.
const wayLost = "lost"

const candidateBytesMax = 1 << 20

// newCandidatesCommand is the other end of shrink: it lives the scenarios that come in on stdin, one JSON string a line.
func newCandidatesCommand(io stdio) *cobra.Command {
	var coverage bool
	cmd := &cobra.Command{Use: "candidates", Hidden: true, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		outliveSignals()
		lines := bufio.NewScanner(io.in)
		lines.Buffer(nil, candidateBytesMax)
		out := json.NewEncoder(io.out)
		for lines.Scan() {
			var text string
			if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
				return fmt.Errorf("candidates: %w", err)
			}
			s, err := scenarios.Parse(text)
			if err != nil {
				return err
			}
			t, err := tryHere(s, coverage)
			if err != nil {
				return err
			}
			if err := out.Encode(t); err != nil {
				return err
			}
		}
		return lines.Err()
	}}
	cmd.Flags().BoolVar(&coverage, "coverage", false, "answer with the situations that runs come through")
	return cmd
}

// tryHere lives a drawn scenario in this process.
func tryHere(s scenarios.Scenario, coverage bool) (trial, error) {
	o := sim.Options{Seed: s.Seed, Scenario: &s, Commit: commit()}
	if coverage {
		o.Coverage = &sim.Coverage{}
	}
	res, err := sim.Run(o)
	if err != nil {
		return trial{}, err
	}
	t := trial{Failures: failures(res.Violations), Begun: res.Begun, Line: res.String()}
	for _, v := range res.Violations {
		t.Explained += fmt.Sprintf("VIOLATION at %s: %s\n", v.At, v)
	}
	if coverage {
		t.Situations = o.Coverage.Situations()
	}
	return t, nil
}

// tryers are processes that live candidates.
type tryers struct {
	program string
	timeout time.Duration
	workers []*process // nil: not started, or gone.

	coverage bool // trials say which situations they came through.
}

// all lives the scenarios, as many side by side as there are workers, each in its own process.
func (t *tryers) all(list []scenarios.Scenario) []trial {
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

func (t *tryers) one(worker int, s *scenarios.Scenario) trial {
	lost := func(why any) trial {
		return trial{Failures: []string{wayLost}, Explained: fmt.Sprintf("the run gave no answer: %v\n", why)}
	}
	p := t.workers[worker]
	if p == nil {
		var err error
		if p, err = startProcess(t.program, []string{"candidates", fmt.Sprintf("--coverage=%t", t.coverage)}, []string{"GOMAXPROCS=1", "GOGC=400"}, t.timeout); err != nil {
			return trial{err: err}
		}
		t.workers[worker] = p
	}
	question, err := json.Marshal(s.String())
	if err != nil {
		return trial{err: err}
	}
	answer, err := p.ask(string(question))
	if errors.Is(err, errStopped) {
		t.workers[worker] = nil
		return trial{err: err}
	}
	if err != nil {
		t.workers[worker] = nil
		return lost(err)
	}
	var result trial
	if err := json.Unmarshal(answer, &result); err != nil {
		p.close()
		t.workers[worker] = nil
		return lost(err)
	}
	return result
}

func (t *tryers) close() {
	for _, p := range t.workers {
		if p != nil {
			p.close()
		}
	}
}

// outcomes says which trials failed in this way.
func outcomes(list []trial, way string) []shrink.Outcome {
	out := make([]shrink.Outcome, len(list))
	for i := range list {
		out[i] = shrink.Outcome{Fails: list[i].failed(way), Begun: list[i].Begun}
	}
	return out
}
