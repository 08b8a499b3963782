package shrink

import (
	"fmt"
	"slices"
	"time"

	"kvs/chaos"
	"kvs/sim/scenario"
)

// Outcome is the outcome of a candidate's run.
type Outcome struct {
	Fails bool  // in the same way as the first run.
	Begun []int // operations that each client began, from the first client on.
}

// Options of Shrink. All are required.
type Options struct {
	// Test runs candidates, which are drawn and valid; it may run several at once. The first that fails is taken, so
	// later ones may be skipped.
	Test func(batch []scenario.Scenario) []Outcome

	Batch    int         // candidates given to Test at once.
	Enough   func() bool // true ends the search with the best scenario so far.
	Progress func(stage string, now Size)
}

// Size is the size of a scenario.
type Size struct {
	Nodes, Clients, Faults, Ops int
	Duration                    time.Duration
	Lines                       int // of its text.
	Runs                        int // that the search took so far.
}

// String prints s as scripts read it.
func (s Size) String() string {
	return fmt.Sprintf("nodes=%d clients=%d faults=%d operations=%d duration=%s lines=%d runs=%d", s.Nodes, s.Clients,
		s.Faults, s.Ops, s.Duration, s.Lines, s.Runs)
}

// rerolls is how many other seeds are tried for a simplification that draws the whole run anew.
const rerolls = 5

// otherRunsMax is how many other runs are tried when the present one cannot be made smaller.
const otherRunsMax = 30

// shrinker is one search.
type shrinker struct {
	Options
	best  scenario.Scenario
	begun []int // by its clients.
	seen  map[string]bool
	runs  int
	told  Size
}

// Shrink returns the smallest scenario it finds that fails like s, which is drawn, fails, and whose clients began so
// many operations each.
func Shrink(s scenario.Scenario, begun []int, o Options) (scenario.Scenario, Size) {
	r := &shrinker{Options: o, best: s, begun: begun, seen: map[string]bool{s.String(): true}}
	r.tell("at first")
	for before := ""; before != r.best.String() && !o.Enough(); {
		before = r.best.String()
		for _, stage := range []struct {
			name string
			do   func()
		}{
			{"time", r.time}, {"faults", r.faults}, {"clients", r.clients}, {"nodes", r.nodes}, {"rates",
				r.rates}, {"anew", r.anew},
			{"operations", r.operations}, {"promises", r.promises}, {"time", r.time},
		} {
			if o.Enough() {
				break
			}
			stage.do()
			r.tell(stage.name)
		}
	}
	r.otherRuns()
	return r.best, r.size()
}

// tell reports progress, if there was any.
func (r *shrinker) tell(stage string) {
	now := r.size()
	runs := now.Runs
	now.Runs = 0
	if now != r.told {
		r.told = now
		now.Runs = runs
		r.Progress(stage, now)
	}
}

// otherRuns looks for another run of the same small world that fails with fewer operations: the smallest version of one
// run may need more operations than that of another.
func (r *shrinker) otherRuns() {
	for i := uint64(1); i <= otherRunsMax && !r.Enough(); i++ {
		other := shrinker{Options: r.Options, best: r.best, begun: r.begun, seen: map[string]bool{}, runs: r.runs}
		found := other.try(other.edited(func(s *scenario.Scenario) { s.Keep, s.Seed = nil, s.Seed+i })) >= 0
		if found {
			other.time()
			other.operations()
			other.clients()
		}
		r.runs = other.runs
		if found && other.size().Ops < r.size().Ops {
			r.best, r.begun = other.best, other.begun
			r.tell("other run")
		}
	}
}

func (r *shrinker) size() Size {
	return SizeOf(&r.best, r.begun, r.runs)
}

// SizeOf measures a scenario of which clients began so many operations.
func SizeOf(s *scenario.Scenario, begun []int, runs int) Size {
	size := Size{Nodes: s.Nodes, Clients: s.Clients, Faults: len(s.Plan.Events), Duration: s.Duration, Runs: runs}
	for _, n := range begun {
		size.Ops += n
	}
	for _, c := range s.String() {
		if c == '\n' {
			size.Lines++
		}
	}
	return size
}

// try runs candidates, the preferred one first, and takes the first that fails. It returns its index, or -1.
func (r *shrinker) try(list ...scenario.Scenario) int {
	var batch []scenario.Scenario
	var index []int
	run := func() int {
		for i, o := range r.Test(batch) {
			r.runs++
			if o.Fails {
				r.best, r.begun = batch[i], o.Begun
				return index[i]
			}
		}
		batch, index = batch[:0], index[:0]
		return -1
	}
	for i := range list {
		text := list[i].String()
		if r.seen[text] || list[i].Validate() != nil {
			continue
		}
		if r.Enough() {
			return -1
		}
		r.seen[text] = true
		batch, index = append(batch, list[i]), append(index, i)
		if len(batch) == r.Batch {
			if taken := run(); taken >= 0 {
				return taken
			}
		}
	}
	if len(batch) > 0 {
		return run()
	}
	return -1
}

// edited returns the best scenario with a change.
func (r *shrinker) edited(change func(s *scenario.Scenario)) scenario.Scenario {
	s := r.best.Clone()
	change(&s)
	return s
}

// tryAnew tries a change that draws the run anew, with other seeds as well.
func (r *shrinker) tryAnew(change func(s *scenario.Scenario)) bool {
	var list []scenario.Scenario
	for i := range uint64(1 + rerolls) {
		list = append(list, r.edited(func(s *scenario.Scenario) {
			change(s)
			s.Seed += i
		}))
	}
	return r.try(list...) >= 0
}

