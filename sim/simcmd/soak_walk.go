package simcmd

import (
	"fmt"
	"slices"
	"strings"

	"kvs/sim"
	"kvs/sim/scenario"
)

// walkWord stands for all seeds of a walk.
const walkWord = "walk"

// walk counts the persists at which to crash.
func (o *soakOptions) walk(s scenario.Scenario) (err error) {
	if o.persists, err = sim.WalkPersists(o.tools.System().System, s); err != nil {
		return fmt.Errorf("--seeds walk: %w", err)
	}
	o.first, o.last = 1, uint64(slices.Max(o.persists)*len(o.persists)*2)
	return nil
}

// wanted reports whether a seed of the range is run.
func (o *soakOptions) wanted(seed uint64) bool {
	return o.persists == nil || sim.InWalk(seed, o.persists)
}

// total is how many seeds are run.
func (o *soakOptions) total() uint64 {
	if o.persists == nil {
		return o.last - o.first + 1
	}
	n := 0
	for _, p := range o.persists {
		n += 2 * p
	}
	return uint64(n)
}

// wantCrash makes a seed without a crash a failure.
func (o *soakOptions) wantCrash(r *report) {
	if r.Faults > 0 || r.Broken {
		return
	}
	r.Broken, r.Line = true, strings.Replace(r.Line, "verdict=ok", "verdict=no-crash", 1)
	r.Explained = fmt.Sprintf("nothing crashed in this run of a walk\nreplay: %s\n", o.replayCommand(r.Seed))
}
