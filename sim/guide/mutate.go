package guide

import (
	"slices"
	"time"

	"kvs/chaos"
	"kvs/scenarios"
)

// Mutations change a scenario in place. Events of the plan need not stay in order, and a plan may become invalid: mutate looks. None
// goes beyond the bounds within which the scenario of the search is drawn: faults of other kinds, or a heavier load than any that
// is drawn, would break what the scenario never promised.
var (
	// drawing takes what can be drawn, and so keeps whatever the generator of plans keeps.
	drawing = []func(g *search, s *scenarios.Scenario){
		func(*search, *scenarios.Scenario) {}, // only the seed is another one.
		(*search).redraw, (*search).mix,
	}
	// editing changes plans at will.
	editing = []func(g *search, s *scenarios.Scenario){
		(*search).shift, (*search).leaveOut, (*search).double, (*search).splice, (*search).squeeze,
	}
)

// losesData are kinds of faults that a cluster survives only as long as they do not come too close together.
var losesData = []chaos.Kind{chaos.Wipe, chaos.DiskError, chaos.DiskFull, chaos.Rot, chaos.SwapDisks}

// editable reports whether plans of these bounds may be edited: they promise no majority, and lose no data.
func editable(r *scenarios.Random) bool {
	return r == nil || !r.KeepMajority && !slices.ContainsFunc(losesData, func(k chaos.Kind) bool { return slices.Contains(r.Kinds, k) })
}

const changesMax = 3 // mutations on top of each other.

// mutate makes another scenario of one that is kept, valid like it.
func (g *search) mutate(e *entry) scenarios.Scenario {
	const tries = 8 // most changes of a plan leave it valid.
	for range tries {
		s := e.s
		for n := 1 + g.rng.IntN(changesMax); n > 0; n-- {
			g.mutations[g.rng.IntN(len(g.mutations))](g, &s)
		}
		s.Plan = chaos.NewPlan(slices.Clone(s.Plan.Events))
		if s.Validate() == nil {
			return s
		}
	}
	return e.s // with another seed.
}

// span draws a part of the time in which there are faults.
func (g *search) span(s *scenarios.Scenario, longest time.Duration) (from, to time.Duration) {
	from = time.Duration(g.rng.Int64N(int64(s.Duration)))
	return from, min(from+time.Duration(1+g.rng.Int64N(int64(longest))), s.Duration)
}

// within returns the events of from..to, and the others.
func within(events []chaos.Event, from, to time.Duration) (in, out []chaos.Event) {
	for _, e := range events {
		if e.At >= from && e.At < to {
			in = append(in, e)
		} else {
			out = append(out, e)
		}
	}
	return in, out
}

// move returns events at other times.
func move(events []chaos.Event, most time.Duration, at func(time.Duration) time.Duration) []chaos.Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].At = min(max(at(out[i].At), 0), most).Truncate(time.Millisecond)
	}
	return out
}

// shift moves neighbouring faults by up to a second.
func (g *search) shift(s *scenarios.Scenario) {
	from, to := g.span(s, 3*time.Second)
	by := chaos.DrawDuration(g.rng, -time.Second, time.Second)
	in, out := within(s.Plan.Events, from, to)
	s.Plan.Events = append(out, move(in, s.Duration, func(t time.Duration) time.Duration { return t + by })...)
}

// leaveOut drops the faults of some time.
func (g *search) leaveOut(s *scenarios.Scenario) {
	from, to := g.span(s, 2*time.Second)
	_, s.Plan.Events = within(s.Plan.Events, from, to)
}

// double lets the faults of some time happen once more, later on.
func (g *search) double(s *scenarios.Scenario) {
	from, to := g.span(s, 3*time.Second)
	later := to - from + chaos.DrawDuration(g.rng, 0, time.Second)
	in, _ := within(s.Plan.Events, from, to)
	s.Plan.Events = slices.Concat(s.Plan.Events, move(in, s.Duration, func(t time.Duration) time.Duration { return t + later }))
}

// splice takes the faults of some time from another scenario.
func (g *search) splice(s *scenarios.Scenario) {
	from, to := g.span(s, s.Duration)
	_, out := within(s.Plan.Events, from, to)
	in, _ := within(g.other().Plan.Events, from, to)
	s.Plan.Events = append(out, in...)
}

// squeeze halves the times between the faults of some time.
func (g *search) squeeze(s *scenarios.Scenario) {
	from, to := g.span(s, 5*time.Second)
	in, out := within(s.Plan.Events, from, to)
	s.Plan.Events = append(out, move(in, s.Duration, func(t time.Duration) time.Duration { return from + (t-from)/2 })...)
}

// redraw draws other faults for the same cluster and the same load.
func (g *search) redraw(s *scenarios.Scenario) {
	if g.o.Scenario.Random == nil {
		return
	}
	anew := *s
	anew.Random, anew.Plan = g.o.Scenario.Random, chaos.Plan{}
	anew.Swarm = false
	s.Plan = scenarios.Draw(g.rng, anew).Plan
}

// mix takes the load, the network, the clocks or the disks of another scenario. The load comes as a whole: of parts of two, one may come
// out that is more than the judge of histories can decide.
func (g *search) mix(s *scenarios.Scenario) {
	other := g.other()
	switch g.rng.IntN(4) {
	case 0:
		s.Workload, s.Clients = other.Workload, other.Clients
	case 1:
		s.Network = other.Network
	case 2:
		s.Clocks = other.Clocks
	case 3:
		s.Disk = other.Disk
	}
}

// other draws any of those kept.
func (g *search) other() *scenarios.Scenario { return &g.kept[g.rng.IntN(len(g.kept))].s }
