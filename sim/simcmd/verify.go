package simcmd

import (
	"fmt"
	"strings"

	"kvs/sim"
)

// Bounds of the search for the first difference between two runs.
const (
	pairsMax  = 3 // pairs of runs: a difference may not occur every time.
	linesShow = 3 // before the one that differs.
)

// nondeterministic is the violation of two runs of one seed with different traces. run runs the seed again and passes
// on each line of its trace.
func nondeterministic(first, second string, run func(trace func(string)) error) sim.Violation {
	detail := fmt.Sprintf("the second run of the same seed has another trace: %s, then %s", first, second)
	where, err := firstDifference(run)
	switch {
	case err != nil:
		detail += fmt.Sprintf("; running it again to find the first difference failed: %v", err)
	case where == "":
		detail += fmt.Sprintf("; %d more pairs of runs were the same: run it with --trace often, and compare the files",
			pairsMax)
	default:
		detail += "; " + where
	}
	return sim.Violation{Promise: sim.PromiseDeterministic, Detail: detail}
}

// firstDifference runs pairs of runs until two differ, and describes the first different event. Empty: none differed.
func firstDifference(run func(trace func(string)) error) (string, error) {
	for range pairsMax {
		var lines []string
		if err := run(func(line string) { lines = append(lines, line) }); err != nil {
			return "", err
		}
		at, other, same := 0, "", true
		err := run(func(line string) {
			if same && (at == len(lines) || lines[at] != line) {
				other, same = line, false
			}
			if same {
				at++
			}
		})
		if err != nil {
			return "", err
		}
		if same && at == len(lines) {
			continue
		}
		ended := "(it has ended)"
		one, two := ended, ended
		if at < len(lines) {
			one = lines[at]
		}
		if !same {
			two = other
		}
		var b strings.Builder
		fmt.Fprintf(&b, "they differ from event %d of the trace on:", at+1)
		for _, line := range lines[max(at-linesShow, 0):at] {
			b.WriteString("\n  both:  " + line)
		}
		return b.String() + "\n  one:   " + one + "\n  other: " + two, nil
	}
	return "", nil
}
