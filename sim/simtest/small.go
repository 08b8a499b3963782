package simtest

import (
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"kvs/sim"
	"kvs/sim/scenario"
	"kvs/sim/shrink"
)

// shrink makes a failure smaller, keeps the result, and reports on it.
func (r *runner) shrink(test string, drawn scenario.Scenario, res *sim.Result) string {
	began, way := time.Now(), res.Ways()[0]
	first := shrink.SizeOf(&drawn, res.Begun, 1)
	small, last := shrink.Shrink(drawn, res.Begun, shrink.Options{
		Batch:    1,
		Enough:   func() bool { return time.Since(began) >= r.o.Shrink },
		Progress: func(string, shrink.Size) {},
		Test: func(batch []scenario.Scenario) []shrink.Outcome {
			out := make([]shrink.Outcome, len(batch))
			for i := range batch {
				again, err := r.system.Run(sim.Options{Seed: batch[i].Seed, Scenario: &batch[i]})
				if err == nil {
					out[i] = shrink.Outcome{Fails: slices.Contains(again.Ways(), way), Begun: again.Begun}
				}
			}
			return out
		},
	})
	text := fmt.Sprintf("made smaller in %d runs and %.1f s, it fails by %s still: from %s to %s\n%s\n", last.Runs,
		time.Since(began).Seconds(), way,
		first, last, small)
	file, err := r.keep(&small)
	if err != nil {
		return text + fmt.Sprintf("it could not be kept (%v): put it into a file of %s\n", err, r.o.Dir)
	}
	at := strings.LastIndex(test, "/") // the subtest stands beside this one.
	name := test[:at+1] + strings.TrimSuffix(path.Base(file), scenario.Extension)
	return text + fmt.Sprintf("kept in: %s, which runs first from now on\nreplay: %s\n", file, replayCommand(name))
}

// packagePath is the path of the package under test, if the build has recorded it.
func packagePath() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.HasSuffix(info.Path, ".test") {
		return "."
	}
	return strings.TrimSuffix(info.Path, ".test")
}
