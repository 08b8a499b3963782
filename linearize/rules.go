package linearize

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Rule names a way of not being a register, or of not being judged.
type Rule string

// The rules. The first six are looked for by linear or n log n means before porcupine is asked.
const (
	RuleUnwritten   Rule = "unwritten"   // a value was seen that nobody wrote.
	RuleFailed      Rule = "failed"      // a value was seen whose only writes certainly did not happen.
	RuleFuture      Rule = "future"      // a value was seen before its write began.
	RuleVanished    Rule = "vanished"    // nothing was seen after a write, and no delete can be to blame.
	RuleTwoValues   Rule = "two-values"  // two values were there at once: one of the looks is stale.
	RuleInterrupted Rule = "interrupted" // something else happened wholly within the time in which a value was there.
	RuleNoOrder     Rule = "no-order"    // none of the above, but porcupine found no order.
	RuleTimeout     Rule = "timeout"     // undecided: porcupine ran out of time.
	RuleMixed       Rule = "mixed"       // undecided: the key has writes at a level that is not judged.
	RuleSkipped     Rule = "skipped"     // undecided: Options.StopEarly, and there was a violation already.
)

// Evidence is why a key is a violation or undecided.
type Evidence struct {
	Rule Rule
	Ops  []int // the operations to look at: indices in History.Ops. Operation n is on line n+2 of its file.
	Text string
}

// sighting is the fact that a register held something at some moment of a call, not later than by.
type sighting struct {
	call int // index in register.calls.
	content
	by int64
}

// analysis is what can be said about a register without trying orders.
type analysis struct {
	r       *register
	unique  bool // no value was written twice by writes that may have happened, and there is no append.
	appends bool

	writers map[string][]int // by value: the calls that may have written it, in order of invoke.
	dead    map[string]int   // by value: a call that would have written it but certainly did not.

	sightings []sighting
	forced    []int64 // by call: the time by which an unknown write must have happened, because it was seen; else Never.
	witness   []int   // by call: the one whose answer shows that a forced write happened. It returned at that time.
	implied   []bool  // by call: a blind refusal that says nothing: see implications.
	found     *Evidence
}

// analyse collects who wrote what and who saw what, and follows what that implies.
func analyse(r *register) *analysis {
	a := &analysis{
		r: r, unique: true, writers: make(map[string][]int), dead: make(map[string]int),
		forced: make([]int64, len(r.calls)), witness: make([]int, len(r.calls)),
	}
	for i := range r.calls {
		c := &r.calls[i]
		a.forced[i] = Never
		if c.op.Kind == Append && c.status != Fail {
			a.appends, a.unique = true, false
		}
		if !c.op.Kind.takesInput() {
			continue
		}
		if !c.writes() {
			a.dead[c.op.Input] = i
			continue
		}
		a.writers[c.op.Input] = append(a.writers[c.op.Input], i)
		if len(a.writers[c.op.Input]) > 1 {
			a.unique = false
		}
	}
	for i := range r.calls {
		if saw, ok := r.calls[i].saw(); ok {
			a.sightings = append(a.sightings, sighting{i, saw, r.calls[i].ret})
		}
	}
	// The slice grows while it is walked: a sighting can prove that an unknown compare-and-set happened, which then saw
	// something itself.
	for i := 0; i < len(a.sightings) && a.found == nil; i++ {
		a.explain(a.sightings[i])
	}
	a.implied = a.implications()
	return a
}