// without leaves out of n parts as many as possible. Build makes the scenario with the parts that are left; it is
// called with numbers in ascending order.
func (r *shrinker) without(n int, build func(left []int) scenario.Scenario) {
	left := make([]int, n)
	for i := range left {
		left[i] = i
	}
	for chunk := n; chunk >= 1; chunk = (chunk + 1) / 2 {
		for at := 0; at < len(left) && !r.Enough(); {
			var starts []int
			var list []scenario.Scenario
			for from := at; from < len(left) && len(list) < r.Batch; from += chunk {
				list = append(list, build(cut(left, from, chunk)))
				starts = append(starts, from)
			}
			taken := r.try(list...)
			if taken < 0 {
				at = starts[len(starts)-1] + chunk
				continue
			}
			left = cut(left, starts[taken], chunk)
			at = starts[taken]
		}
		if chunk == 1 {
			return
		}
	}
}

func cut(list []int, from, n int) []int {
	out := slices.Clone(list[:from])
	return append(out, list[min(from+n, len(list)):]...)
}

const durationLeast = 100 * time.Millisecond

// time shortens the phase of faults.
func (r *shrinker) time() {
	for step := r.best.Duration / 2; step >= durationLeast && step >= r.best.Duration/32 && !r.Enough(); {
		shorter := r.edited(func(s *scenario.Scenario) { shorten(s, (s.Duration - step).Round(durationLeast)) })
		if shorter.Duration < durationLeast || r.try(shorter) < 0 {
			step /= 2
		}
		step = min(step, r.best.Duration/2)
	}
}

// shorten ends the phase of faults earlier; later faults are dropped.
func shorten(s *scenario.Scenario, d time.Duration) {
	s.Duration = d
	s.Plan.Events = slices.DeleteFunc(s.Plan.Events, func(e chaos.Event) bool { return e.At > d })
}

// clients takes away clients, the last ones first; operations of the others stay the same.
func (r *shrinker) clients() {
	for r.best.Clients > 1 && !r.Enough() {
		var list []scenario.Scenario
		for _, n := range []int{1, r.best.Clients / 2, r.best.Clients - 1} {
			if n >= 1 && n < r.best.Clients {
				list = append(list, r.edited(func(s *scenario.Scenario) {
					s.Clients = n
					if s.Keep != nil && len(*s.Keep) > n {
						k := slices.Clone((*s.Keep)[:n])
						s.Keep = &k
					}
				}))
			}
		}
		if r.try(list...) < 0 {
			return
		}
	}
}

// nodes takes away the last node, and what faults do to it.
func (r *shrinker) nodes() {
	for r.best.Nodes > 1 && !r.Enough() {
		fewer := func(s *scenario.Scenario) {
			s.Nodes--
			s.Own.Fit(s)
			s.Plan.Events = slices.DeleteFunc(s.Plan.Events,
				func(e chaos.Event) bool { return concerns(&e, s.Nodes+1) })
		}
		if !r.tryAnew(fewer) {
			return
		}
	}
}

// concerns reports whether a fault names node n.
func concerns(e *chaos.Event, n int) bool {
	for _, list := range append([][]int{e.Nodes, e.From, e.To}, e.Groups...) {
		if slices.Contains(list, n) {
			return true
		}
	}
	return false
}

// rates makes the world and the workload plain, one property after the other.
func (r *shrinker) rates() {
	plain := scenario.Default(nil)
	changes := []func(s *scenario.Scenario){
		func(s *scenario.Scenario) { s.Core = 0 },
		func(s *scenario.Scenario) { s.Network.Corrupt = 0 },
		func(s *scenario.Scenario) { s.Network.Duplicate = 0 },
		func(s *scenario.Scenario) { s.Network.Reorder = 0 },
		func(s *scenario.Scenario) { s.Network.Loss = 0 },
		func(s *scenario.Scenario) { s.Clocks = plain.Clocks },
		func(s *scenario.Scenario) { s.Disk = plain.Disk },
		func(s *scenario.Scenario) {
			s.Network.Delay, s.Network.DelayMax = plain.Network.Delay, plain.Network.DelayMax
		},
	}
	for _, change := range append(changes, r.best.Own.Simpler()...) {
		if r.Enough() {
			return
		}
		if s := r.edited(change); s.String() == r.best.String() {
			continue
		}
		if r.best.Keep != nil { // operations are named already: another run would have others.
			r.try(r.edited(change))
		} else {
			r.tryAnew(change)
		}
	}
}

// operations leaves out single operations, and with them the clients that did nothing else.
func (r *shrinker) operations() {
	type op struct{ client, number int }
	var ops []op
	for c, n := range r.begun {
		if r.best.Keep == nil {
			for i := range n {
				ops = append(ops, op{c, i + 1})
			}
		} else if c < len(*r.best.Keep) {
			for _, i := range (*r.best.Keep)[c][:min(n, len((*r.best.Keep)[c]))] {
				ops = append(ops, op{c, i})
			}
		}
	}
	r.without(len(ops), func(left []int) scenario.Scenario {
		return r.edited(func(s *scenario.Scenario) {
			k := scenario.Kept{}
			for _, i := range left {
				for len(k) <= ops[i].client {
					k = append(k, nil)
				}
				k[ops[i].client] = append(k[ops[i].client], ops[i].number)
			}
			s.Keep = &k
		})
	})
}

// promises leaves out the promises that do not break.
func (r *shrinker) promises() {
	all := slices.Clone(r.best.Expect)
	r.without(len(all), func(left []int) scenario.Scenario {
		return r.edited(func(s *scenario.Scenario) {
			s.Expect = nil
			for _, i := range left {
				s.Expect = append(s.Expect, all[i])
			}
		})
	})
}
