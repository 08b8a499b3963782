package simcmd

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"kvs/sim/simcmd/document"
	"kvs/sim/simcmd/progress"
)

// summary is the result of a soak so far.
type summary struct {
	*progress.State
	total       uint64
	before      progress.Totals // of earlier sittings.
	started     time.Time
	err         error
	interrupted bool
	terminal    bool
}

func (s *summary) add(out outcome, io IO) {
	if out.err != nil {
		s.err = out.err
		return
	}
	if out.stopped {
		return
	}
	s.Did(out.Seed)
	s.Lived++
	s.Operations += out.Operations
	s.Events += out.Events
	s.Faults += out.Faults
	s.Totals.Simulated += time.Duration(out.report.Simulated)
	if out.report.Broken {
		s.Totals.Broken++
		s.Lines = append(s.Lines, out.Line)
		s.clear(io.Err)
		fmt.Fprintf(io.Out, "%s\n%s\n", out.Line, out.Explained)
	}
}

// every is how often to report: on a terminal one line is rewritten often.
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
	line := fmt.Sprintf("%d of %d seeds, %.1f a second, %d broken, %s simulated (%.0f seconds a second), %d faults",
		s.Lived, s.total,
		float64(s.Lived-s.before.Lived)/took, s.Broken, s.Simulated.Round(time.Second),
		(s.Simulated-s.before.Simulated).Seconds()/took, s.Faults)
	if !s.terminal {
		fmt.Fprintln(w, line)
		return
	}
	const width = 30
	full := int(s.Lived * width / s.total)
	fmt.Fprintf(w, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), line)
}

// keep saves the progress of the soak, if there is an out folder. The first error ends the soak.
func (s *summary) keep(o *soakOptions) {
	path := o.statePath()
	if path == "" || s.err != nil {
		return
	}
	now := *s.State
	now.Wall += time.Since(s.started)
	s.err = now.Write(path)
}

func (s *summary) clear(w io.Writer) {
	if s.terminal {
		fmt.Fprint(w, "\r\x1b[K")
	}
}

// verdict is the outcome in one word.
func (s *summary) verdict() string {
	switch {
	case s.Broken > 0:
		return "broken"
	case s.Lived < s.total:
		return "unfinished"
	}
	return "ok"
}

// line is for scripts, as that of a single run.
func (s *summary) line(o *soakOptions) string {
	verdict := s.verdict()
	took := (s.Wall + time.Since(s.started)).Seconds()
	return fmt.Sprintf("seeds=%d..%d scenario=%s verdict=%s lived=%d broken=%d operations=%d events=%d faults=%d "+
		"simulated=%.0fs wall=%.1fs simulated_per_wall=%.0f",
		o.first, o.last, o.Scenario, verdict, s.Lived, s.Broken, s.Operations, s.Events, s.Faults,
		s.Simulated.Seconds(), took, s.Simulated.Seconds()/took)
}

func (s *summary) document(o *soakOptions) *document.Soak {
	out := &document.Soak{First: o.first, Last: o.last, Scenario: o.Scenario, Verdict: s.verdict(), Seeds: s.Lived,
		Broken: s.Broken, Operations: s.Operations, Events: s.Events, Faults: s.Faults,
		SimulatedSeconds: s.Simulated.Seconds(), WallSeconds: (s.Wall + time.Since(s.started)).Seconds(),
		Failures: []document.BrokenSeed{}}
	for _, line := range s.Lines {
		seed := seedOf(line)
		out.Failures = append(out.Failures, document.BrokenSeed{Seed: seed, Verdict: verdictOf(line),
			Line: line, Replay: o.replayCommand(seed)})
	}
	return out
}

// seedOf finds the seed in the line for scripts.
func seedOf(line string) uint64 {
	for field := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(field, "seed="); ok {
			seed, _ := strconv.ParseUint(v, 10, 64) // the line is this program's own.
			return seed
		}
	}
	return 0
}
