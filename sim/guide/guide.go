package guide

import (
	"math/rand/v2"
	"slices"

	"kvs/scenarios"
	"kvs/sim"
)

// Options of Search. All are required but for those that say otherwise.
type Options struct {
	Seed     uint64             // of the search.
	Scenario scenarios.Scenario // not drawn: what it leaves open is what is searched.
	Runs     int                // at most.
	Uniform  bool               // draw every run anew, as a soak does: to compare with. Default: false.

	// Test lives drawn and valid scenarios, each with the seed that is in it, and says of each how that ended, in the same order.
	Test func(batch []scenarios.Scenario) []Outcome
	// Enough ends the search when it is true, after every batch. Default: never.
	Enough func() bool
	// Progress hears how far the search is, after every batch.
	Progress func(Result)
}

// Outcome is how one run ended.
type Outcome struct {
	Failed     bool
	Situations []uint32 // that it came through, each once.
}

// Result is how far a search is, or how it ended.
type Result struct {
	Runs       int // the one that failed is the last that counts.
	Situations int // met by any run.
	Kept       int // scenarios that met something new and are still of use.
	Failed     *scenarios.Scenario
	Fresh      bool // Failed was drawn anew, not made of another.
}

const (
	// batchRuns is how many runs are made from what is known at one moment. They can be lived side by side, and since the number is fixed the
	// search does not depend on how many are.
	batchRuns = 4
	// freshOf100 is how many runs of a hundred are drawn anew: what nobody has thought of is in none of those kept.
	freshOf100 = 25
	// keptMax bounds the scenarios kept. Beyond it the one with the least energy goes.
	keptMax = 512
)

// entry is a scenario that is kept.
type entry struct {
	s          scenarios.Scenario
	situations []uint32
	chosen     uint64 // how often something was made of it.
}

type search struct {
	o         Options
	rng       *rand.Rand
	seed      uint64 // of the latest run.
	kept      []entry
	mutations []func(*search, *scenarios.Scenario)
	runs      [sim.SituationsMax]uint32 // that came through each situation.
	known     int                       // situations.
}

// Search lives runs until one fails, or until there were enough.
func Search(o Options) Result {
	const streamGuide = 0x6775696465
	g := &search{o: o, rng: rand.New(rand.NewPCG(o.Seed, streamGuide)), seed: o.Seed * seedsApart, mutations: drawing}
	if editable(o.Scenario.Random) {
		g.mutations = slices.Concat(drawing, editing)
	}
	var r Result
	for r.Runs < o.Runs && r.Failed == nil && (o.Enough == nil || !o.Enough()) {
		batch := make([]scenarios.Scenario, min(batchRuns, o.Runs-r.Runs))
		fresh := make([]bool, len(batch))
		for i := range batch {
			batch[i], fresh[i] = g.next()
		}
		for i, out := range o.Test(batch) {
			r.Runs++
			g.learn(&batch[i], out.Situations)
			if out.Failed {
				r.Failed, r.Fresh = &batch[i], fresh[i]
				break
			}
		}
		r.Situations, r.Kept = g.known, len(g.kept)
		o.Progress(r)
	}
	return r
}

// seedsApart keeps the seeds of searches apart whose own seeds are neighbours.
const seedsApart = 1_000_003

// next makes the scenario of the next run.
func (g *search) next() (s scenarios.Scenario, fresh bool) {
	g.seed++
	if g.o.Uniform || len(g.kept) == 0 || g.rng.IntN(100) < freshOf100 {
		return sim.Draw(g.seed, g.o.Scenario), true
	}
	s = g.mutate(g.pick())
	s.Seed = g.seed
	return s, false
}

// learn keeps a scenario that came through something new.
func (g *search) learn(s *scenarios.Scenario, situations []uint32) {
	before := g.known
	for _, at := range situations {
		if g.runs[at] == 0 {
			g.known++
		}
		g.runs[at]++
	}
	if g.known == before || g.o.Uniform {
		return
	}
	if len(g.kept) == keptMax {
		g.forget()
	}
	g.kept = append(g.kept, entry{s: *s, situations: situations})
}

// energy says how much is expected of an entry: the more it met, the rarer that is and the less often it was chosen, the more.
func (g *search) energy(e *entry) uint64 {
	const whole = 1 << 20 // of a situation that no other run met.
	sum := uint64(1)
	for _, at := range e.situations {
		sum += whole / uint64(g.runs[at])
	}
	return 1 + sum/(1+e.chosen)
}

// pick draws one of those kept, by their energy.
func (g *search) pick() *entry {
	upTo := make([]uint64, len(g.kept))
	sum := uint64(0)
	for i := range g.kept {
		sum += g.energy(&g.kept[i])
		upTo[i] = sum
	}
	drawn := g.rng.Uint64N(sum)
	for i := range upTo {
		if drawn < upTo[i] {
			g.kept[i].chosen++
			return &g.kept[i]
		}
	}
	panic("guide: a draw beyond the sum")
}

// forget drops the entry with the least energy.
func (g *search) forget() {
	least, energy := 0, g.energy(&g.kept[0])
	for i := range g.kept {
		if e := g.energy(&g.kept[i]); e < energy {
			least, energy = i, e
		}
	}
	g.kept[least] = g.kept[len(g.kept)-1]
	g.kept = g.kept[:len(g.kept)-1]
}
