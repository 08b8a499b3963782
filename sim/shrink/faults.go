package shrink

import (
	"slices"

	"kvs/chaos"
	"kvs/sim/scenario"
)

const (
	faultsFew = 8  // so many faults are left to the other stages.
	anewSeeds = 60 // with which a list of large cuts is tried.
)

// faults leaves out faults that are not needed, first together with their ends.
func (r *shrinker) faults() {
	for _, units := range [][][]int{pairs(r.best.Plan.Events), nil} {
		events := slices.Clone(r.best.Plan.Events)
		if units == nil {
			for i := range events {
				units = append(units, []int{i})
			}
		}
		r.without(len(units), func(left []int) scenario.Scenario {
			return r.edited(func(s *scenario.Scenario) {
				var at []int
				for _, u := range left {
					at = append(at, units[u]...)
				}
				slices.Sort(at)
				s.Plan.Events = nil
				for _, i := range at {
					s.Plan.Events = append(s.Plan.Events, events[i])
				}
			})
		})
	}
}

// pairs groups the beginning of a fault with its end at the same nodes: one without the other is no valid plan.
func pairs(events []chaos.Event) [][]int {
	var units [][]int
	open := map[string]int{} // index of the unit, by class and nodes.
	for i := range events {
		e := &events[i]
		key := string(rune(e.Kind.Class()))
		for _, n := range e.Nodes {
			key += string(rune('0' + n))
		}
		u, found := open[key]
		if !found || len(e.Nodes) == 0 {
			units = append(units, []int{i})
			if !e.Kind.Ends() && len(e.Nodes) > 0 {
				open[key] = len(units) - 1
			}
			continue
		}
		units[u] = append(units[u], i)
		if e.Kind.Ends() {
			delete(open, key)
		}
	}
	return units
}

// anew makes large cuts and draws the rest of the run with other seeds. A rare failure depends on the order of
// messages. If a fault is left out that order changes, so the failure may vanish although the fault is not needed for
// it. So single faults can hardly ever be left out in one run. Finding a seed that fails with half of the faults costs
// some dozens of runs, and saves hundreds.
//
// This stage comes before operations are named, which fixes one run.
func (r *shrinker) anew() {
	for found := true; found && r.best.Keep == nil && len(r.best.Plan.Events) > faultsFew; {
		found = false
		cuts := r.cuts()
		for seed := uint64(1); seed <= anewSeeds && !found && !r.Enough(); seed++ {
			list := make([]scenario.Scenario, len(cuts))
			for i, cut := range cuts {
				list[i] = r.edited(func(s *scenario.Scenario) {
					cut(s)
					s.Seed += seed
				})
			}
			found = r.try(list...) >= 0
		}
	}
}

// cuts are large parts to leave out of the best scenario: halves of the faults, of the time and of the clients, and
// quarters of the faults.
func (r *shrinker) cuts() []func(s *scenario.Scenario) {
	events := r.best.Plan.Events
	units := pairs(events)
	leave := func(left func(unit int) bool) func(s *scenario.Scenario) {
		return func(s *scenario.Scenario) {
			var at []int
			for i, u := range units {
				if left(i) {
					at = append(at, u...)
				}
			}
			slices.Sort(at)
			s.Plan.Events = make([]chaos.Event, len(at))
			for i, k := range at {
				s.Plan.Events[i] = events[k]
			}
		}
	}
	half := len(units) / 2
	cuts := []func(s *scenario.Scenario){
		leave(func(i int) bool { return i < half }), leave(func(i int) bool { return i >= half }),
		leave(func(i int) bool { return i%2 == 0 }), leave(func(i int) bool { return i%2 == 1 }),
		func(s *scenario.Scenario) { shorten(s, (s.Duration / 2).Round(durationLeast)) },
		func(s *scenario.Scenario) { s.Clients = (s.Clients + 1) / 2 },
	}
	for quarter := range 4 {
		cuts = append(cuts, leave(func(i int) bool { return i%4 != quarter }))
	}
	return cuts
}
