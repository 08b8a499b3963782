package explore

import (
	"fmt"
	"slices"
	"strings"

	"kvs/sim/memstore"
)

// Options bound a search.
type Options struct {
	// DepthMax is the most steps of one execution; a longer one is given up there, unjudged, and the search is not
	// complete. Zero: no bound.
	DepthMax int
	// Go is asked before each execution whether to go on; nil: always. It also gets the progress of the search.
	Go func(*Result) bool

	// Amnesia makes a crash lose all that matters of the disk: to see that a broken promise is found.
	Amnesia bool

	// EveryOrder makes steps that commute (Guide.Commute) run in every order. That takes longer, and reaches the same
	// states.
	EveryOrder bool
}

// Result is the result of a search.
type Result struct {
	Executions uint64 // run from the beginning to an end.
	Known      uint64 // of them, given up at a state that others had reached.
	Cut        uint64 // of them, given up at the depth bound.
	Steps      uint64 // of all executions, including steps that were repeated to return to a branch.
	States     uint64 // different ones.
	Ends       uint64 // of them, judged: no further step was necessary.
	Depth      int    // of the longest execution.
	Complete   bool   // all executions within the bounds of the scope were run.
	Violation  string // what broke; empty: nothing.
	Schedule   string // of the violation.
}

// Verdict is the outcome of the search in one word.
func (r *Result) Verdict() string {
	if r.Violation != "" {
		return "broken"
	}
	return "ok"
}

// branch is a state on the path, and the steps that were tried from it.
type branch struct {
	chosen option
	todo   []option // still to be tried.
	tried  []option // before chosen.
	asleep sleep
}

// Search runs all executions of a scope, or as many as the bounds allow. An error means that the scope cannot be run at
// all; a broken promise is in the result.
func Search(space *Space, s *Scope, o Options) (res *Result, err error) {
	disks, err := prepare(space, s)
	if err != nil {
		return nil, err
	}
	res = &Result{}
	known := knowledge{}
	var path []*branch
	for {
		if o.Go != nil && !o.Go(res) {
			return res, nil
		}
		w, err := newWorld(space, s, disks)
		if err != nil {
			return nil, err
		}
		w.amnesia, w.sleeps = o.Amnesia, w.guide.Commute() && !o.EveryOrder
		path, err = live(w, path, known, o, res)
		if err != nil || res.Violation != "" {
			return res, err
		}
		if path = backtrack(path); path == nil {
			res.Complete = res.Cut == 0
			return res, nil
		}
	}
}

// prepare founds the cluster once; every execution begins with nodes that start on these disks.
func prepare(space *Space, s *Scope) ([]*memstore.Store, error) {
	if err := s.Check(space); err != nil {
		return nil, err
	}
	w, err := newWorld(space, s, nil)
	if err != nil {
		return nil, err
	}
	disks := make([]*memstore.Store, s.Nodes+1)
	for i := 1; i <= s.Nodes; i++ {
		disks[i] = w.World().Replica(i).Store()
	}
	return disks, nil
}

// live repeats the steps of path and goes on from its last branch with the first untried step, to the end of the
// execution.
func live(w *world, path []*branch, known knowledge, o Options, res *Result) (_ []*branch, err error) {
	defer func() {
		if r := recover(); r != nil { // an invariant of the machine: counts as a broken promise.
			res.Violation, res.Schedule = fmt.Sprintf("panic: %v", r), schedule(path)
			err = nil
		}
	}()
	res.Executions++
	for i := range path {
		if done, err := advance(w, path[:i+1], res); done || err != nil {
			return path, err
		}
	}
	for {
		res.Depth = max(res.Depth, len(path))
		var asleep sleep
		if n := len(path); n > 0 && w.sleeps {
			asleep = path[n-1].asleep.below(path[n-1].chosen.step, path[n-1].tried)
		}
		steps := w.enabled()
		ends := onlyMischief(steps)
		todo, isNew := known.visit(w.state(), asleep, w.options(steps))
		if isNew {
			res.States++
		}
		if isNew && ends { // one more crash, say, is still possible, and tried after this.
			todo = slices.Insert(todo, 0, option{step: step{kind: stepEnd}})
		}
		if len(todo) == 0 {
			res.Known++
			return path, nil
		}
		if o.DepthMax > 0 && len(path) >= o.DepthMax && todo[0].kind != stepEnd {
			res.Cut++
			return path, nil
		}
		b := &branch{chosen: todo[0], todo: todo[1:], asleep: asleep}
		path = append(path, b)
		if done, err := advance(w, path, res); done || err != nil {
			return path, err
		}
	}
}

