package simcmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"kvs/linearize"
)

const (
	checkShowEvery  = 200 * time.Millisecond // on a terminal, where one line is written over and over.
	checkPrintEvery = 10 * time.Second       // elsewhere.
	checkFoundMax   = 20                     // violations that are printed when they are found: the table has all.
)

// judging reports the progress of the judge: violations to stdout, and at intervals the number of keys that are left to
// stderr.
type judging struct {
	out, err                   io.Writer
	terminal                   bool
	begin, last                time.Time
	done, left, bad, undecided int
	shown                      bool // the terminal shows a line of progress.
}

// newJudging tells violations at once, unless the report is a document that has them.
func newJudging(stdio IO, document bool) *judging {
	p := &judging{out: stdio.Out, err: stdio.Err, begin: time.Now()}
	if document {
		p.out = io.Discard
	}
	p.last = p.begin
	if f, ok := stdio.Err.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// judged is linearize.Options.Judged.
func (p *judging) judged(k *linearize.KeyResult, left int) {
	p.done, p.left = p.done+1, left
	switch k.Verdict {
	case linearize.Violation:
		if p.bad++; p.bad <= checkFoundMax {
			p.clear()
			fmt.Fprintf(p.out, "found: key %q, %s: %s\n", k.Path, k.Evidence.Rule, k.Evidence.Text)
		}
	case linearize.Undecided:
		p.undecided++
	}
	p.tick()
}

// tick shows the progress, if it is time.
func (p *judging) tick() {
	every := checkPrintEvery
	if p.terminal {
		every = checkShowEvery
	}
	now := time.Now()
	if now.Sub(p.last) < every {
		return
	}
	p.clear()
	p.last = now
	if passed := now.Sub(p.begin).Round(100 * time.Millisecond); p.done == 0 { // left is told with the first verdict.
		fmt.Fprintf(p.err, "check: %s, no key is judged yet", passed)
	} else {
		fmt.Fprintf(p.err, "check: %s, %d of %d keys judged, %d violations, %d undecided",
			passed, p.done, p.done+p.left, p.bad, p.undecided)
	}
	if p.shown = p.terminal; !p.shown {
		fmt.Fprintln(p.err)
	}
}

// end clears the line of progress.
func (p *judging) end() { p.clear() }

func (p *judging) clear() {
	if p.shown {
		fmt.Fprint(p.err, "\r\x1b[K")
		p.shown = false
	}
}
