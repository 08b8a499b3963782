package linearize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Verdict is the result of Check for a history, or for one key of it. The zero value is Undecided, which fails.
type Verdict uint8

// The verdicts.
const (
	Undecided    Verdict = iota // unknown: out of budget, or not a history that can be judged. Look at it.
	Linearizable                // there is an order of the operations that explains all answers.
	Violation                   // there is no such order.
	Known                       // with Options.KnownValues only: every value that was read had been written.
)

var verdictNames = [...]string{"undecided", "linearizable", "violation", "known"}

// String prints the word used in reports.
func (v Verdict) String() string { return verdictNames[v] }

// Defaults of the budget for one path.
const (
	WorkDefault        = 100_000_000 // steps: some ten seconds.
	MemoryBytesDefault = 1 << 30
)

// Options of Check. The zero value judges everything.
type Options struct {
	// Model is the model of each path; nil: the one that the header of the history names.
	Model Model

	// Work is how many steps the search may try for one path before the path is Undecided; zero means WorkDefault.
	// Each path has its own, and no clock is read, so that a verdict depends on the history alone.
	Work int64

	// MemoryBytes is about how much the search may remember for one path before the path is Undecided; zero means
	// MemoryBytesDefault.
	MemoryBytes int64

	// Stop is asked at intervals whether to give up: the paths that are not judged by then are Undecided. nil: never.
	Stop func() bool

	// Judged is called with the verdict on each path as soon as it is known, and with the number of paths that are
	// left. The result may have more evidence. nil: no call.
	Judged func(k *KeyResult, left int)

	// Levels, if not empty, are the consistency levels to judge. Gets at other levels are left out. A key that has a
	// write at another level is Undecided, because a register with writes that follow other rules is not a register.
	Levels []string

	// Prefix leaves out all paths that do not begin with it.
	Prefix string

	// KnownValues checks less: that every value that was read had been written, by a write that had begun and did not
	// fail. That holds at every level of consistency. Verdicts are Known or Violation then, by the first three rules.
	KnownValues bool

	// StopEarly ends the search with the first violation: the keys left over are Undecided, by RuleSkipped. It is for
	// callers that only need to know whether there is one, such as a shrinker.
	StopEarly bool
}

// Counts are the numbers of operations by status.
type Counts struct {
	Total, OK, Fail, Info int // Open counts as Info.
}

// KeyResult is the verdict on one path.
type KeyResult struct {
	Path    string
	Verdict Verdict
	Counts  Counts
	// Searched is how many operations were put in order by a search; 0 if none was needed.
	Searched int
	// Unique reports that no two writes that may have happened wrote the same value.
	Unique bool
	// Evidence is why, unless the verdict is Linearizable.
	Evidence Evidence
}

// Result is what Check found.
type Result struct {
	Verdict Verdict
	Counts  Counts      // of what was judged.
	Keys    []KeyResult // by path.
	// Offending is the index in Keys of the key to look at first, -1 if the verdict is Linearizable. Of the keys that
	// share the verdict it is the one with the fewest operations, and those with a named rule come before the others.
	Offending int
	// Problem is why the history as a whole cannot be judged; the verdict is then Undecided.
	Problem string
	// Nothing is why the verdict has no content: no operation with an answer could be judged. Otherwise it is empty.
	Nothing string

	picture *pathHistory // the history to draw: the offending key, up to the operation that reveals the violation.
}

