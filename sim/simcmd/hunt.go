package simcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"kvs/sim/mutants"
	"kvs/sim/scenario"
	"kvs/sim/simcmd/planted"
	"kvs/sim/simcmd/process"
)

const defaultSeedTimeout = time.Minute

// huntOptions bound the hunt for a mutant.
type huntOptions struct {
	tools       *Tools
	root        string   // folder with the go.mod of the program's module.
	scenarios   []string // every second run is of the first.
	chosen      bool     // by the caller: the hints of the mutants' files are ignored.
	runs        int
	explore     time.Duration // how long to explore the scope that a mutant's file names.
	seedTimeout time.Duration
	shrink      time.Duration // how long to make each failure smaller; zero: not at all.
	clean       planted.Clean
}

// hunted is the outcome of the hunt for one mutant.
type hunted struct {
	mutant    *mutants.Mutant
	err       error  // it could not be built or run.
	caught    string // the promises that broke; empty: none.
	explained string
	scenario  string
	seed      uint64
	runs      int
	cpu       time.Duration // of the runs, without the build.
	drawn     string        // the size of the failure before shrinking; empty: it was not shrunk.
	small     string        // and after; or the reason why there is none.
}

func (h *hunted) verdict() string {
	switch {
	case h.err != nil:
		return "ERROR: " + h.err.Error()
	case h.caught != "" && h.mutant.Survives != "":
		return h.caught + " (although its file says that nothing can: take that line out)"
	case h.caught != "":
		return h.caught
	case h.mutant.Survives != "":
		return "nothing, as its file explains: " + h.mutant.Survives
	}
	return "NOTHING"
}

// wrong reports whether the mutant did not end as it should.
func (h *hunted) wrong() bool {
	return h.err != nil || (h.caught == "") != (h.mutant.Survives != "")
}

// hunt builds a mutant and runs seeds with it until a promise breaks, or ctx ends.
func (o *huntOptions) hunt(ctx context.Context, m *mutants.Mutant) (h hunted) {
	h.mutant = m
	defer func() {
		if ctx.Err() != nil && h.caught == "" {
			h.err = ErrInterrupted // the signal ended builds and other processes as well: their errors do not count.
		}
	}()
	dir, err := os.MkdirTemp("", planted.Prefix)
	if err != nil {
		h.err = err
		return h
	}
	defer func() { h.err = errors.Join(h.err, os.RemoveAll(dir)) }()
	program, err := o.builder().Build(ctx, dir, m)
	if err != nil {
		h.err = err
		return h
	}
	if m.Explore != "" && !o.chosen {
		if o.exploreWith(ctx, program, &h); h.caught != "" && h.err == nil {
			h.err = o.passesClean(ctx, &h)
		}
		if h.caught != "" || h.err != nil {
			return h
		}
	}
	var packs []pack
	for _, name := range o.grounds(m) {
		packs = append(packs, pack{tools: o.tools, program: program, scenario: name, mutant: m.Name,
			timeout: o.seedTimeout})
	}
	for h.runs < o.runs && h.caught == "" && h.err == nil && ctx.Err() == nil {
		p := &packs[0]
		if others := len(packs) - 1; h.runs%2 == 1 && others > 0 {
			p = &packs[1+h.runs/2%others]
		}
		h.runs++
		h.caught, h.explained, h.err = p.run()
		h.scenario, h.seed = p.scenario, p.seed
	}
	for i := range packs {
		h.cpu += packs[i].end()
	}
	if h.caught != "" && h.err == nil {
		h.err = o.passesClean(ctx, &h)
	}
	if h.caught != "" && h.err == nil && o.shrink > 0 {
		h.drawn, h.small = o.shrinkWith(ctx, program, dir, &h)
	}
	return h
}

// grounds are the scenarios to hunt a mutant in: every second run is of the first. Those that its file names come
// first, and the usual first one takes turns with the others.
func (o *huntOptions) grounds(m *mutants.Mutant) []string {
	if o.chosen {
		return o.scenarios
	}
	out := slices.Clone(m.Hunt)
	for _, name := range o.scenarios {
		if !slices.Contains(m.Hunt, name) {
			out = append(out, name)
		}
	}
	return out
}

