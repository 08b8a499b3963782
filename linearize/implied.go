package linearize

import (
	"cmp"
	"slices"
)

// implications marks the blind refusals that can be put into every order that explains the rest.
//
// Reduction 4. Say the refusal B would have needed the value N, which can have come only once: N is there from its
// write W until it is replaced, and never again. Take an order that explains all but B, and in it the place right in
// front of the first call that was invoked after B returned. That is a place for B, since all that returned before B
// was invoked stand in front of it. If W was invoked after B returned, N is not there yet. If some call X found or
// left another content than N, was invoked when W had certainly happened, and had come to that content when B
// returned, then X stands behind W and in front of the place, and N is gone there. Of absence, which is not unique,
// the same holds as long as no delete was invoked before B returned: its W is the beginning.
//
// A client that tries a compare-and-set again under an idempotency key may get the answer that an earlier attempt was
// refused, without the content that refused it. A few such refusals would otherwise prevent reduction 2 for a path, and
// a hundred open writes are too many to try.
func (a *analysis) implications() []bool {
	implied := make([]bool, len(a.p.calls))
	if !slices.ContainsFunc(a.p.calls, func(c call) bool { return c.blind() }) {
		return implied
	}
	after := a.contentsAfter()
	firstDelete := int64(Never)
	for i := range a.p.calls {
		if c := &a.p.calls[i]; c.writes() && c.leaves() == absent {
			firstDelete = min(firstDelete, c.op.Invoke)
		}
	}
	for i := range a.p.calls {
		c := &a.p.calls[i]
		if !c.blind() {
			continue
		}
		needs := c.needs()
		if needs.found && !a.once(needs.value) {
			continue
		}
		begun, there := int64(-1), int64(-1) // when the content may have come, and by when it certainly had.
		if needs.found {
			begun, there = Never, Never
			if w := a.writers[needs.value]; len(w) > 0 {
				begun = a.p.calls[w[0]].op.Invoke
				there, _ = a.sure(w[0])
			}
		} else if firstDelete <= c.ret {
			continue
		}
		implied[i] = begun > c.ret || after.other(needs, there) <= c.ret
	}
	return implied
}

// known is a content that a register certainly had at some moment from invoke to by.
type known struct {
	content
	invoke, by int64
}

// later is a known content in a list of them, in order of invoke. Of it and those behind it, best is the one that was
// there soonest, and next the soonest with another content than that.
type later struct {
	known
	best, next known
}

type contentsLater []later

// contentsAfter collects what was found, and what was left by calls that certainly happened.
func (a *analysis) contentsAfter() contentsLater {
	var list contentsLater
	note := func(k known) {
		list = append(list, later{known: k, best: k, next: known{by: Never}})
	}
	for _, s := range a.sightings {
		note(known{s.content, a.p.calls[s.call].op.Invoke, s.by})
	}
	for i := range a.p.calls {
		if by, ok := a.sure(i); ok && a.p.calls[i].writes() && a.p.calls[i].op.Kind != Append {
			note(known{a.p.calls[i].leaves(), a.p.calls[i].op.Invoke, by})
		}
	}
	slices.SortStableFunc(list, func(k, l later) int { return cmp.Compare(k.invoke, l.invoke) })
	for i := len(list) - 2; i >= 0; i-- {
		e := &list[i]
		for _, k := range []known{list[i+1].best, list[i+1].next} {
			switch {
			case k.by < e.best.by && k.content != e.best.content:
				e.best, e.next = k, e.best
			case k.by < e.best.by:
				e.best = k
			case k.by < e.next.by && k.content != e.best.content:
				e.next = k
			}
		}
	}
	return list
}

// other returns by when a content other than c was there, of calls invoked later than t; Never: of none.
func (l contentsLater) other(c content, t int64) int64 {
	n, _ := slices.BinarySearchFunc(l, t, func(e later, t int64) int {
		if e.invoke <= t {
			return -1
		}
		return 1
	})
	switch {
	case n == len(l):
		return Never
	case l[n].best.content != c:
		return l[n].best.by
	}
	return l[n].next.by
}
