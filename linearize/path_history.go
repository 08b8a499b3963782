package linearize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// call is an operation on one register, as far as it had come at some moment.
type call struct {
	op     *Op
	index  int    // in History.Ops.
	status Status // never Open: that is Info here.
	ret    int64  // Never for Info.
}

// happened reports whether c certainly took place, also as a refused compare-and-set.
func (c *call) happened() bool { return c.status == OK }

// String names c for people.
func (c *call) String() string {
	s := fmt.Sprintf("operation %d (%s, process %d", c.index, c.op, c.op.Process)
	if c.op.Node != "" {
		s += " at " + c.op.Node
	}
	return s + ")"
}

// pathHistory is the part of a history that touches one path, up to some moment.
type pathHistory struct {
	path  string
	model Model
	calls []call // in order of invoke.
	mixed int    // the call that makes the path unfit for judging the chosen levels; -1: none.
}

// split sorts the operations of h by path. The paths are in order of their first operation.
func split(h *History, m Model, opt Options) []*pathHistory {
	var all []*pathHistory
	at := make(map[string]int)
	for i := range h.Ops {
		op := &h.Ops[i]
		if !strings.HasPrefix(op.Path, opt.Prefix) {
			continue
		}
		other := !opt.judges(op.Level)
		if other && (!op.Kind.isWrite() || op.Status == Fail) {
			continue // a completed read may be left out of any history, and so may an operation that never happened.
		}
		n, known := at[op.Path]
		if !known {
			n = len(all)
			at[op.Path] = n
			all = append(all, &pathHistory{path: op.Path, model: m, mixed: -1})
		}
		r := all[n]
		if other && r.mixed < 0 {
			r.mixed = len(r.calls)
		}
		c := call{op: op, index: i, status: op.Status, ret: op.Return}
		if c.status == Open {
			c.status = Info
		}
		r.calls = append(r.calls, c)
	}
	return all
}

// searcher looks for an order of the operations on one path.
type searcher interface {
	// search returns the outcome, and how many operations there were to put in order.
	search(e *effort) (ending, int)
	// advice says which properties of the workload made the search hard: phrases that begin with a comma.
	advice() string
}

// effort bounds the search on one path.
type effort struct {
	limits
	stop func() bool // nil: never.
}

// judge decides whether p could be an object of its model.
func (p *pathHistory) judge(e *effort) KeyResult {
	k, s := p.examine(false)
	if s != nil {
		p.search(s, &k, e)
	}
	return k
}

// examine judges p as far as that is cheap. The searcher is nil if the verdict is final, as it always is with
// KnownValues.
func (p *pathHistory) examine(knownValues bool) (KeyResult, searcher) {
	k := KeyResult{Path: p.path, Unique: true}
	for i := range p.calls {
		k.Counts.count(p.calls[i].status)
	}
	var s searcher
	var ev *Evidence
	if _, ok := p.model.(registerModel); ok {
		a := analyse(p)
		if s, k.Unique, ev = a, a.unique, a.found; !knownValues {
			ev = a.violation()
		}
	} else {
		o := newObjectSearch(p)
		s, k.Unique, ev = o, o.unique, o.found
	}
	switch {
	case knownValues && ev == nil:
		k.Verdict = Known
		return k, nil
	case p.mixed >= 0 && !knownValues:
		c := &p.calls[p.mixed]
		k.Evidence = Evidence{RuleMixed, []int{c.index}, fmt.Sprintf(
			"%s is a write at level %q, which is not among those judged: use one level a key, or judge other "+
				"keys by prefix",
			c, c.op.Level)}
		return k, nil
	case ev != nil:
		k.Verdict, k.Evidence = Violation, *ev
		return k, nil
	}
	return k, s
}

// search asks s for the verdict.
func (p *pathHistory) search(s searcher, k *KeyResult, e *effort) {
	how, n := s.search(e)
	k.Searched = n
	undecided := func(rule Rule, format string, args ...any) {
		k.Verdict, k.Evidence = Undecided, Evidence{Rule: rule, Text: fmt.Sprintf(format, args...)}
	}
	switch how {
	case explained:
		k.Verdict = Linearizable
	case noOrder:
		k.Verdict = Violation
		k.Evidence = Evidence{
			Rule: RuleNoOrder, Text: fmt.Sprintf("no order of the operations on %q explains what was seen", p.path),
		}
	case outOfWork:
		undecided(RuleWork, "%d operations on %q, %d of them unknown: no order was found or excluded in %d steps; "+
			"allow more, or run fewer clients a key%s", n, p.path, k.Counts.Info, e.work, s.advice())
	case outOfMemory:
		undecided(RuleMemory, "%d operations on %q, %d of them unknown: no order was found or excluded with %d MiB of "+
			"memory; allow more, or run fewer clients a key%s", n, p.path, k.Counts.Info, e.memory>>20, s.advice())
	case stopped:
		undecided(RuleStopped, "not judged to the end: it was interrupted")
	}
}

// returned lists the calls that came to an end, as indices, in the order in which they did.
func (p *pathHistory) returned() []int {
	var order []int
	for i := range p.calls {
		if p.calls[i].ret != Never {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p.calls[i].ret, p.calls[j].ret) })
	return order
}

// prefix is p at the moment of the last return in order: whatever comes back later is still unknown.
//
// If p is linearizable, so is every prefix: cut its order of operations after the last of those that had returned.
// All in front of the cut were invoked by then, because an operation invoked later comes after all that had returned.
func (p *pathHistory) prefix(order []int) *pathHistory {
	short := &pathHistory{path: p.path, model: p.model, mixed: -1}
	if len(order) == 0 {
		return short
	}
	done := make([]bool, len(p.calls))
	for _, i := range order {
		done[i] = true
	}
	end := p.calls[order[len(order)-1]].ret
	for i, c := range p.calls {
		if c.op.Invoke > end {
			break
		}
		if !done[i] {
			c.status, c.ret = Info, Never
		}
		short.calls = append(short.calls, c)
	}
	return short
}

// shortest returns a short prefix of p, which is a violation, that is one too. For a violation without a name it is the
// shortest that can be found in time, and the operation at its end becomes the evidence.
func (p *pathHistory) shortest(e *effort, ev *Evidence) *pathHistory {
	order := p.returned()
	if ev.Rule != RuleNoOrder {
		return p.prefix(order[:p.lastOf(order, ev.Ops)])
	}
	good, bad := 0, len(order) // numbers of returns; with no return there is no violation.
	for good+1 < bad {
		mid := good + (bad-good)/2
		if p.prefix(order[:mid]).judge(e).Verdict == Violation {
			bad = mid
		} else {
			good = mid // an undecided prefix only makes the picture larger.
		}
	}
	short := p.prefix(order[:bad])
	last := &p.calls[order[bad-1]]
	*ev = Evidence{RuleNoOrder, []int{last.index}, fmt.Sprintf(
		"no order of the operations on %q explains what was seen up to the return of %s at %s",
		p.path, last, time.Duration(last.ret))}
	return short
}

// lastOf returns how many of the calls in order had returned when the last of the operations in ops came to its end, or
// began, if it has none.
func (p *pathHistory) lastOf(order []int, ops []int) int {
	var end int64
	for i := range p.calls {
		if c := &p.calls[i]; slices.Contains(ops, c.index) {
			end = max(end, c.op.Invoke)
			if c.ret != Never {
				end = max(end, c.ret)
			}
		}
	}
	n := 0
	for n < len(order) && p.calls[order[n]].ret <= end {
		n++
	}
	return n
}
