package linearize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// content is what a register holds. The zero value is absent, the state every path begins in.
type content struct {
	found bool
	value string
}

var absent = content{}

func (c content) String() string { return showContent(c.found, c.value) }

// call is an operation on one register, as far as it had come at some moment.
type call struct {
	op     *Op
	index  int    // in History.Ops.
	status Status // never Open: that is Info here.
	ret    int64  // Never for Info.
}

// happened reports whether c certainly took place, be it as a refused compare-and-set.
func (c *call) happened() bool { return c.status == OK }

// refused reports whether c certainly took place and certainly changed nothing, although it is a write.
func (c *call) refused() bool { return c.status == OK && c.op.refused() }

// blind reports whether c is a refused compare-and-set that does not tell what it found.
func (c *call) blind() bool { return c.refused() && !c.op.Shown }

// saw returns what the register held at the moment of c, if c is known to have happened and the answer tells exactly.
func (c *call) saw() (content, bool) {
	if c.status != OK {
		return absent, false
	}
	if c.op.Kind == Get || c.op.Shown {
		return content{c.op.Found, c.op.Output}, true
	}
	return c.needs(), c.op.Applied
}

// needs returns what a compare-and-set must find to be applied.
func (c *call) needs() content { return content{!c.op.ExpectAbsent, c.op.Expect} }

// leaves returns what the register holds right after c, if c is a write and is applied. Append is another matter.
func (c *call) leaves() content {
	if c.op.Kind == Delete || c.op.Kind == CASDelete {
		return absent
	}
	return content{true, c.op.Input}
}

// writes reports whether c changed the register, or may have.
func (c *call) writes() bool { return c.op.Kind.isWrite() && c.status != Fail && !c.refused() }

// String names c for people.
func (c *call) String() string {
	s := fmt.Sprintf("operation %d (%s, process %d", c.index, c.op, c.op.Process)
	if c.op.Node != "" {
		s += " at " + c.op.Node
	}
	return s + ")"
}

// register is the part of a history that touches one path, up to some moment.
type register struct {
	path  string
	calls []call // in order of invoke.
	mixed int    // the call that makes the register unfit for judging the chosen levels; -1: none.
}

// split sorts the operations of h by path. The registers are in order of their first operation.
func split(h *History, opt Options) []*register {
	var all []*register
	at := make(map[string]int)
	for i := range h.Ops {
		op := &h.Ops[i]
		if !strings.HasPrefix(op.Path, opt.Prefix) {
			continue
		}
		other := len(opt.Levels) > 0 && !slices.Contains(opt.Levels, op.Level)
		if other && (op.Kind == Get || op.Status == Fail) {
			continue // a completed look may be left out of any history; what never happened may too.
		}
		n, known := at[op.Path]
		if !known {
			n = len(all)
			at[op.Path] = n
			all = append(all, &register{path: op.Path, mixed: -1})
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

// judge says whether r could be a register.
func (r *register) judge(b *budget) KeyResult {
	k, a := r.examine()
	if a != nil {
		a.search(&k, b)
	}
	return k
}

// examine judges r as far as that is cheap. The analysis is nil if the verdict is final, else it has to search.
func (r *register) examine() (KeyResult, *analysis) {
	k := KeyResult{Path: r.path}
	for i := range r.calls {
		k.Counts.count(r.calls[i].status)
	}
	a := analyse(r)
	k.Unique = a.unique
	if r.mixed >= 0 {
		c := &r.calls[r.mixed]
		k.Evidence = Evidence{RuleMixed, []int{c.index}, fmt.Sprintf(
			"%s is a write at level %q, which is not among those judged: use one level a key, or judge other keys by prefix",
			c, c.op.Level)}
		return k, nil
	}
	if ev := a.violation(); ev != nil {
		k.Verdict, k.Evidence = Violation, *ev
		return k, nil
	}
	return k, a
}

// search asks porcupine for the verdict.
func (a *analysis) search(k *KeyResult, b *budget) {
	steps := a.reduce()
	k.Searched = len(steps)
	k.Verdict = search(steps, b.next)
	switch k.Verdict {
	case Undecided:
		k.Evidence = Evidence{Rule: RuleTimeout, Text: fmt.Sprintf(
			"porcupine did not finish %d operations on %q, %d of them open, within %s: allow more time, or run fewer clients a key%s",
			len(steps), k.Path, countOpen(steps), b.next, a.advice())}
		b.ranOut()
	case Violation:
		k.Evidence = Evidence{Rule: RuleNoOrder, Text: fmt.Sprintf("no order of the operations on %q explains what was seen", k.Path)}
	}
}

// returned lists the calls that came to an end, as indices, in the order in which they did.
func (r *register) returned() []int {
	var order []int
	for i := range r.calls {
		if r.calls[i].ret != Never {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(r.calls[i].ret, r.calls[j].ret) })
	return order
}

// prefix is r at the moment of the last return in order: whatever comes back later is still unknown.
//
// If r is linearizable, so is every prefix: cut its order of operations after the last of those that had returned. All in
// front of the cut were invoked by then, because an operation invoked later comes after all that had returned.
func (r *register) prefix(order []int) *register {
	p := &register{path: r.path, mixed: -1}
	if len(order) == 0 {
		return p
	}
	done := make([]bool, len(r.calls))
	for _, i := range order {
		done[i] = true
	}
	end := r.calls[order[len(order)-1]].ret
	for i, c := range r.calls {
		if c.op.Invoke > end {
			break
		}
		if !done[i] {
			c.status, c.ret = Info, Never
		}
		p.calls = append(p.calls, c)
	}
	return p
}

// shortest returns a short prefix of r, which is a violation, that is one too. For a violation without a name it is the
// shortest that can be found in time, and the operation at its end becomes the evidence.
func (r *register) shortest(b *budget, ev *Evidence) *register {
	order := r.returned()
	if ev.Rule != RuleNoOrder {
		return r.prefix(order[:r.lastOf(order, ev.Ops)])
	}
	good, bad := 0, len(order) // numbers of returns; nothing returned, nothing wrong.
	for good+1 < bad {
		mid := good + (bad-good)/2
		if r.prefix(order[:mid]).judge(b).Verdict == Violation {
			bad = mid
		} else {
			good = mid // an undecided prefix only makes the picture larger.
		}
	}
	p := r.prefix(order[:bad])
	last := &r.calls[order[bad-1]]
	*ev = Evidence{RuleNoOrder, []int{last.index}, fmt.Sprintf(
		"no order of the operations on %q explains what was seen up to the return of %s at %s",
		r.path, last, time.Duration(last.ret))}
	return p
}

// lastOf returns how many of the calls in order had returned when the last of the operations in ops came to its end, or
// began, if it has none.
func (r *register) lastOf(order []int, ops []int) int {
	var end int64
	for i := range r.calls {
		if c := &r.calls[i]; slices.Contains(ops, c.index) {
			end = max(end, c.op.Invoke)
			if c.ret != Never {
				end = max(end, c.ret)
			}
		}
	}
	n := 0
	for n < len(order) && r.calls[order[n]].ret <= end {
		n++
	}
	return n
}
