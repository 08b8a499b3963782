package linearize

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Rule names a way of not being a register, or of not being judged.
type Rule string

// The rules. The first six are looked for by linear or n log n means before orders are searched. Those about two
// values hold for values that can have come only once.
const (
	RuleUnwritten Rule = "unwritten"  // a value was seen that no operation wrote.
	RuleFailed    Rule = "failed"     // a value was seen whose only writes certainly did not happen.
	RuleFuture    Rule = "future"     // a value was seen before its write began.
	RuleVanished  Rule = "vanished"   // nothing was seen after a write, and no delete can be the cause.
	RuleTwoValues Rule = "two-values" // two values were there at once: one of the looks is stale.
	// another operation happened wholly within the time in which a value was there.
	RuleInterrupted Rule = "interrupted"
	RuleNoOrder     Rule = "no-order" // none of the above, but there is no order.
	RuleWork        Rule = "work"     // undecided: the search tried as many steps as it may.
	RuleMemory      Rule = "memory"   // undecided: the search remembered as much as it may.
	RuleStopped     Rule = "stopped"  // undecided: the search was interrupted.
	RuleTag         Rule = "tag"      // no violation: two versions, or two values of one version. See Tags.
	RuleMixed       Rule = "mixed"    // undecided: the key has writes at a level that is not judged.
	RuleSkipped     Rule = "skipped"  // undecided: Options.StopEarly, and there was a violation already.
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

// analysis is what can be derived about a register without trying orders.
type analysis struct {
	p      *pathHistory
	unique bool // no value was written twice by writes that may have happened, and there is no append.

	appended      map[string]bool // the inputs of appends that may have happened.
	appendLengths []int           // of those inputs, each once, rising.

	writers map[string][]int // by value: the calls that may have written it, in order of invoke.
	dead    map[string]int   // by value: a call that would have written it but certainly did not.

	sightings  []sighting
	seenSorted []string // the values in sightings, once lastSeen was called.

	forced  []int64 // by call: the time by which an unknown write must have happened, because it was seen; else Never.
	witness []int   // by call: the one whose answer shows that a forced write happened. It returned at that time.
	implied []bool  // by call: a blind refusal that is implied: see implications.
	found   *Evidence
}

// analyse collects which operation wrote and saw which value, and what follows from that.
func analyse(p *pathHistory) *analysis {
	a := &analysis{
		p: p, unique: true, writers: make(map[string][]int), dead: make(map[string]int),
		appended: make(map[string]bool),
		forced:   make([]int64, len(p.calls)), witness: make([]int, len(p.calls)),
	}
	for i := range p.calls {
		c := &p.calls[i]
		a.forced[i] = Never
		switch {
		case !c.op.Kind.takesInput():
			continue
		case !c.writes():
			a.dead[c.op.Input] = i
			continue
		case c.op.Kind == Append:
			a.unique, a.appended[c.op.Input] = false, true
			if n := len(c.op.Input); !slices.Contains(a.appendLengths, n) {
				a.appendLengths = append(a.appendLengths, n)
			}
			continue
		}
		a.writers[c.op.Input] = append(a.writers[c.op.Input], i)
		if len(a.writers[c.op.Input]) > 1 {
			a.unique = false
		}
	}
	for i := range p.calls {
		if saw, ok := p.calls[i].saw(); ok {
			a.sightings = append(a.sightings, sighting{i, saw, p.calls[i].ret})
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

// appends reports whether an append may have happened.
func (a *analysis) appends() bool { return len(a.appended) > 0 }

// grown reports whether a value may have been made by an append, whose input is its end then.
func (a *analysis) grown(value string) bool {
	for _, n := range a.appendLengths {
		if n <= len(value) && (n > 0 || value == "") && a.appended[value[len(value)-n:]] {
			return true
		}
	}
	return false
}

// once reports whether a value can have come into the register at most once.
func (a *analysis) once(value string) bool { return len(a.writers[value]) <= 1 && !a.grown(value) }

// explain looks for the write behind a sighting. Values come only from writes, whether they are unique or not.
func (a *analysis) explain(s sighting) {
	if !s.found || a.grown(s.value) {
		return
	}
	c := &a.p.calls[s.call]
	writers := a.writers[s.value]
	if len(writers) == 0 {
		if i, ok := a.dead[s.value]; ok {
			a.report(RuleFailed, "%s saw %s, which only a write that certainly did not happen would have written: %s",
				c, s.content, &a.p.calls[i])
			return
		}
		a.report(RuleUnwritten, "%s saw %s, which no operation wrote", c, s.content)
		return
	}
	first := writers[0]
	w := &a.p.calls[first]
	if w.op.Invoke > s.by {
		a.report(RuleFuture, "%s saw %s by %s, but the first write of it began at %s: %s",
			c, s.content, time.Duration(s.by), time.Duration(w.op.Invoke), w)
		return
	}
	if len(writers) > 1 || w.status != Info || a.forced[first] <= s.by {
		return
	}
	// Reduction 1: an unknown write whose value was seen happened no later than the return of the look that saw it.
	// No other write can have put the value there, and the write comes before the look in every order that explains
	// the look.
	a.forced[first], a.witness[first] = s.by, s.call
	if !c.happened() {
		a.witness[first] = a.witness[s.call]
	}
	if w.op.Kind == CAS {
		a.sightings = append(a.sightings, sighting{first, w.needs(), s.by})
	}
}

// report keeps the first piece of evidence. The calls among the arguments are the operations to look at, and after
// them those that show that an unknown one among them happened.
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
		i := slices.IndexFunc(a.p.calls, func(d call) bool { return d.index == c.index })
		if a.forced[i] != Never {
			w := &a.p.calls[a.witness[i]]
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
	if a.found == nil {
		a.contradictions()
	}
	return a.found
}

// sure reports whether call i certainly took place, and by when.
func (a *analysis) sure(i int) (by int64, ok bool) {
	if c := &a.p.calls[i]; c.happened() {
		return c.ret, true
	}
	return a.forced[i], a.forced[i] != Never
}

// vanished looks for a look that saw nothing after a call W that left or saw a value. Something made the path absent
// between the two: a delete that is not wholly before W and not wholly after the look. This holds for values that are
// not unique, too.
func (a *analysis) vanished() {
	type point struct {
		at   int64
		best int64 // the highest of the quantity asked for, over all points up to this one.
		call int   // the call that has it.
	}
	var writes, deletes []point // of values, by return, best invoke; deletes by invoke, best return.
	for _, s := range a.sightings {
		if s.found {
			writes = append(writes, point{s.by, a.p.calls[s.call].op.Invoke, s.call})
		}
	}
	for i := range a.p.calls {
		c := &a.p.calls[i]
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
		c := &a.p.calls[s.call]
		w, ok := upTo(writes, c.op.Invoke-1)
		if !ok {
			continue
		}
		if d, ok := upTo(deletes, s.by); ok && d.best >= w.best {
			continue
		}
		a.report(RuleVanished, "%s saw nothing after %s, and no delete can have come between", c, &a.p.calls[w.call])
		return
	}
}