// Check judges h, which it does not change.
func Check(h *History, opt Options) *Result {
	res := &Result{Offending: -1}
	m, err := opt.Model, error(nil)
	if m == nil {
		m, err = h.model()
	}
	if err == nil {
		err = h.validate(m)
	}
	if err != nil {
		res.Problem = err.Error()
		return res
	}
	paths := split(h, m, opt)
	slices.SortFunc(paths, func(a, b *pathHistory) int {
		return cmp.Or(cmp.Compare(len(a.calls), len(b.calls)), strings.Compare(a.path, b.path))
	})
	e := opt.effort()
	if res.Verdict = Linearizable; opt.KnownValues {
		res.Verdict = Known
	}
	undecided := len(paths)
	settle := func(p *pathHistory, k *KeyResult) {
		if undecided--; opt.Judged != nil {
			opt.Judged(k, undecided)
		}
		if worse(k.Verdict, res.Verdict) {
			res.Verdict, res.picture = k.Verdict, p
		}
	}
	// Cheap checks come first, for all keys, the smallest key first.
	res.Keys = make([]KeyResult, len(paths))
	left := make([]searcher, len(paths))
	for i, p := range paths {
		res.Keys[i], left[i] = p.examine(opt.KnownValues)
		res.Counts.add(res.Keys[i].Counts)
		if left[i] == nil {
			settle(p, &res.Keys[i])
		}
	}
	for i, s := range left {
		k := &res.Keys[i]
		switch {
		case s == nil:
			continue
		case opt.StopEarly && res.Verdict == Violation:
			k.Evidence = Evidence{Rule: RuleSkipped, Text: "not judged: another key is a violation, and one is enough"}
			continue
		case e.stop != nil && e.stop():
			k.Evidence = Evidence{Rule: RuleStopped, Text: "not judged: it was interrupted"}
		default:
			paths[i].search(s, k, e)
		}
		left[i] = nil // and its memory.
		settle(paths[i], k)
	}
	res.conclude(e)
	res.Nothing = nothing(h, res, &opt)
	return res
}

// nothing is why a verdict has no content.
func nothing(h *History, res *Result, opt *Options) string {
	switch {
	case len(h.Ops) == 0:
		return "the history has no operations"
	case len(res.Keys) == 0 && opt.Prefix != "":
		return fmt.Sprintf("no operation to be judged is on a path that begins with %q", opt.Prefix)
	case len(res.Keys) == 0 || !slices.ContainsFunc(h.Ops, func(op Op) bool {
		return strings.HasPrefix(op.Path, opt.Prefix) && opt.judges(op.Level)
	}):
		return "no operation is at a level to be judged"
	case res.Counts.OK == 0:
		return fmt.Sprintf("none of %d operations was answered: %d failed, of %d the outcome is unknown",
			res.Counts.Total, res.Counts.Fail, res.Counts.Info)
	}
	return ""
}

// judges reports whether operations at a level are judged.
func (opt *Options) judges(level string) bool {
	return len(opt.Levels) == 0 || slices.Contains(opt.Levels, level)
}

func (opt *Options) effort() *effort {
	e := &effort{limits{opt.Work, opt.MemoryBytes}, opt.Stop}
	if e.work <= 0 {
		e.work = WorkDefault
	}
	if e.memory <= 0 {
		e.memory = MemoryBytesDefault
	}
	return e
}

// worse orders verdicts: a violation is certain, so it comes before an undecided key.
func worse(a, b Verdict) bool {
	rank := [...]int{Linearizable: 0, Known: 0, Undecided: 1, Violation: 2}
	return rank[a] > rank[b]
}

// conclude finds the operation that reveals the violation of the offending key, and sorts the keys by path.
func (res *Result) conclude(e *effort) {
	slices.SortFunc(res.Keys, func(x, y KeyResult) int { return strings.Compare(x.Path, y.Path) })
	if res.picture == nil {
		return
	}
	res.Offending = slices.IndexFunc(res.Keys, func(k KeyResult) bool { return k.Path == res.picture.path })
	if k := &res.Keys[res.Offending]; k.Verdict == Violation {
		res.picture = res.picture.shortest(e, &k.Evidence)
	}
}

func (c *Counts) count(s Status) {
	c.Total++
	switch s {
	case OK:
		c.OK++
	case Fail:
		c.Fail++
	default:
		c.Info++
	}
}

func (c *Counts) add(d Counts) {
	c.Total += d.Total
	c.OK += d.OK
	c.Fail += d.Fail
	c.Info += d.Info
}
