package linearize

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Verdict is what Check thinks of a history, or of one key of it. The zero value is Undecided, which fails.
type Verdict uint8

// The verdicts.
const (
	Undecided    Verdict = iota // nobody knows: out of time, or not a history that can be judged. Look at it.
	Linearizable                // there is an order of the operations that explains everything that was seen.
	Violation                   // there is none.
)

var verdictNames = [...]string{"undecided", "linearizable", "violation"}

// String prints the word used in reports.
func (v Verdict) String() string { return verdictNames[v] }

// TimeoutDefault is how long porcupine may think about one key if Options say nothing.
const TimeoutDefault = 30 * time.Second

// Options of Check. The zero value judges everything.
type Options struct {
	// Timeout is how long porcupine may think about one key; zero means TimeoutDefault. Each time it runs out the next key
	// gets half as much, so that a history with many hopeless keys takes twice the timeout, not many times. porcupine can
	// use a few GB in that time: set GOMEMLIMIT where that hurts.
	Timeout time.Duration

	// Levels, if not empty, are the consistency levels to judge. Gets at other levels are left out. A key that has a write
	// at another level is Undecided, because a register with writes that follow other rules is not a register.
	Levels []string

	// Prefix leaves out all paths that do not begin with it.
	Prefix string

	// StopEarly ends the search with the first violation: the keys left over are Undecided, by RuleSkipped. It is for those
	// who only want to know whether there is one, such as a shrinker.
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
	// Searched is how many operations were left for porcupine; 0 if it was not needed.
	Searched int
	// Unique reports that no two writes that may have happened wrote the same value. Otherwise unknown writes cost much
	// more, and most violations have no name.
	Unique bool
	// Evidence is why, unless the verdict is Linearizable.
	Evidence Evidence
}

// Result is what Check found.
type Result struct {
	Verdict Verdict
	Counts  Counts      // of what was judged.
	Keys    []KeyResult // by path.
	// Offending is the index in Keys of the key to look at first, -1 if the verdict is Linearizable. Of the keys that share
	// the verdict it is the one with the fewest operations, and those with a named rule come before the others.
	Offending int
	// Problem is why the history as a whole cannot be judged; the verdict is then Undecided.
	Problem string

	picture *register // what to draw: the offending key, up to the operation that gives it away.
}

// Check judges h, which it does not change.
func Check(h *History, opt Options) *Result {
	res := &Result{Offending: -1}
	if err := h.Validate(); err != nil {
		res.Problem = err.Error()
		return res
	}
	registers := split(h, opt)
	bySize := slices.Clone(registers)
	slices.SortFunc(bySize, func(a, b *register) int {
		return cmp.Or(cmp.Compare(len(a.calls), len(b.calls)), strings.Compare(a.path, b.path))
	})
	b := newBudget(opt.Timeout)
	res.Verdict = Linearizable
	settle := func(r *register, k *KeyResult) {
		if worse(k.Verdict, res.Verdict) {
			res.Verdict, res.picture = k.Verdict, r
		}
	}
	// What is cheap comes first, for all keys, each time beginning with the smallest.
	res.Keys = make([]KeyResult, len(bySize))
	left := make([]*analysis, len(bySize))
	for i, r := range bySize {
		res.Keys[i], left[i] = r.examine()
		res.Counts.add(res.Keys[i].Counts)
		if left[i] == nil {
			settle(r, &res.Keys[i])
		}
	}
	for i, a := range left {
		switch {
		case a == nil:
			continue
		case opt.StopEarly && res.Verdict == Violation:
			res.Keys[i].Evidence = Evidence{Rule: RuleSkipped, Text: "not judged: another key is a violation, and one is enough"}
			continue
		}
		a.search(&res.Keys[i], b)
		settle(a.r, &res.Keys[i])
	}
	res.conclude(b)
	return res
}

// worse orders verdicts: a violation is certain, so it tells more than an undecided key.
func worse(a, b Verdict) bool {
	rank := [...]int{Linearizable: 0, Undecided: 1, Violation: 2}
	return rank[a] > rank[b]
}

// conclude finds the operation that gives the offending key away and puts the keys in order of path.
func (res *Result) conclude(b *budget) {
	slices.SortFunc(res.Keys, func(x, y KeyResult) int { return strings.Compare(x.Path, y.Path) })
	if res.picture == nil {
		return
	}
	res.Offending = slices.IndexFunc(res.Keys, func(k KeyResult) bool { return k.Path == res.picture.path })
	if k := &res.Keys[res.Offending]; k.Verdict == Violation {
		res.picture = res.picture.shortest(b, &k.Evidence)
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

// budget hands out porcupine's timeouts. There is no clock here that could tell how much of one was used, so only a timeout
// that ran out counts: the next is half as long.
type budget struct{ next time.Duration }

func newBudget(timeout time.Duration) *budget {
	if timeout <= 0 {
		timeout = TimeoutDefault
	}
	return &budget{timeout}
}

func (b *budget) ranOut() { b.next = max(b.next/2, time.Millisecond) }
