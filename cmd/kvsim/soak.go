package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type soakOptions struct {
	experiment
	seeds       string
	jobs        int
	seedTimeout time.Duration
	brokenMax   int

	first, last uint64
	newWorker   func() (worker, error) // default: a process of this program.
}

func newSoakCommand(io stdio) *cobra.Command {
	var o soakOptions
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Live many seeds in worker processes",
		Long:  "soak lives many seeds, as many at once as there are jobs, each in a worker process, so that a seed that panics or hangs is one more failure and not the end. Failures and the replay command of each go to stdout, progress to stderr.",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return o.run(io) },
	}
	f := cmd.Flags()
	f.StringVar(&o.seeds, "seeds", "1..200", "the seeds, as first..last, or one")
	f.StringVar(&o.scenario, "scenario", "swarm", "name of a scenario (see kvsim scenarios), or the path of a file")
	f.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "worker processes at once")
	f.DurationVar(&o.seedTimeout, "seed-timeout", 2*time.Minute, "real time after which a seed counts as hanging")
	f.IntVar(&o.brokenMax, "broken-max", 20, "stop after so many broken seeds")
	o.addFlags(cmd)
	return cmd
}

// check completes and judges the options.
func (o *soakOptions) check() (err error) {
	if o.first, o.last, err = parseSeeds(o.seeds); err != nil {
		return err
	}
	if o.jobs < 1 || o.jobs > 1024 {
		return fmt.Errorf("--jobs %d: use 1 to 1024", o.jobs)
	}
	if o.seedTimeout <= 0 || o.brokenMax < 1 {
		return fmt.Errorf("--seed-timeout %s and --broken-max %d must be above zero", o.seedTimeout, o.brokenMax)
	}
	_, err = o.load()
	return err
}

// parseSeeds reads first..last, or one number.
func parseSeeds(s string) (first, last uint64, err error) {
	a, b, ranged := strings.Cut(s, "..")
	if !ranged {
		b = a
	}
	first, err1 := strconv.ParseUint(a, 10, 64)
	last, err2 := strconv.ParseUint(b, 10, 64)
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
	sum := o.soak(io)
	fmt.Fprintln(io.out, sum.line(o))
	if sum.err != nil {
		return sum.err
	}
	if sum.broken > 0 {
		return errBroken
	}
	return nil
}

// outcome is the end of one seed.
type outcome struct {
	report
	err error // the worker could not even be started.
}

// soak hands the seeds to the workers and gathers the reports.
func (o *soakOptions) soak(io stdio) *summary {
	seeds, outcomes, stop := make(chan uint64), make(chan outcome), make(chan struct{})
	go func() {
		defer close(seeds)
		for seed := o.first; ; seed++ {
			select {
			case seeds <- seed:
			case <-stop:
				return
			}
			if seed == o.last {
				return
			}
		}
	}()
	jobs := int(min(uint64(o.jobs), o.last-o.first+1))
	done := make(chan struct{})
	for range jobs {
		go func() {
			o.job(seeds, outcomes)
			done <- struct{}{}
		}()
	}
	sum := &summary{total: o.last - o.first + 1, started: time.Now()}
	ticker := time.NewTicker(sum.every(io.err))
	defer ticker.Stop()
	stopped := false
	for jobs > 0 {
		select {
		case out := <-outcomes:
			sum.add(out, io)
			if !stopped && (sum.err != nil || sum.broken >= o.brokenMax) {
				stopped = true
				close(stop)
			}
		case <-done:
			jobs--
		case <-ticker.C:
			sum.progress(io.err)
		}
	}
	sum.clear(io.err)
	return sum
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
		if err != nil {
			w = nil
			r = report{Seed: seed, Broken: true}
			r.Line = fmt.Sprintf("seed=%d scenario=%s verdict=lost", seed, o.scenario)
			r.Explained = fmt.Sprintf("the run gave no answer: %s\nreplay: %s\n", strings.TrimSpace(err.Error()), o.replayCommand(seed))
		}
		outcomes <- outcome{report: r}
	}
	if w != nil {
		w.close()
	}
}

// summary is what soak has seen so far.
type summary struct {
	total, lived uint64
	broken       int
	operations   int
	events       uint64
	simulated    time.Duration
	started      time.Time
	err          error
	terminal     bool
}

func (s *summary) add(out outcome, io stdio) {
	if out.err != nil {
		s.err = out.err
		return
	}
	s.lived++
	s.operations += out.Operations
	s.events += out.Events
	s.simulated += time.Duration(out.Simulated)
	if out.Broken {
		s.broken++
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
	line := fmt.Sprintf("%d of %d seeds, %d broken, %.0f simulated seconds a second", s.lived, s.total, s.broken, s.simulated.Seconds()/took)
	if !s.terminal {
		fmt.Fprintln(w, line)
		return
	}
	const width = 30
	full := int(s.lived * width / s.total)
	fmt.Fprintf(w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
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
	case s.broken > 0:
		verdict = "broken"
	case s.lived < s.total:
		verdict = "unfinished"
	}
	took := time.Since(s.started).Seconds()
	return fmt.Sprintf("seeds=%d..%d scenario=%s verdict=%s lived=%d broken=%d operations=%d events=%d simulated=%.0fs wall=%.1fs simulated_per_wall=%.0f",
		o.first, o.last, o.scenario, verdict, s.lived, s.broken, s.operations, s.events, s.simulated.Seconds(), took, s.simulated.Seconds()/took)
}
