package linearize

import (
	"fmt"
	"time"
)

// objectSearch judges a path of a model without rules of its own: by rules for any object, then by the search.
type objectSearch struct {
	p      *pathHistory
	object Object
	unique bool // no value was brought twice by operations that may have happened.
	found  *Evidence
	ops    []*Op   // by call: the operation as far as its outcome is known.
	forced []int64 // by call: when a value was seen that only this unknown operation can have brought; else Never.
	unseen []bool  // by call: its value was never seen.
}

func newObjectSearch(p *pathHistory) *objectSearch {
	s := &objectSearch{p: p, object: p.model.New(), unique: true, ops: make([]*Op, len(p.calls)),
		forced: make([]int64, len(p.calls)), unseen: make([]bool, len(p.calls))}
	for i := range p.calls {
		s.forced[i] = Never
		c := &p.calls[i]
		s.ops[i] = c.op
		if c.status != c.op.Status { // an answer that had not come yet, or an operation that is still open.
			o := *c.op
			o.Applied, o.Shown, o.Found, o.Output, o.List, o.Number, o.Version = false, false, false, "", nil, 0, ""
			o.Status, o.Return = c.status, c.ret
			s.ops[i] = &o
		}
	}
	if t, ok := p.model.(tracing); ok {
		s.trace(t)
	}
	return s
}

// trace looks for values that were seen and cannot have been there: no operation brought them, or only a later one. It
// also reduces the search: an unknown operation happened if a value was seen that only it can have brought, and it may
// be left out if its value was never seen. In a set, a queue and a list nothing else becomes impossible without it; an
// unknown dequeue that took the value is left out, too.
func (s *objectSearch) trace(t tracing) {
	// by value: the operations that may have brought it; one that failed.
	bringers, dead := make(map[string][]int), make(map[string]int)
	for i := range s.p.calls {
		for _, v := range t.brings(s.ops[i]) {
			if s.p.calls[i].status == Fail {
				dead[v] = i
				continue
			}
			s.unseen[i], s.unique = true, s.unique && len(bringers[v]) == 0
			bringers[v] = append(bringers[v], i)
		}
	}
	for i := range s.p.calls {
		c := &s.p.calls[i]
		if !c.happened() {
			continue
		}
		for _, v := range t.shows(s.ops[i]) {
			if !s.explain(c, v, bringers[v], dead) {
				return
			}
		}
	}
}

// explain looks for the operation that brought a value which c saw, and reports whether there is one.
func (s *objectSearch) explain(c *call, value string, bringers []int, dead map[string]int) bool {
	if len(bringers) == 0 {
		if d, failed := dead[value]; failed {
			s.report(RuleFailed, "%s saw %s, which only an operation that certainly did not happen would have "+
				"brought: %s",
				c, quoted(value), &s.p.calls[d])
		} else {
			s.report(RuleUnwritten, "%s saw %s, which no operation brought", c, quoted(value))
		}
		return false
	}
	if w := &s.p.calls[bringers[0]]; w.op.Invoke > c.ret {
		s.report(RuleFuture, "%s saw %s by %s, but the first operation that brought it began at %s: %s",
			c, quoted(value), time.Duration(c.ret), time.Duration(w.op.Invoke), w)
		return false
	}
	for _, i := range bringers {
		s.unseen[i] = false
		if len(bringers) == 1 && s.p.calls[i].status == Info {
			s.forced[i] = min(s.forced[i], c.ret)
		}
	}
	return true
}

// report makes the evidence; the calls among the arguments are the operations to look at.
func (s *objectSearch) report(rule Rule, format string, args ...any) {
	s.found = &Evidence{Rule: rule, Text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if c, ok := arg.(*call); ok {
			s.found.Ops = append(s.found.Ops, c.index)
		}
	}
}

// asked is a request: unknown operations with the same request are interchangeable.
type asked struct {
	kind         Kind
	input        string
	expect       string
	expectAbsent bool
	amount       int64
}

func askedOf(o *Op) asked { return asked{o.Kind, o.Input, o.Expect, o.ExpectAbsent, o.Amount} }

// alikes remembers the last unknown operation of those that ask for the same.
type alikes map[asked]int32

// next records that open task i is o, and returns the one before it with the same request; or none.
func (a alikes) next(o *Op, i int) int32 {
	before, known := a[askedOf(o)]
	a[askedOf(o)] = int32(i)
	if !known {
		return none
	}
	return before
}

// steps lists the operations that may matter, as steps: those of unknown outcome may happen or not.
func (s *objectSearch) steps() []step {
	var steps []step
	for i := range s.p.calls {
		c := s.p.calls[i] // with its operation as far as it is known.
		c.op = s.ops[i]
		switch {
		case c.status == OK:
			steps = append(steps, step{&c, sure, c.ret})
		case s.forced[i] != Never:
			steps = append(steps, step{&c, sure, s.forced[i]})
		case c.status == Info && c.op.Kind.isWrite() && !s.unseen[i]:
			steps = append(steps, step{&c, maybe, Never})
		}
	}
	return steps
}

// guide is implemented by an object that can order the search. It changes how long a search takes, not its result.
type guide interface {
	rank(o *Op, end int64) int64 // see order.rank; o has to have happened by end.
	urgent(state any) bool       // see order.urgent.
}

func (s *objectSearch) search(e *effort) (ending, int) {
	o := order[any]{limit: e.limits, stop: e.stop}
	var sures, opens []*Op
	alike := make(alikes)
	steps := s.steps()
	for i := range steps {
		st := &steps[i]
		t := task{invoke: st.op.Invoke, end: st.end, alike: none, sees: none, makes: none, ready: Never}
		if st.outcome == sure {
			t.look = s.looks(st.op)
			o.tasks, sures = append(o.tasks, t), append(sures, st.op)
			continue
		}
		t.alike = alike.next(st.op, len(opens))
		o.open, opens = append(o.open, t), append(opens, st.op)
	}
	if p, ok := s.object.(interface{ prepare(sures, opens []*Op) }); ok {
		p.prepare(sures, opens)
	}
	o.apply = func(state any, i int, open bool) (any, bool) {
		if open {
			return s.object.Step(state, opens[i])
		}
		return s.object.Step(state, sures[i])
	}
	if g, ok := s.object.(guide); ok {
		o.urgent = g.urgent
		for i, op := range sures {
			o.rank = append(o.rank, g.rank(op, o.tasks[i].end))
		}
	}
	if w, ok := s.object.(interface{ weigh(any) int }); ok {
		o.weigh = w.weigh
	}
	return o.find(s.object.Init()), len(steps)
}

// looks reports whether an answered operation certainly changed nothing.
func (s *objectSearch) looks(o *Op) bool {
	if l, ok := s.object.(interface{ looks(*Op) bool }); ok && l.looks(o) {
		return true
	}
	return !o.Kind.isWrite()
}

func (s *objectSearch) advice() string {
	if s.unique {
		return ""
	}
	return ", or bring every value only once"
}