// advance takes the step that was chosen last, and judges if it is the end.
func advance(w *world, path []*branch, res *Result) (done bool, err error) {
	chosen := path[len(path)-1].chosen.step
	if chosen.kind != stepEnd {
		res.Steps++
		err := w.take(chosen)
		if res.Violation = w.broken(); res.Violation != "" {
			res.Schedule = schedule(path)
		}
		return res.Violation != "", err
	}
	res.Ends++
	if v := w.judge(); v != "" {
		res.Violation, res.Schedule = v, schedule(path[:len(path)-1])
	}
	return true, nil
}

// onlyMischief reports whether only steps are left that need not happen.
func onlyMischief(enabled []step) bool {
	return !slices.ContainsFunc(enabled, func(s step) bool { return s.kind < stepTick })
}

// backtrack takes the next untried step of the last branch that has one; nil: there is none.
func backtrack(path []*branch) []*branch {
	for len(path) > 0 {
		b := path[len(path)-1]
		if len(b.todo) > 0 {
			b.tried = append(b.tried, b.chosen)
			b.chosen, b.todo = b.todo[0], b.todo[1:]
			return path
		}
		path = path[:len(path)-1]
	}
	return nil
}

func schedule(path []*branch) string {
	words := make([]string, len(path))
	for i, b := range path {
		words[i] = b.chosen.String()
	}
	return strings.Join(words, " ")
}

// Replay runs one schedule and reports each step with tell; it returns what is wrong with the result, empty: nothing.
func Replay(space *Space, s *Scope, text string, tell func(string)) (violation string, err error) {
	disks, err := prepare(space, s)
	if err != nil {
		return "", err
	}
	w, err := newWorld(space, s, disks)
	if err != nil {
		return "", err
	}
	defer func() {
		if r := recover(); r != nil {
			violation, err = fmt.Sprintf("panic: %v", r), nil
		}
	}()
	for i, word := range strings.Fields(text) {
		st, err := parseStep(word)
		if err != nil {
			return "", err
		}
		if st.at < 0 || st.at > s.Nodes || !slices.Contains(w.enabled(), st) {
			return "", fmt.Errorf("step %d, %s, is not possible there: the schedule is of another scope, or another "+
				"version of the system", i+1, st)
		}
		tell(fmt.Sprintf("%3d  %s", i+1, w.describe(st)))
		before := slices.Clone(w.calls)
		if err := w.take(st); err != nil {
			return "", err
		}
		for k := range w.calls {
			if c := &w.calls[k]; c.over && !before[k].over {
				tell(fmt.Sprintf("     operation %d is answered: %s", k+1, c.says()))
			}
		}
		if v := w.broken(); v != "" {
			return v, nil
		}
	}
	return w.judge(), nil
}

// describe is a step in words.
func (w *world) describe(s step) string {
	switch s.kind {
	case stepDeliver:
		at := slices.IndexFunc(w.flight, func(f message) bool { return f.From == s.from && f.number == s.which })
		kind, _ := w.World().Cluster().Describe(w.flight[at].Data)
		return fmt.Sprintf("%-8s n%d receives message %d of n%d (%s)", s, s.at, s.which, s.from, kind)
	case stepRequest:
		op := &w.calls[s.which].op
		return fmt.Sprintf("%-8s n%d is asked: operation %d, %s %q", s, s.at, s.which+1, op.Kind, op.Subject)
	case stepSynced:
		return fmt.Sprintf("%-8s the disk of n%d is done", s, s.at)
	case stepTick:
		return fmt.Sprintf("%-8s n%d wakes up", s, s.at)
	case stepPass:
		return fmt.Sprintf("%-8s time passes: %s", s, w.scope.patience())
	}
	return fmt.Sprintf("%-8s n%d crashes and starts again", s, s.at)
}