// explain looks for the write behind a sighting. Values come from nowhere else, whether they are unique or not.
func (a *analysis) explain(s sighting) {
	if !s.found || a.appends {
		return
	}
	c := &a.r.calls[s.call]
	writers := a.writers[s.value]
	if len(writers) == 0 {
		if i, ok := a.dead[s.value]; ok {
			a.report(RuleFailed, "%s saw %s, which only a write that certainly did not happen would have written: %s",
				c, s.content, &a.r.calls[i])
			return
		}
		a.report(RuleUnwritten, "%s saw %s, which nobody wrote", c, s.content)
		return
	}
	first := writers[0]
	w := &a.r.calls[first]
	if w.op.Invoke > s.by {
		a.report(RuleFuture, "%s saw %s by %s, but the first write of it began at %s: %s",
			c, s.content, time.Duration(s.by), time.Duration(w.op.Invoke), w)
		return
	}
	if !a.unique || w.status != Info || a.forced[first] <= s.by {
		return
	}
	// Reduction 1: an unknown write whose value was seen happened no later than the return of the look that saw it. No
	// other write can have put the value there, and the write comes before the look in every order that explains the look.
	a.forced[first], a.witness[first] = s.by, s.call
	if !c.happened() {
		a.witness[first] = a.witness[s.call]
	}
	if w.op.Kind == CAS {
		a.sightings = append(a.sightings, sighting{first, w.needs(), s.by})
	}
}

// report keeps the first piece of evidence. The calls among the arguments are the operations to look at, and after them those
// that show that an unknown one among them happened.
func (a *analysis) report(rule Rule, format string, args ...any) {
	if a.found != nil {
		return
	}
	ev := &Evidence{Rule: rule, Text: fmt.Sprintf(format, args...)}
	point := func(c *call) bool {
		if slices.Contains(ev.Ops, c.index) {
			return false
		}
		ev.Ops = append(ev.Ops, c.index)
		return true
	}
	var witnesses []*call
	for _, arg := range args {
		c, ok := arg.(*call)
		if !ok || !point(c) {
			continue
		}
		i := slices.IndexFunc(a.r.calls, func(d call) bool { return d.index == c.index })
		if a.forced[i] != Never {
			w := &a.r.calls[a.witness[i]]
			ev.Text += fmt.Sprintf("; operation %d happened, as %s shows", c.index, w)
			witnesses = append(witnesses, w)
		}
	}
	for _, w := range witnesses {
		point(w)
	}
	a.found = ev
}

// violation returns evidence against the register, or nil if these rules find none.
func (a *analysis) violation() *Evidence {
	if a.found == nil {
		a.vanished()
	}
	if a.found == nil && a.unique {
		a.holds()
	}
	return a.found
}

// sure reports whether call i certainly took place, and by when.
func (a *analysis) sure(i int) (by int64, ok bool) {
	if c := &a.r.calls[i]; c.happened() {
		return c.ret, true
	}
	return a.forced[i], a.forced[i] != Never
}

// vanished looks for a look that saw nothing after a write W that left a value. Something made the path absent between the
// two: a delete that is not wholly before W and not wholly after the look. This holds for values that are not unique, too.
func (a *analysis) vanished() {
	type point struct {
		at   int64
		best int64 // the highest of the quantity asked for, over all points up to this one.
		call int   // that has it.
	}
	var writes, deletes []point // writes by return, best invoke; deletes by invoke, best return.
	for i := range a.r.calls {
		c := &a.r.calls[i]
		if !c.writes() {
			continue
		}
		by, sure := a.sure(i)
		if c.op.Kind == Delete || c.op.Kind == CASDelete {
			deletes = append(deletes, point{c.op.Invoke, by, i}) // by is Never for an unknown one.
		} else if sure {
			writes = append(writes, point{by, c.op.Invoke, i})
		}
	}
	upTo := func(points []point, t int64) (point, bool) { // the last point at or before t.
		n, _ := slices.BinarySearchFunc(points, t, func(p point, t int64) int {
			if p.at <= t {
				return -1
			}
			return 1
		})
		if n == 0 {
			return point{}, false
		}
		return points[n-1], true
	}
	for _, points := range [][]point{writes, deletes} {
		slices.SortStableFunc(points, func(p, q point) int { return cmp.Compare(p.at, q.at) })
		for i := 1; i < len(points); i++ {
			if points[i].best < points[i-1].best {
				points[i].best, points[i].call = points[i-1].best, points[i-1].call
			}
		}
	}
	for _, s := range a.sightings {
		if s.found {
			continue
		}
		c := &a.r.calls[s.call]
		w, ok := upTo(writes, c.op.Invoke-1)
		if !ok {
			continue
		}
		if d, ok := upTo(deletes, s.by); ok && d.best >= w.best {
			continue
		}
		a.report(RuleVanished, "%s saw nothing after %s, and no delete can have come between", c, &a.r.calls[w.call])
		return
	}
}

