package linearize

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// zone is the time in which a register held a value that can have come only once: from its write until it was replaced
// it was there without a gap, and all operations that wrote or saw it happened in that time.
//
// It is the zone of Gibbons and Korach, "Testing shared memories" (SIAM J. Comput. 26, 1997), section 4. If the
// earliest return among those operations is before the latest invoke, the value was certainly there between the two:
// the zone is forward. Else all can have happened at one moment between the latest invoke and the earliest return.
// Ends are open: intervals of operations are closed.
type zone struct {
	value       string
	from, to    int64 // the earliest return, the latest invoke.
	first, last int   // the calls of these times.
}

func (z zone) forward() bool { return z.from < z.to }

func (z zone) String() string {
	v := content{true, z.value}
	if z.forward() {
		return fmt.Sprintf("%s was there from %s to %s", v, time.Duration(z.from), time.Duration(z.to))
	}
	return fmt.Sprintf("%s came after %s or went before %s", v, time.Duration(z.to), time.Duration(z.from))
}

// zones collects the zones of the values that can have come only once, forward and backward, each in order of from.
func (a *analysis) zones() (forward, backward []zone) {
	at := make(map[string]int)
	var all []zone
	note := func(value string, i int, by int64) {
		if !a.once(value) {
			return
		}
		n, known := at[value]
		if !known {
			n = len(all)
			at[value] = n
			all = append(all, zone{value: value, from: Never, to: -1})
		}
		if by < all[n].from {
			all[n].from, all[n].first = by, i
		}
		if inv := a.p.calls[i].op.Invoke; inv > all[n].to {
			all[n].to, all[n].last = inv, i
		}
	}
	for _, s := range a.sightings {
		if s.found {
			note(s.value, s.call, s.by)
		}
	}
	for i := range a.p.calls {
		if c := &a.p.calls[i]; c.writes() && c.op.Kind.takesInput() && c.op.Kind != Append {
			if by, ok := a.sure(i); ok {
				note(c.op.Input, i, by)
			}
		}
	}
	slices.SortStableFunc(all, func(g, h zone) int { return cmp.Compare(g.from, h.from) })
	for _, z := range all {
		if z.forward() {
			forward = append(forward, z)
		} else {
			backward = append(backward, z)
		}
	}
	return forward, backward
}

// contradictions looks for two values that were there at once, and for other operations that happened while a value was
// there.
func (a *analysis) contradictions() {
	forward, backward := a.zones()
	for i := 1; i < len(forward); i++ {
		// The zones before are disjoint, or this point would not have been reached, so the one before reaches furthest.
		if g, h := forward[i-1], forward[i]; h.from < g.to {
			a.report(RuleTwoValues, "%s, say %s and %s; but %s, say %s and %s",
				g, &a.p.calls[g.first], &a.p.calls[g.last], h, &a.p.calls[h.first], &a.p.calls[h.last])
			return
		}
	}
	a.interruptions(forward)
	for _, z := range backward {
		if a.found != nil {
			return
		}
		// All that had to do with z happened before the value of f came, or after it had gone. But one of them was
		// invoked after the one, and one had returned before the other.
		if f := around(forward, z.to, z.from); f != nil {
			a.report(RuleTwoValues, "%s, say %s and %s; but %s, say %s and %s",
				f, &a.p.calls[f.first], &a.p.calls[f.last], z, &a.p.calls[z.last], &a.p.calls[z.first])
		}
	}
}

// around finds the zone within which the moments from and to lie. zones are forward, disjoint and sorted.
func around(zones []zone, from, to int64) *zone {
	n, _ := slices.BinarySearchFunc(zones, from, func(z zone, t int64) int {
		if z.from < t {
			return -1
		}
		return 1
	})
	if n > 0 && to < zones[n-1].to {
		return &zones[n-1]
	}
	return nil
}

// interruptions looks for calls that lie wholly within a forward zone and saw or left something else.
func (a *analysis) interruptions(zones []zone) {
	check := func(i int, by int64, differs func(held content) bool) {
		if a.found != nil {
			return
		}
		c := &a.p.calls[i]
		z := around(zones, c.op.Invoke, by)
		if z != nil && differs(content{true, z.value}) {
			a.report(RuleInterrupted, "%s, say %s and %s; but %s lies wholly between",
				z, &a.p.calls[z.first], &a.p.calls[z.last], c)
		}
	}
	for i := range a.p.calls {
		c := &a.p.calls[i]
		by, ok := a.sure(i)
		if !ok {
			continue
		}
		switch {
		case c.writes() && c.op.Kind == Append:
			check(i, by, func(content) bool { return c.op.Input != "" })
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

// decided reports whether a path without a contradiction is linearizable for sure: its steps are plain writes of
// values that can have come only once, deletes, and looks, of which those that saw nothing were over before the first
// delete.
//
// This is the other half of the theorem of Gibbons and Korach: a register whose values are unique is linearizable if no
// value is seen before its write begins, no two forward zones overlap, and no backward zone lies within a forward one.
// Absence is the value that was written before everything else; analysis.vanished is about its zone. A delete that was
// not seen is a backward zone of its own. The write of a seen value that is of unknown outcome has no end, which moves
// no zone, because the looks have one.
func (a *analysis) decided(steps []step) bool {
	firstDelete := int64(Never)
	for i := range steps {
		s := &steps[i]
		switch {
		case s.outcome != sure, s.blind():
			return false
		case s.op.Kind == Delete:
			firstDelete = min(firstDelete, s.op.Invoke)
		case s.op.Kind == Put:
			if !a.once(s.op.Input) {
				return false
			}
		case s.refused():
			if (content{s.op.Found, s.op.Output}) == s.needs() {
				return false // no order has that; the search finds it.
			}
		case s.op.Kind != Get:
			return false
		}
	}
	return !slices.ContainsFunc(a.sightings, func(s sighting) bool { return !s.found && s.by >= firstDelete })
}
