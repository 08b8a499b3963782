package simcmd

import (
	"errors"
	"fmt"
	stdio "io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/sim"
	"kvs/sim/simcmd/document"
	"kvs/sim/simcmd/process"
	"kvs/sim/simcmd/progress"
)

type soakOptions struct {
	Experiment
	seeds       string
	jobs        int
	seedTimeout time.Duration
	brokenMax   int
	resume      bool
	shard       string
	output

	part        progress.Shard
	first, last uint64
	// of each node, when the seeds are those of a walk: seeds beyond them are left out.
	persists    []int
	newWorker   func() (worker, error) // default: a process of this program.
	interrupted <-chan struct{}        // default: closed by Ctrl-C or SIGTERM.
}

func (t *Tools) newSoakCommand() *cobra.Command {
	o := soakOptions{Experiment: t.Experiment()}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Run many seeds in worker processes",
		Long: `soak runs many seeds, as many at once as there are jobs, in worker processes. So a seed that panics or
hangs is a failure and does not end the soak. Failures and the replay command of each go to stdout, progress to stderr.

With --out DIR the failures are kept: DIR/SCENARIO-SEED has the drawn scenario, the history and report.txt with the
replay command. DIR/SCENARIO.soak.json has the progress of the soak. Ctrl-C or SIGTERM ends it when the seeds under way
are done (a second one ends it at once); the same command with --resume goes on there, also after a kill or a power cut,
and counts what was found before. It refuses to go on with another build or another scenario. The range of seeds may
have grown.

With --shard i/n the soak runs one of n equal parts of the seeds, so that n machines share them; soak merge gathers the
results.

With --seeds walk the seeds are those at which a scenario with disk walk=yes crashes a node: every persist of every node
in the run without a crash, kept and lost. A seed at which nothing crashes is a failure.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run(t.IO) },
	}
	f := cmd.Flags()
	f.StringVar(&o.seeds, "seeds", "1..200",
		"the seeds, as first..last, or one; walk: all of a scenario that crashes at every persist")
	o.addScenarioFlag(cmd)
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worker processes at once")
	f.Lookup("jobs").DefValue = "the number of CPUs"
	f.DurationVar(&o.seedTimeout, "seed-timeout", 2*time.Minute,
		"CPU time after which a seed counts as hanging; ten times as long if it gets little of the CPU")
	f.IntVar(&o.brokenMax, "broken-max", 20, "stop after so many broken seeds")
	f.BoolVar(&o.resume, "resume", false, "continue the soak with this --out")
	f.StringVar(&o.shard, "shard", "",
		"i/n: run the i-th of n equal parts of the seeds, for n machines; needs --out, for soak merge")
	o.addFlags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return o.CheckFlags(cmd) }
	o.output.addFlag(cmd)
	cmd.AddCommand(t.newMergeCommand())
	return cmd
}

// check completes and checks the options.
func (o *soakOptions) check() (err error) {
	s, err := o.Load()
	if err == nil && o.seeds == walkWord {
		err = o.walk(s)
	} else if err == nil {
		o.first, o.last, err = parseSeeds(o.seeds)
	}
	if err == nil {
		o.part, err = progress.ParseShard(o.shard)
	}
	switch {
	case err != nil || o.part.Whole():
	case o.seeds == walkWord:
		err = errors.New("--shard does not go with --seeds walk: a walk is short")
	case o.Out == "":
		err = errors.New("--shard needs --out, the folder for what soak merge reads")
	default:
		o.first, o.last, err = o.part.Of(o.first, o.last)
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
	if o.resume && o.Out == "" {
		return errors.New("--resume needs --out, the folder of the soak to continue")
	}
	return nil
}

// statePath is the file of the soak's progress; empty: it is not kept.
func (o *soakOptions) statePath() string {
	if o.Out == "" {
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(o.Scenario), ".scenario")
	return filepath.Join(o.Out, name+o.part.Suffix()+progress.Suffix)
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
	switch {
	case err1 != nil || err2 != nil:
		return 0, 0, fmt.Errorf("--seeds %q: write first..last, for example 1..500", s)
	case first > last:
		return 0, 0, fmt.Errorf("--seeds %q: the last seed is below the first; write %d..%d", s, last, first)
	case last-first >= 1<<40:
		return 0, 0, fmt.Errorf("--seeds %q: these are more than 2^40 seeds; write fewer", s)
	}
	return first, last, nil
}

func (o *soakOptions) run(io IO) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.newWorker == nil {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		args := o.tools.arguments("worker", "--scenario", o.Scenario, "--out", o.Out,
			fmt.Sprintf("--verify=%t", o.Verify))
		if o.Duration != 0 {
			args = append(args, "--duration", o.Duration.String())
		}
		// One world has one thread; the garbage collector runs less often, since a world is small and short.
		env := []string{"GOMAXPROCS=1", "GOGC=400"}
		o.newWorker = func() (worker, error) { return startWorker(program, args, env, o.seedTimeout) }
	}
	if o.persists != nil {
		fmt.Fprintf(io.Err, "persists of the nodes: %v; %d runs crash at each, kept and lost\n", o.persists, o.total())
	}
	state, err := o.newState()
	if err != nil {
		return err
	}
	if o.resume {
		if err := state.Resume(o.statePath(), o.last); err != nil {
			return err
		}
		if state.Lived > 0 {
			fmt.Fprintf(io.Err, "%d of %d seeds are done already\n", state.Lived, o.total())
		}
		for _, line := range state.Lines {
			if !o.json() {
				fmt.Fprintln(io.Out, line)
			}
		}
	}
	if o.interrupted == nil {
		ctx, stop := UntilSignal()
		defer stop()
		o.interrupted = ctx.Done()
	}
	told := io
	if o.json() {
		told.Out = stdio.Discard
	}
	sum := o.soak(told, state)
	fmt.Fprintln(told.Out, sum.line(o))
	if o.json() {
		if err := document.Print(io.Out, sum.document(o)); err != nil {
			return err
		}
	}
	switch {
	case sum.err != nil:
		return sum.err
	case sum.Broken > 0:
		return ErrBroken
	case sum.interrupted && o.Out == "":
		return errors.New("interrupted; with --out a soak can be continued later")
	case sum.interrupted:
		return errors.New("interrupted; the same command with --resume continues here")
	}
	return nil
}

// newState describes the soak that o asks for, with no seed done.
func (o *soakOptions) newState() (*progress.State, error) {
	s, err := o.Load()
	if err != nil {
		return nil, err
	}
	program, err := progress.ProgramHash()
	if err != nil {
		return nil, err
	}
	return &progress.State{Program: program, Scenario: s.String(), Name: o.Scenario, Shard: o.part,
		Duration: o.Duration, Verify: o.Verify,
		First: o.first, Last: o.last, Next: o.first}, nil
}

// outcome is the end of one seed.
type outcome struct {
	report
	lost    bool  // its process returned no answer.
	stopped bool  // its process was stopped: the soak ends, and the seed is not done.
	err     error // the worker could not even be started.
}

// soak hands the seeds to the workers and gathers the reports.
func (o *soakOptions) soak(io IO, state *progress.State) *summary {
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
	sum := &summary{State: state, total: o.total(), started: time.Now(), before: state.Totals}
	ticker := time.NewTicker(sum.every(io.Err))
	defer ticker.Stop()
	stopped, interrupted := false, o.interrupted
	for jobs > 0 {
		select {
		case <-interrupted: // takes precedence over other ready cases.
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
			if sum.add(out, io); out.lost && o.Out != "" && sum.err == nil {
				sum.err = o.keepLost(&out.report)
			}
		case <-done:
			jobs--
		case <-ticker.C:
			sum.progress(io.Err)
			sum.keep(o)
		case <-interrupted:
			interrupted, sum.interrupted = nil, true
		}
	}
	sum.clear(io.Err)
	sum.interrupted = sum.interrupted && sum.Lived < sum.total
	sum.keep(o)
	return sum
}

// keepLost keeps a seed that ended its process: the drawn scenario and the error. There is no history.
func (o *soakOptions) keepLost(r *report) error {
	s, err := o.Load()
	if err != nil {
		return err
	}
	drawn := sim.Draw(r.Seed, s)
	dir := filepath.Join(o.Out, fmt.Sprintf("%s-%d", filepath.Base(drawn.Name), r.Seed))
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, filepath.Base(drawn.Name)+".scenario"),
			[]byte(drawn.String()), 0o644),
			os.WriteFile(filepath.Join(dir, "report.txt"), []byte(r.Explained+r.Line+"\n"), 0o644))
	}
	if err != nil {
		return fmt.Errorf("keep the failure in %s: %w; choose another folder with --out", dir, err)
	}
	return nil
}

// job runs seeds until there are no more; a worker that broke is replaced.
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
		r, err := w.run(seed)
		if errors.Is(err, process.ErrStopped) {
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
			r.Line = fmt.Sprintf("seed=%d scenario=%s verdict=lost", seed, o.Scenario)
			r.Explained = fmt.Sprintf("the run gave no answer: %s\nreplay: %s\n", strings.TrimSpace(err.Error()),
				o.replayCommand(seed))
		}
		outcomes <- outcome{report: r, lost: lost}
	}
	if w != nil {
		w.close()
	}
}
