package linearize

import (
	"fmt"
	"slices"
	"strings"
)

// outcome is what may be assumed about a step.
type outcome uint8

const (
	sure  outcome = iota // it took place in its interval, as its answer says.
	maybe                // it was invoked; its effect, if any, is not known.
	spare                // an unknown delete becomes available at this instant: see reduction 3.
)

// step is a call in the search.
type step struct {
	*call
	outcome outcome
	end     int64 // Never: open.
}

// reduce turns the calls of a register into steps of which the register is linearizable if and only if the calls are.
// What makes the search explode is operations that stay open, so these are removed where that provably changes nothing.
// Gets without an answer, and operations that did not happen, have no effect and no result.
//
//  1. An unknown write whose value was seen ends at the return of the look (analysis.explain).
//  2. An unknown write that cannot have mattered is left out (analysis.mattering).
//  3. An unknown delete is not tried everywhere, but used where it is needed (analysis.spares).
//  4. A refusal that is implied by what others saw is left out (analysis.implied).
func (a *analysis) reduce() []step {
	mattering := a.mattering()
	spares := a.spares(mattering)
	var steps []step
	for i := range a.p.calls {
		c := &a.p.calls[i]
		by, ok := a.sure(i)
		switch {
		case c.status == Fail, c.status == Info && c.op.Kind == Get, a.implied[i]:
		case ok:
			steps = append(steps, step{c, sure, by})
		case !mattering[i]:
		case spares && c.op.Kind == Delete:
			steps = append(steps, step{c, spare, c.op.Invoke})
		default:
			steps = append(steps, step{c, maybe, Never})
		}
	}
	return steps
}

// blind reports whether an answered compare-and-set was refused without saying by what, and others do not explain that.
// It proves that the register did not hold one content, so any other content, also one that is never reported, can have
// mattered to it.
func (a *analysis) blind() bool {
	for i := range a.p.calls {
		if a.p.calls[i].blind() && !a.implied[i] {
			return true
		}
	}
	return false
}

// mattering marks the unknown writes that may have mattered to another operation.
//
// Reduction 2 leaves the others out. Putting them back at the end of an order is always possible, because they are
// open, so nothing becomes linearizable by leaving them out only if nothing that is linearizable stops being so. Take
// an order that explains everything, and in it the last write U that is left out and had an effect. From U to the next
// change, the register held what U left. If no operation saw that, or depends on it, U can be removed: no operation in
// between notices. The next change is a plain write, which does not care what was there, since a compare-and-set that
// found U's content would have made U matter. Compare-and-sets of unknown outcome that had no effect then, but would
// have one now, move to the end. Repeat with the last that remains.
//
// What a put or a compare-and-set left is noticed by looks that name its value and returned after its invoke, and by an
// unknown compare-and-set that expects it and itself matters. A delete matters if an operation that returned after its
// invoke saw nothing, or an unknown compare-and-set that matters expects nothing.
//
// Appends carry what they find into the values that follow. What a put left is noticed by looks that name a value
// which begins with it, then; deletes and appends of unknown outcome all matter.
func (a *analysis) mattering() []bool {
	calls := a.p.calls
	matters := make([]bool, len(calls))
	var open []int
	for i := range calls {
		if _, ok := a.sure(i); !ok && calls[i].writes() {
			open = append(open, i)
		}
	}
	if a.blind() {
		for _, i := range open {
			matters[i] = true
		}
		return matters
	}
	seen, absentSeen := a.lastSeen()
	wanted := make(map[string]bool) // values that an open conditional write which matters expects.
	for changed := true; changed; {
		changed = false
		for _, i := range open {
			c := &calls[i]
			if matters[i] || !a.noticed(c, seen, absentSeen, wanted) {
				continue
			}
			matters[i], changed = true, true
			if !c.op.Kind.isConditional() {
				continue
			}
			if needs := c.needs(); needs.found {
				wanted[needs.value] = true
			} else {
				absentSeen = Never
			}
		}
	}
	return matters
}

// noticed reports whether an operation may have noticed what an open write left.
func (a *analysis) noticed(c *call, seen map[string]int64, absentSeen int64, wanted map[string]bool) bool {
	left := c.leaves()
	switch {
	case !a.appends() && left.found:
		by, ok := seen[left.value]
		return ok && by >= c.op.Invoke || wanted[left.value]
	case !left.found:
		return a.appends() || c.op.Invoke <= absentSeen
	case c.op.Kind == Append, wanted[left.value]:
		return true
	}
	begins := func(value string) bool { return strings.HasPrefix(value, left.value) }
	for value := range wanted {
		if begins(value) {
			return true
		}
	}
	n, _ := slices.BinarySearch(a.seenSorted, left.value)
	return n < len(a.seenSorted) && begins(a.seenSorted[n])
}

// lastSeen returns by value when it may have been seen last, and when nothing may have been seen last; -1: never.
func (a *analysis) lastSeen() (seen map[string]int64, absentSeen int64) {
	seen, absentSeen, a.seenSorted = make(map[string]int64), -1, a.seenSorted[:0]
	for _, s := range a.sightings {
		if !s.found {
			absentSeen = max(absentSeen, s.by)
			continue
		}
		seen[s.value] = max(seen[s.value], s.by)
		a.seenSorted = append(a.seenSorted, s.value)
	}
	slices.Sort(a.seenSorted)
	return seen, absentSeen
}

// spares reports whether the unknown deletes that matter can be counted instead of tried.
//
// Reduction 3. Say an unknown delete D took effect in an order that explains everything. Move it later, past anything
// that does not need the path to be absent: in the end it stands right in front of a look that saw nothing, or of a
// plain write, where it has no effect and can go. So unknown deletes need only be used where a look asks for one, and
// it does not matter which one is used, because being absent is always the same. What remains of D is that it cannot be
// used before its invoke: it becomes a step at that very instant, which adds one to a count in the state; a look that
// saw nothing while the register holds a value takes one off. The real D could be anywhere after the instant, for it is
// open, and so can the use. A look that can do without a spare delete does not take one: having one more is never
// worse.
//
// Moving D past a write whose effect depends on what is there could change that effect. Sure ones say what they saw,
// so D is used in front of those that saw nothing and cannot stand before others; but unknown ones and blind ones
// would need choices, so if there are any, unknown deletes stay ordinary open operations.
func (a *analysis) spares(mattering []bool) bool {
	if a.appends() || a.blind() {
		return false
	}
	for i, m := range mattering {
		if m && a.p.calls[i].op.Kind != Delete {
			return false
		}
	}
	return true
}

// advice says which properties of the workload made the search hard.
func (a *analysis) advice() string {
	s := ""
	if !a.unique {
		s += ", or write every value only once"
	}
	if a.blind() {
		s += ", or let a refused compare-and-set show what it found"
	}
	return s
}

// String prints the step for the picture.
func (s *step) String() string {
	switch {
	case s.outcome == spare:
		return fmt.Sprintf("%s (may take effect from here on)", s.op)
	case s.status == Info && s.outcome == sure:
		return fmt.Sprintf("%s (but seen)", s.op)
	}
	return s.op.String()
}