// hold is a time in which a register certainly held one value.
type hold struct {
	value       string
	from, to    int64
	first, last int // the calls whose return and invoke these are.
}

func (h hold) String() string {
	return fmt.Sprintf("%s was there from %s to %s", content{true, h.value}, time.Duration(h.from), time.Duration(h.to))
}

// holds looks for contradictions between the times in which values were certainly there.
//
// With unique values a value is there from its write until it is replaced, without a gap. The write and all looks that saw it
// happened in that time, so from the earliest return among them to the latest invoke the value was there. This is the zone
// of Gibbons and Korach, "Testing Shared Memories" (SIAM J. Comput. 26, 1997), section 4; without deletes and
// compare-and-set it would even be a complete test. Ends are open: intervals of operations are closed.
func (a *analysis) holds() {
	at := make(map[string]int)
	var all []hold
	note := func(value string, i int, by int64) {
		n, known := at[value]
		if !known {
			n = len(all)
			at[value] = n
			all = append(all, hold{value: value, from: Never, to: -1})
		}
		if by < all[n].from {
			all[n].from, all[n].first = by, i
		}
		if inv := a.r.calls[i].op.Invoke; inv > all[n].to {
			all[n].to, all[n].last = inv, i
		}
	}
	for _, s := range a.sightings {
		if s.found {
			note(s.value, s.call, s.by)
		}
	}
	for i := range a.r.calls {
		if c := &a.r.calls[i]; c.writes() && c.op.Kind.takesInput() {
			if by, ok := a.sure(i); ok {
				note(c.op.Input, i, by)
			}
		}
	}
	all = slices.DeleteFunc(all, func(h hold) bool { return h.from >= h.to })
	slices.SortStableFunc(all, func(g, h hold) int { return cmp.Compare(g.from, h.from) })
	for i := 1; i < len(all); i++ {
		// The holds before are disjoint, or this point would not have been reached, so the one before reaches furthest.
		if g, h := all[i-1], all[i]; h.from < g.to {
			a.report(RuleTwoValues, "%s, say %s and %s; but %s, say %s and %s",
				g, &a.r.calls[g.first], &a.r.calls[g.last], h, &a.r.calls[h.first], &a.r.calls[h.last])
			return
		}
	}
	a.interruptions(all)
}

// interruptions looks for calls that lie wholly within a hold and saw or left something else. holds are disjoint and sorted.
func (a *analysis) interruptions(holds []hold) {
	within := func(inv, by int64) *hold {
		n, _ := slices.BinarySearchFunc(holds, inv, func(h hold, t int64) int {
			if h.from < t {
				return -1
			}
			return 1
		})
		if n > 0 && by < holds[n-1].to {
			return &holds[n-1]
		}
		return nil
	}
	check := func(i int, by int64, differs func(held content) bool) {
		c := &a.r.calls[i]
		h := within(c.op.Invoke, by)
		if h == nil || a.found != nil {
			return
		}
		if differs(content{true, h.value}) {
			a.report(RuleInterrupted, "%s, say %s and %s; but %s lies wholly between", h, &a.r.calls[h.first], &a.r.calls[h.last], c)
		}
	}
	for i := range a.r.calls {
		c := &a.r.calls[i]
		by, ok := a.sure(i)
		if !ok {
			continue
		}
		switch {
		case c.writes():
			check(i, by, func(held content) bool { return c.leaves() != held })
		case c.blind():
			check(i, by, func(held content) bool { return c.needs() == held })
		}
	}
	for _, s := range a.sightings {
		check(s.call, s.by, func(held content) bool { return s.content != held })
	}
}