// exploreWith runs the mutant's own program to explore the scope that its file names.
func (o *huntOptions) exploreWith(ctx context.Context, program string, h *hunted) {
	cmd := exec.CommandContext(ctx, program, "explore", "--scope", h.mutant.Explore, "--limit", o.explore.String())
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err != nil && !(errors.As(err, &exit) && exit.ExitCode() == ExitBroken):
		h.err = fmt.Errorf("exploring %s: %w", h.mutant.Explore, err)
	case err != nil:
		h.caught, h.scenario, h.explained = scenario.Linearizable.String(), exploreWord+h.mutant.Explore, string(out)
	}
	h.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// exploreWord begins the name of a scope where otherwise a scenario is named.
const exploreWord = "explore "

// replayed finds the schedule in what explore prints.
var replayed = regexp.MustCompile(`--replay '([^']*)'`)

// passesClean returns nil when the program without the mutant lives through what has broken with it.
func (o *huntOptions) passesClean(ctx context.Context, h *hunted) error {
	program, err := o.clean.Program(ctx, o.builder())
	if err != nil {
		return err
	}
	fails := func(what, said string) error {
		return fmt.Errorf("the program without it fails too, so that counts for nothing: %s: %s", what, said)
	}
	if h.seed != 0 {
		p := pack{tools: o.tools, program: program, scenario: h.scenario, mutant: "none", timeout: o.seedTimeout,
			seed: h.seed - 1}
		defer p.end()
		broken, _, err := p.run()
		if broken != "" {
			return fails(fmt.Sprintf("scenario %s, seed %d", h.scenario, h.seed), broken)
		}
		return err
	}
	schedule := replayed.FindStringSubmatch(h.explained)
	if schedule == nil {
		return nil
	}
	// A schedule that is not possible without the mutant is another error than a broken promise.
	cmd := exec.CommandContext(ctx, program, "explore", "--scope", h.mutant.Explore, "--replay", schedule[1])
	var exit *exec.ExitError
	if _, err := cmd.Output(); errors.As(err, &exit) && exit.ExitCode() == ExitBroken {
		return fails(h.scenario, "schedule "+schedule[1])
	}
	return nil
}

// builder builds what is hunted.
func (o *huntOptions) builder() *planted.Builder {
	m := o.tools.System().Mutants
	return &planted.Builder{Root: o.root, Module: m.Module, Package: m.Package, Edits: m.Edits}
}

// shrinkWith runs the mutant's own program to shrink its failure, and returns the sizes.
func (o *huntOptions) shrinkWith(ctx context.Context, program, dir string, h *hunted) (before, after string) {
	args := o.tools.arguments("shrink", "--scenario", h.scenario, "--seed", fmt.Sprint(h.seed), "--jobs", "1",
		"--budget", o.shrink.String(), "--file", filepath.Join(dir, "small.scenario"))
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "GOGC=400")
	out, err := cmd.Output()
	if err != nil {
		return "", "shrink failed: " + err.Error()
	}
	for line := range strings.Lines(string(out)) {
		if size, ok := strings.CutPrefix(line, beforeWord); ok {
			before = strings.TrimSpace(size)
		}
		if size, ok := strings.CutPrefix(line, afterWord); ok {
			after = strings.TrimSpace(size)
		}
	}
	return before, after
}

// pack runs the seeds of one scenario, 1, 2, 3, ..., in a process of its own.
type pack struct {
	tools             *Tools
	program, scenario string
	mutant            string
	timeout           time.Duration
	worker            *seedProcess
	seed              uint64 // of the last run.
}

// run runs the next seed and returns the promises that broke.
func (p *pack) run() (caught, explained string, err error) {
	if p.worker == nil {
		args := p.tools.arguments("worker", "--scenario", p.scenario, "--mutant", p.mutant)
		if p.worker, err = startSeeds(p.program, args, []string{"GOMAXPROCS=1", "GOGC=400"}, p.timeout); err != nil {
			return "", "", err
		}
	}
	p.seed++
	r, err := p.worker.run(p.seed)
	if errors.Is(err, process.ErrStopped) {
		return "", "", err
	}
	if err != nil { // a bug that ends the process of the simulator counts as caught.
		return "lost", err.Error() + "\n", nil
	}
	if !r.Broken {
		return "", "", nil
	}
	return verdictOf(r.Line), r.Explained, nil
}

// verdictOf finds the broken promises in the line for scripts.
func verdictOf(line string) string {
	for field := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(field, "verdict="); ok {
			return v
		}
	}
	return "broken"
}

// end ends the process and returns the CPU time it took.
func (p *pack) end() time.Duration {
	if p.worker == nil {
		return 0
	}
	p.worker.close()
	return p.worker.Used()
}
