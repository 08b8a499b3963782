package linearize

import "slices"

// search decides by zones, or looks for an order of the steps.
func (a *analysis) search(e *effort) (ending, int) {
	steps := a.reduce()
	if a.decided(steps) {
		return explained, 0
	}
	counted := slices.ContainsFunc(steps, func(s step) bool { return s.outcome == spare })
	o := order[state]{limit: e.limits, stop: e.stop, plain: !a.appends() && !a.blind() && !counted}
	contents := a.contents(counted)
	var sures, opens []*step
	alike := make(alikes)
	for i := range steps {
		s := &steps[i]
		t := s.task(contents)
		if s.outcome == maybe {
			t.alike = alike.next(s.op, len(opens))
			o.open, opens = append(o.open, t), append(opens, s)
			o.plain = o.plain && !s.op.Kind.isConditional()
			continue
		}
		o.tasks, sures = append(o.tasks, t), append(sures, s)
	}
	readiness(o.tasks, o.open, sures)
	o.apply = func(st state, i int, open bool) (state, bool) {
		if open {
			return st.apply(opens[i])
		}
		return st.apply(sures[i])
	}
	o.held = func(st state) int32 { return contents.number(st.content) }
	if a.appends() {
		o.weigh = func(st state) int { return len(st.value) }
	}
	return o.find(state{}), len(steps)
}

// task is s for the search.
func (s *step) task(contents numbers) task {
	t := task{
		invoke: s.op.Invoke, end: s.end, look: !s.writes(), eager: s.outcome == spare, alike: none, sees: none,
		makes: none,
		ready: Never,
	}
	if saw, ok := s.sees(); ok {
		t.sees = contents.number(saw)
	}
	if s.writes() && s.op.Kind != Append {
		t.makes = contents.number(s.leaves())
	}
	return t
}

// readiness fills in task.ready.
func readiness(tasks, open []task, steps []*step) {
	type sight struct {
		makers int
		latest int64 // invoke of those that see it; Never: one of them is not a look.
	}
	sights := make(map[int32]sight)
	for _, list := range [][]task{tasks, open} {
		for _, t := range list {
			if t.makes != none {
				s := sights[t.makes]
				s.makers++
				sights[t.makes] = s
			}
			if t.sees != none {
				s := sights[t.sees]
				if s.latest = max(s.latest, t.invoke); !t.look {
					s.latest = Never
				}
				sights[t.sees] = s
			}
		}
	}
	for i := range tasks {
		t := &tasks[i]
		if steps[i].op.Kind != Put {
			continue
		}
		if s := sights[t.makes]; t.makes == none {
			t.ready = t.invoke // no task sees it.
		} else if s.makers == 1 {
			t.ready = max(t.invoke, s.latest)
		}
	}
}

// numbers gives contents a number each.
type numbers map[content]int32

func (n numbers) number(c content) int32 {
	if i, ok := n[c]; ok {
		return i
	}
	return none
}

// contents numbers the contents that were seen, as far as all operations that can make them are known: not contents
// that an append may have made, and not absence if unknown deletes are only counted.
func (a *analysis) contents(counted bool) numbers {
	n := make(numbers)
	for _, s := range a.sightings {
		if _, known := n[s.content]; !known && (s.found && !a.grown(s.value) || !s.found && !counted) {
			n[s.content] = int32(len(n))
		}
	}
	return n
}

// sees returns what the register certainly holds when s happens.
func (s *step) sees() (content, bool) {
	if s.outcome == sure && s.status == Info && s.op.Kind.isConditional() {
		return s.needs(), true // its value was seen.
	}
	return s.saw()
}
