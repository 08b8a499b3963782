package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kvs/linearize"
	"kvs/node"
	"kvs/sim/memstore"
)

// Options bound a search.
type Options struct {
	// DepthMax is the most steps of one execution; what is longer is given up there, unjudged, and the search is not complete.
	// Zero: no bound.
	DepthMax int
	// Go is asked before each execution whether to go on; nil: always. It also hears how far the search is.
	Go func(*Result) bool

	amnesia bool // a crash loses the records on the disk: to see that a broken promise is found.
}

// Result is what a search has seen.
type Result struct {
	Executions uint64 // lived from the beginning to an end.
	Known      uint64 // of them, given up because they came to a state that had been lived from.
	Cut        uint64 // of them, given up at the depth bound.
	Steps      uint64 // of all executions, those that were lived again to get back to a branch included.
	States     uint64 // different ones.
	Ends       uint64 // of them, judged: nothing had to happen any more.
	Depth      int    // of the longest execution.
	Complete   bool   // all there is within the bounds of the scope was lived.
	Violation  string // what broke; empty: nothing.
	Schedule   string // of the violation.
}

// branch is a state on the way, and what was tried from it.
type branch struct {
	chosen step
	todo   []step // still to be tried.
}

// Search lives all executions of a scope, or as many as the bounds allow. An error means that the scope cannot be lived at all; a broken
// promise is in the result.
func Search(s *Scope, o Options) (res *Result, err error) {
	disks, err := prepare(s)
	if err != nil {
		return nil, err
	}
	res = &Result{}
	known := map[state]struct{}{}
	var path []*branch
	for {
		if o.Go != nil && !o.Go(res) {
			return res, nil
		}
		w, err := newWorld(s, disks)
		if err != nil {
			return nil, err
		}
		w.amnesia = o.amnesia
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
func prepare(s *Scope) ([]*memstore.Store, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	w, err := newWorld(s, nil)
	if err != nil {
		return nil, err
	}
	disks := make([]*memstore.Store, s.Nodes+1)
	for i := 1; i <= s.Nodes; i++ {
		disks[i] = w.members[i].store
	}
	return disks, nil
}

// live repeats the steps of path and goes on from its last branch with the first of what is left, to the end of the execution.
func live(w *world, path []*branch, known map[state]struct{}, o Options, res *Result) (_ []*branch, err error) {
	defer func() {
		if r := recover(); r != nil { // an invariant of the node: as good as a broken promise.
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
		at := w.state()
		res.Depth = max(res.Depth, len(path))
		if _, lived := known[at]; lived {
			res.Known++
			return path, nil
		}
		known[at] = struct{}{}
		res.States++
		enabled := w.enabled()
		if onlyMischief(enabled) { // one more crash, say, is still possible, and tried after this.
			enabled = slices.Insert(enabled, 0, step{kind: stepEnd})
		}
		if o.DepthMax > 0 && len(path) >= o.DepthMax && enabled[0].kind != stepEnd {
			res.Cut++
			return path, nil
		}
		b := &branch{chosen: enabled[0], todo: enabled[1:]}
		path = append(path, b)
		if done, err := advance(w, path, res); done || err != nil {
			return path, err
		}
	}
}

// advance takes the step that was chosen last, and judges if it is the end.
func advance(w *world, path []*branch, res *Result) (done bool, err error) {
	chosen := path[len(path)-1].chosen
	if chosen.kind != stepEnd {
		res.Steps++
		return false, w.take(chosen)
	}
	res.Ends++
	if v := w.judge(); v != "" {
		res.Violation, res.Schedule = v, schedule(path[:len(path)-1])
	}
	return true, nil
}

// onlyMischief reports whether all that is left are steps that need not happen.
func onlyMischief(enabled []step) bool {
	return !slices.ContainsFunc(enabled, func(s step) bool { return s.kind != stepCrash && s.kind != stepTick })
}

// backtrack turns to the next step of the last branch that has one; nil: there is none.
func backtrack(path []*branch) []*branch {
	for len(path) > 0 {
		b := path[len(path)-1]
		if len(b.todo) > 0 {
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

// The letters of steps in schedules: d2<1#3 message 3 of n1 arrives at n2, r1#0 the first operation arrives at n1, s1#4 the disk of n1 is
// done, t1#0 n1 wakes up, c1#0 n1 crashes and starts again.
var stepLetters = [...]string{stepDeliver: "d", stepRequest: "r", stepSynced: "s", stepTick: "t", stepCrash: "c", stepEnd: "end"}

// String prints the form that schedules have.
func (s step) String() string {
	from := ""
	if s.kind == stepDeliver {
		from = "<" + strconv.Itoa(s.from)
	}
	return fmt.Sprintf("%s%d%s#%d", stepLetters[s.kind], s.at, from, s.which)
}

func parseStep(text string) (s step, err error) {
	kind := slices.Index(stepLetters[:], text[:min(1, len(text))])
	at, which, ok := strings.Cut(text[min(1, len(text)):], "#")
	if kind < 0 || !ok {
		return s, fmt.Errorf("%q is no step: want a form like d2<1#3", text)
	}
	s.kind = stepKind(kind)
	from := ""
	if s.kind == stepDeliver {
		at, from, _ = strings.Cut(at, "<")
		if s.from, err = strconv.Atoi(from); err != nil {
			return s, fmt.Errorf("%q is no step: %w", text, err)
		}
	}
	var err2 error
	s.at, err = strconv.Atoi(at)
	s.which, err2 = strconv.Atoi(which)
	if err = cmp.Or(err, err2); err != nil {
		return s, fmt.Errorf("%q is no step: %w", text, err)
	}
	return s, nil
}

// Replay lives one schedule and tells each step; it returns what is wrong with what came of it, empty: nothing.
func Replay(s *Scope, text string, tell func(string)) (violation string, err error) {
	disks, err := prepare(s)
	if err != nil {
		return "", err
	}
	w, err := newWorld(s, disks)
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
		if st.at < 1 || st.at > s.Nodes || !slices.Contains(w.enabled(), st) {
			return "", fmt.Errorf("step %d, %s, is not possible there: the schedule is of another scope or version of kvs", i+1, st)
		}
		tell(fmt.Sprintf("%3d  %s", i+1, w.describe(st)))
		before := slices.Clone(w.calls)
		if err := w.take(st); err != nil {
			return "", err
		}
		for k := range w.calls {
			if c := &w.calls[k]; c.over && !before[k].over {
				tell(fmt.Sprintf("     operation %d is answered: %s %q", k+1, c.response.Code, c.response.Record.Value))
			}
		}
	}
	return w.judge(), nil
}

// describe says in words what a step is.
func (w *world) describe(s step) string {
	switch s.kind {
	case stepDeliver:
		at := slices.IndexFunc(w.flight, func(f message) bool { return f.from == s.from && f.number == s.which })
		return fmt.Sprintf("%-8s n%d receives message %d of n%d (%s)", s, s.at, s.which, s.from, node.FrameName(w.flight[at].data))
	case stepRequest:
		o := &w.scope.Ops[s.which]
		return fmt.Sprintf("%-8s n%d is asked: operation %d, %s %q", s, s.at, s.which+1, kindName(o.Kind), o.Path)
	case stepSynced:
		return fmt.Sprintf("%-8s the disk of n%d is done", s, s.at)
	case stepTick:
		return fmt.Sprintf("%-8s n%d wakes up", s, s.at)
	}
	return fmt.Sprintf("%-8s n%d crashes and starts again", s, s.at)
}

func kindName(k linearize.Kind) string {
	if k == createKind {
		return "create"
	}
	return k.String()
}

func sortOps(ops []linearize.Op) {
	slices.SortStableFunc(ops, func(a, b linearize.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
}
