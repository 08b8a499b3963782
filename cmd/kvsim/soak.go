package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim"
)

type soakOptions struct {
	experiment
	seeds       string
	jobs        int
	seedTimeout time.Duration
	brokenMax   int
	resume      bool

	first, last uint64
	persists    []int                  // of each node, when the seeds are those of a walk: those beyond them are left out.
	newWorker   func() (worker, error) // default: a process of this program.
	interrupted <-chan struct{}        // default: closed by Ctrl-C or SIGTERM.
}

func newSoakCommand(io stdio) *cobra.Command {
	var o soakOptions
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Live many seeds in worker processes",
		Long: `soak lives many seeds, as many at once as there are jobs, each in a worker process, so that a seed that panics or hangs is one more
failure and not the end. Failures and the replay command of each go to stdout, progress to stderr.

With --out DIR the failures are kept: DIR/SCENARIO-SEED has the drawn scenario, the history and report.txt with the replay command. How
far the soak is stands in DIR/SCENARIO.soak.json. Ctrl-C or SIGTERM ends it when the seeds under way are done (a second one ends it at once); the same
command with --resume goes on there, also after a kill or a power cut, and counts what was found before. It refuses to go on with
another build or another scenario. The range of seeds may have grown.

With --seeds walk the seeds are those at which a scenario with disk walk=yes crashes a node: every persist of every node in the run
without a crash, kept and lost. A seed at which nothing crashes is a failure.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(io) },
	}
	f := cmd.Flags()
	f.StringVar(&o.seeds, "seeds", "1..200", "the seeds, as first..last, or one; walk: all of a scenario that crashes at every persist")
	f.StringVar(&o.scenario, "scenario", "swarm", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worker processes at once")
	f.DurationVar(&o.seedTimeout, "seed-timeout", 2*time.Minute, "real time after which a seed counts as hanging")
	f.IntVar(&o.brokenMax, "broken-max", 20, "stop after so many broken seeds")
	f.BoolVar(&o.resume, "resume", false, "go on where the soak with this --out was stopped")
	o.addFlags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.checkFlags(cmd) }
	return cmd
}

// check completes and judges the options.
func (o *soakOptions) check() (err error) {
	s, err := o.load()
	if err == nil && o.seeds == walkWord {
		err = o.walk(s)
	} else if err == nil {
		o.first, o.last, err = parseSeeds(o.seeds)
	}
	if err != nil {
		return err
	}
	if o.jobs < 1 || o.jobs > 1024 {
		return fmt.Errorf("--jobs %d: use 1 to 1024", o.jobs)
	}
	if o.seedTimeout <= 0 || o.brokenMax < 1 {
		return fmt.Errorf("--seed-timeout %s and --broken-max %d must be above zero", o.seedTimeout, o.brokenMax)
	}
	if o.resume && o.out == "" {
		return errors.New("--resume needs --out, the folder of the soak to go on with")
	}
	return nil
}

// statePath is where how far the soak is is kept; empty: nowhere.
func (o *soakOptions) statePath() string {
	if o.out == "" {
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(o.scenario), ".scenario")
	return filepath.Join(o.out, name+".soak.json")
}

// parseSeeds reads first..last, or one number.
func parseSeeds(s string) (first, last uint64, err error) {
	a, b, ranged := strings.Cut(s, "..")
	if !ranged {
		b = a
	}
	first, err1 := strconv.ParseUint(a, 10, 64)
	last, err2 := strconv.ParseUint(b, 10, 64)
	if err1 == nil && first == 0 {
		return 0, 0, fmt.Errorf("--seeds %q: %w", s, errSeedZero)
	}
	if err1 != nil || err2 != nil || first > last || last-first >= 1<<40 {
		return 0, 0, fmt.Errorf("--seeds %q: write first..last, for example 1..500", s)
	}
	return first, last, nil
}

func (o *soakOptions) run(io stdio) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.newWorker == nil {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		args := []string{"worker", "--scenario", o.scenario, "--out", o.out, fmt.Sprintf("--verify=%t", o.verify)}
		if o.duration != 0 {
			args = append(args, "--duration", o.duration.String())
		}
		// One world has one thread; the collector is told to be lazy, since a world is small and short.
		env := []string{"GOMAXPROCS=1", "GOGC=400"}
		o.newWorker = func() (worker, error) { return startProcess(program, args, env, o.seedTimeout) }
	}
	if o.persists != nil {
		fmt.Fprintf(io.err, "persists of the nodes: %v; %d runs crash at each, kept and lost\n", o.persists, o.total())
	}
	state, err := o.newState()
	if err != nil {
		return err
	}
	if o.resume {
		if err := state.resume(o.statePath(), o.last); err != nil {
			return err
		}
		if state.Lived > 0 {
			fmt.Fprintf(io.err, "%d of %d seeds are done already\n", state.Lived, o.total())
		}
		for _, line := range state.Lines {
			fmt.Fprintln(io.out, line)
		}
	}
	if o.interrupted == nil {
		ctx, stop := untilSignal()
		defer stop()
		o.interrupted = ctx.Done()
	}
	sum := o.soak(io, state)
	fmt.Fprintln(io.out, sum.line(o))
	switch {
	case sum.err != nil:
		return sum.err
	case sum.Broken > 0:
		return errBroken
	case sum.interrupted && o.out == "":
		return errors.New("interrupted; with --out a soak can be gone on with later")
	case sum.interrupted:
		return errors.New("interrupted; the same command with --resume goes on here")
	}
	return nil
}

// outcome is the end of one seed.
type outcome struct {
	report
	lost    bool  // its process gave no answer.
	stopped bool  // its process was told to end: the soak ends, and the seed is not done.
	err     error // the worker could not even be started.
}

// soak hands the seeds to the workers and gathers the reports.
func (o *soakOptions) soak(io stdio, state *soakState) *summary {
	seeds, outcomes, stop := make(chan uint64), make(chan outcome), make(chan struct{})
	from, doneAbove := state.Next, slices.Clone(state.Done)
	go func() {
		defer close(seeds)
		for seed := from; seed-from < o.last+1-from; seed++ { // the last one may be the highest number there is.
			if _, done := slices.BinarySearch(doneAbove, seed); done || !o.wanted(seed) {
				continue
			}
			select {
			case seeds <- seed:
			case <-stop:
				return
			}
		}
	}()
	jobs := int(min(uint64(o.jobs), o.total()))
	done := make(chan struct{})
	for range jobs {
		go func() {
			o.job(seeds, outcomes)
			done <- struct{}{}
		}()
	}
	sum := &summary{soakState: state, total: o.total(), started: time.Now(), before: state.soakTotals}
	ticker := time.NewTicker(sum.every(io.err))
	defer ticker.Stop()
	stopped, interrupted := false, o.interrupted
	for jobs > 0 {
		select {
		case <-interrupted: // before all that is ready, too.
			interrupted, sum.interrupted = nil, true
		default:
		}
		if !stopped && (sum.err != nil || sum.interrupted || sum.Broken >= o.brokenMax) {
			stopped = true
			close(stop)
		}
		select {
		case out := <-outcomes:
			sum.interrupted = sum.interrupted || out.stopped
			if sum.add(out, io); out.lost && o.out != "" && sum.err == nil {
				sum.err = o.keepLost(&out.report)
			}
		case <-done:
			jobs--
		case <-ticker.C:
			sum.progress(io.err)
			sum.keep(o)
		case <-interrupted:
			interrupted, sum.interrupted = nil, true
		}
	}
	sum.clear(io.err)
	sum.interrupted = sum.interrupted && sum.Lived < sum.total
	sum.keep(o)
	return sum
}

// keepLost keeps a seed that ended its process: what was drawn, and what is known. There is no history.
func (o *soakOptions) keepLost(r *report) error {
	s, err := o.load()
	if err != nil {
		return err
	}
	drawn := sim.Draw(r.Seed, s)
	dir := filepath.Join(o.out, fmt.Sprintf("%s-%d", filepath.Base(drawn.Name), r.Seed))
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, filepath.Base(drawn.Name)+".scenario"), []byte(drawn.String()), 0o644),
			os.WriteFile(filepath.Join(dir, "report.txt"), []byte(r.Explained+r.Line+"\n"), 0o644))
	}
	if err != nil {
		return fmt.Errorf("keep the failure in %s: %w; choose another folder with --out", dir, err)
	}
	return nil
}

// job lives seeds until there are no more; a worker that broke is replaced.
func (o *soakOptions) job(seeds <-chan uint64, outcomes chan<- outcome) {
	var w worker
	for seed := range seeds {
		if w == nil {
			var err error
			if w, err = o.newWorker(); err != nil {
				outcomes <- outcome{err: err}
				continue
			}
		}
		r, err := w.live(seed)
		if errors.Is(err, errStopped) {
			w = nil
			outcomes <- outcome{stopped: true}
			continue
		}
		lost := err != nil
		if o.persists != nil && !lost {
			o.wantCrash(&r)
		}
		if lost {
			w = nil
			r = report{Seed: seed, Broken: true}
			r.Line = fmt.Sprintf("seed=%d scenario=%s verdict=lost", seed, o.scenario)
			r.Explained = fmt.Sprintf("the run gave no answer: %s\nreplay: %s\n", strings.TrimSpace(err.Error()), o.replayCommand(seed))
		}
		outcomes <- outcome{report: r, lost: lost}
	}
	if w != nil {
		w.close()
	}
}

// summary is what soak has seen so far.
type summary struct {
	*soakState
	total       uint64
	before      soakTotals // of earlier sittings.
	started     time.Time
	err         error
	interrupted bool
	terminal    bool
}

func (s *summary) add(out outcome, io stdio) {
	if out.err != nil {
		s.err = out.err
		return
	}
	if out.stopped {
		return
	}
	s.did(out.Seed)
	s.Lived++
	s.Operations += out.Operations
	s.Events += out.Events
	s.Faults += out.Faults
	s.soakTotals.Simulated += time.Duration(out.report.Simulated)
	if out.report.Broken {
		s.soakTotals.Broken++
		s.Lines = append(s.Lines, out.Line)
		s.clear(io.err)
		fmt.Fprintf(io.out, "%s\n%s\n", out.Line, out.Explained)
	}
}

// every says how often to report: a terminal has one line that is written again and again.
func (s *summary) every(w io.Writer) time.Duration {
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if s.terminal {
		return 200 * time.Millisecond
	}
	return 10 * time.Second
}

func (s *summary) progress(w io.Writer) {
	took := time.Since(s.started).Seconds()
	line := fmt.Sprintf("%d of %d seeds, %.1f a second, %d broken, %s simulated (%.0f seconds a second), %d faults", s.Lived, s.total,
		float64(s.Lived-s.before.Lived)/took, s.Broken, s.Simulated.Round(time.Second), (s.Simulated-s.before.Simulated).Seconds()/took, s.Faults)
	if !s.terminal {
		fmt.Fprintln(w, line)
		return
	}
	const width = 30
	full := int(s.Lived * width / s.total)
	fmt.Fprintf(w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
}

// keep writes down how far the soak is, if that is wanted. The first error ends the soak.
func (s *summary) keep(o *soakOptions) {
	path := o.statePath()
	if path == "" || s.err != nil {
		return
	}
	now := *s.soakState
	now.Wall += time.Since(s.started)
	s.err = now.write(path)
}

func (s *summary) clear(w io.Writer) {
	if s.terminal {
		fmt.Fprint(w, "\r\x1b[K")
	}
}

// line is for scripts, as that of a single run.
func (s *summary) line(o *soakOptions) string {
	verdict := "ok"
	switch {
	case s.Broken > 0:
		verdict = "broken"
	case s.Lived < s.total:
		verdict = "unfinished"
	}
	took := (s.Wall + time.Since(s.started)).Seconds()
	return fmt.Sprintf("seeds=%d..%d scenario=%s verdict=%s lived=%d broken=%d operations=%d events=%d faults=%d simulated=%.0fs wall=%.1fs simulated_per_wall=%.0f",
		o.first, o.last, o.scenario, verdict, s.Lived, s.Broken, s.Operations, s.Events, s.Faults, s.Simulated.Seconds(), took, s.Simulated.Seconds()/took)
}
