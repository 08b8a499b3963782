package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// GenOptions are the bounds of the plan that Generate draws.
type GenOptions struct {
	Nodes             int
	Duration          time.Duration // all faults begin and end within it.
	Kinds             []Kind        // which faults, of Disturbances; the ends of each come with it.
	Every             time.Duration // mean time between the beginnings of two faults.
	Length, LengthMax time.Duration // how long a fault lasts; cut short at the end of Duration.
	// KeepMajority leaves a majority of the nodes up, running and connected to each other at any time. Which nodes
	// these are changes; loss and delay may still hit them.
	KeepMajority bool
	// Patterns draws some of the cuts, clogs, crashes, jumps and drifts as patterns of several: a mute or deaf node,
	// nodes cut off or clogged one after the other and let back in another order, restart storms, strobing clocks, leap
	// seconds.
	Patterns bool
}

// Check returns what is wrong with o.
func (o *GenOptions) Check() error {
	switch {
	case o.Nodes < 1 || o.Nodes > NodesMax:
		return fmt.Errorf("a random plan for %d nodes: use 1 to %d", o.Nodes, NodesMax)
	case o.Duration <= 0 || o.Duration > DurationMax:
		return fmt.Errorf("a random plan of %s: use more than 0s and at most %s", FormatDuration(o.Duration),
			FormatDuration(DurationMax))
	case o.Every < time.Millisecond || o.Every > DurationMax:
		return fmt.Errorf("every=%s: use at least 1ms and at most %s", FormatDuration(o.Every),
			FormatDuration(DurationMax))
	case o.Length < time.Millisecond || o.LengthMax < o.Length || o.LengthMax > DurationMax:
		return fmt.Errorf("length=%s: use at least 1ms, the smaller end first", FormatRange(o.Length, o.LengthMax))
	case o.Duration/o.Every > eventsMax:
		return fmt.Errorf("every=%s would make more than %d faults: use a longer time", FormatDuration(o.Every),
			eventsMax)
	}
	for _, k := range o.Kinds {
		if k >= kindEnd || k.Ends() {
			return fmt.Errorf("kind %s does not begin a fault: name only kinds that do", k)
		}
	}
	return nil
}

// eventsMax bounds the faults of a drawn plan.
const eventsMax = 100_000

// DrawKinds picks which of these kinds are on, each with even odds: a run in which all faults are always on hides the
// effect of a single one (swarm testing: Groce et al., ISSTA 2012).
func DrawKinds(rng *rand.Rand, from []Kind) []Kind {
	var out []Kind
	for _, k := range from {
		if rng.IntN(2) == 0 {
			out = append(out, k)
		}
	}
	return out
}

// Generate draws a plan: faults that begin, overlap and end, valid for o.Nodes by construction. It panics on options
// that Check refuses.
func Generate(rng *rand.Rand, o GenOptions) Plan {
	if err := o.Check(); err != nil {
		panic("chaos: " + err.Error())
	}
	g := generator{rng: rng, o: o}
	if len(o.Kinds) == 0 {
		return Plan{}
	}
	for {
		g.now += roundMillis(DrawDuration(rng, o.Every/2, o.Every+o.Every/2))
		if g.now >= o.Duration {
			return NewPlan(g.events)
		}
		g.end = min(g.now+roundMillis(DrawDuration(rng, o.Length, o.LengthMax)), o.Duration)
		g.begin(o.Kinds[rng.IntN(len(o.Kinds))])
	}
}

// roundMillis keeps plans readable. The result is never zero.
func roundMillis(d time.Duration) time.Duration {
	return max(d.Truncate(time.Millisecond), time.Millisecond)
}

// generator draws faults in the order of their beginnings. No other fault may touch the nodes and links of a fault
// before its end: this makes plans valid, and the end of one fault never undoes another. The ends go into the list when
// a fault begins, so that at the same moment they come before the beginnings drawn later.
type generator struct {
	rng      *rand.Rand
	o        GenOptions
	now, end time.Duration // of the fault being drawn.
	events   []Event

	process, clock, disk [NodesMax + 1]time.Duration // until when the fault of this class at a node lasts.
	victim               [NodesMax + 1]time.Duration // until when a node is not part of the undisturbed majority.
	kind                 [kindEnd]time.Duration      // until when a network fault of this kind lasts.
}

// begin draws one fault of kind k, if there is room for one now.
func (g *generator) begin(k Kind) {
	if g.o.Patterns && g.rng.IntN(2) == 0 && g.pattern(k) {
		return
	}
	switch k.Class() {
	case Network:
		if g.o.Nodes > 1 && g.kind[k] <= g.now {
			g.network(k)
		}
	case Clock:
		if n, ok := g.node(&g.clock); ok {
			g.clock[n] = g.end
			g.clockFault(k, n)
		}
	case Process:
		g.processFault(k)
	case Disk:
		g.diskFault(k)
	}
}

func (g *generator) at(t time.Duration, f Fault) { g.events = append(g.events, Event{At: t, Fault: f}) }

// node draws one that the class occupied by until leaves free.
func (g *generator) node(until *[NodesMax + 1]time.Duration) (int, bool) {
	var free []int
	for n := 1; n <= g.o.Nodes; n++ {
		if until[n] <= g.now {
			free = append(free, n)
		}
	}
	if len(free) == 0 {
		return 0, false
	}
	return free[g.rng.IntN(len(free))], true
}

// claim makes nodes victims until the end of the fault being drawn, unless too few others would be left.
func (g *generator) claim(nodes []int) bool {
	until := g.victim
	for _, n := range nodes {
		until[n] = max(until[n], g.end)
	}
	victims := 0
	for n := 1; n <= g.o.Nodes; n++ {
		if until[n] > g.now {
			victims++
		}
	}
	if g.o.KeepMajority && victims > (g.o.Nodes-1)/2 {
		return false
	}
	g.victim = until
	return true
}

// middle draws a moment strictly inside the fault, or its end when it is too short for one.
func (g *generator) middle() time.Duration {
	return min(g.now+roundMillis(DrawDuration(g.rng, 0, g.end-g.now)), g.end)
}

func (g *generator) clockFault(k Kind, n int) {
	f := Fault{Kind: k, Nodes: []int{n}}
	switch k {
	case Skew, Jump:
		f.Amount = g.offset()
	case Drift:
		f.PPM = g.sign() * g.drift()
	case FreezeClock:
		g.at(g.now, f)
		g.at(g.middle(), Fault{Kind: ThawClock, Nodes: []int{n}})
		g.at(g.end, Fault{Kind: HealClocks, Nodes: []int{n}})
		return
	}
	g.at(g.now, f)
	g.at(g.end, Fault{Kind: HealClocks, Nodes: []int{n}})
}

// drift draws a rate at which a clock is wrong by 1 ms to 5 s when the fault ends, or by half of its length if that is
// less.
func (g *generator) drift() int64 {
	micros := int64((g.end - g.now) / time.Microsecond)
	return min(max(DrawLog(g.rng, 1, 5000)*1000*PPMAll/micros, 1), DriftPPMMax)
}

// offset draws how far a clock is set wrong: 10 ms to 5 min either way.
func (g *generator) offset() time.Duration {
	return time.Duration(g.sign()*DrawLog(g.rng, 10, 300_000)) * time.Millisecond
}

func (g *generator) sign() int64 { return 1 - 2*g.rng.Int64N(2) }

func (g *generator) processFault(k Kind) {
	switch k {
	case SwapDisks:
		g.swap()
		return
	case CopyDisk:
		g.putBack()
		return
	}
	nodes := g.crowd()
	if len(nodes) == 0 || !g.claim(nodes) {
		return
	}
	for _, n := range nodes {
		g.process[n] = g.end
	}
	switch k {
	case Crash:
		g.at(g.now, Fault{Kind: Crash, Nodes: nodes})
		g.at(g.end, Fault{Kind: Restart, Nodes: nodes})
	case Pause:
		g.at(g.now, Fault{Kind: Pause, Nodes: nodes})
		g.at(g.end, Fault{Kind: Resume, Nodes: nodes})
	case Wipe, LoseTail:
		g.at(g.now, Fault{Kind: Crash, Nodes: nodes})
		g.at(g.middle(), Fault{Kind: k, Nodes: nodes})
		g.at(g.end, Fault{Kind: Restart, Nodes: nodes})
	}
}

// swap takes two nodes down and gives each the other's disk.
func (g *generator) swap() {
	var free []int
	for n := 1; n <= g.o.Nodes; n++ {
		if g.process[n] <= g.now && g.disk[n] <= g.now {
			free = append(free, n)
		}
	}
	if len(free) < 2 {
		return
	}
	g.rng.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	nodes := free[:2]
	if !g.claim(nodes) {
		return
	}
	slices.Sort(nodes)
	for _, n := range nodes {
		g.process[n], g.disk[n] = g.end, g.end
	}
	g.at(g.now, Fault{Kind: Crash, Nodes: nodes})
	middle := g.middle()
	g.at(middle, Fault{Kind: SwapDisks, Nodes: nodes})
	first := g.rng.IntN(2)
	g.at(min(middle+roundMillis(DrawDuration(g.rng, 0, g.end-middle)), g.end),
		Fault{Kind: Restart, Nodes: nodes[first : first+1]})
	g.at(g.end, Fault{Kind: Restart, Nodes: nodes[1-first : 2-first]})
}

// copyAgeMin is how old a copy is at least when its node starts anew: a node needs a while to be heard of.
const copyAgeMin = time.Second

// putBack copies the disk of a node, starts it anew, and puts it back on the copy later.
func (g *generator) putBack() {
	n, ok := g.node(&g.process)
	if !ok || g.end-g.now < 2*copyAgeMin || !g.claim([]int{n}) {
		return
	}
	g.process[n] = g.end
	nodes := []int{n}
	anew := g.now + copyAgeMin + roundMillis(DrawDuration(g.rng, 0, g.end-g.now-2*copyAgeMin))
	down := min(anew+roundMillis(DrawDuration(g.rng, 0, g.end-anew)), g.end)
	g.at(g.now, Fault{Kind: CopyDisk, Nodes: nodes})
	g.at(anew, Fault{Kind: Crash, Nodes: nodes})
	g.at(anew, Fault{Kind: Restart, Nodes: nodes})
	g.at(down, Fault{Kind: Crash, Nodes: nodes})
	g.at(g.end, Fault{Kind: PutBack, Nodes: nodes})
	g.at(g.end, Fault{Kind: Restart, Nodes: nodes})
}

// crowd draws the nodes of a process fault: mostly one, now and then several at once, as when a rack loses its power.
func (g *generator) crowd() []int {
	n, ok := g.node(&g.process)
	if !ok {
		return nil
	}
	nodes := []int{n}
	if g.rng.IntN(6) > 0 {
		return nodes
	}
	for m := 1; m <= g.o.Nodes; m++ {
		if m != n && g.process[m] <= g.now && g.rng.IntN(2) == 0 {
			nodes = append(nodes, m)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// diskFault draws a fault of the disk. A node whose disk failed serves nothing until it starts again, so the end of an
// error is a restart, and the node is a victim all the time.
func (g *generator) diskFault(k Kind) {
	n, ok := g.node(&g.disk)
	if !ok {
		return
	}
	nodes := []int{n}
	f := Fault{Kind: k, Nodes: nodes}
	restart := k == DiskError || k == DiskFull
	switch {
	case restart && (g.process[n] > g.now || !g.claim(nodes)):
		return
	case restart:
		g.process[n] = g.end
	}
	g.disk[n] = g.end
	switch k {
	case DiskSlow:
		f.Amount = time.Duration(DrawLog(g.rng, 1, 500)) * time.Millisecond
	case DiskError:
		f.PPM = DrawLog(g.rng, 1000, PPMAll)
	case DiskReadError:
		f.PPM = DrawLog(g.rng, 1000, PPMAll/2)
	}
	g.at(g.now, f)
	healed := g.end
	if k == DiskFull && g.rng.IntN(2) == 0 {
		healed = g.middle() // there is room again: a node whose guard noticed in time takes writes, until the end.
	}
	g.at(healed, Fault{Kind: HealDisks, Nodes: nodes})
	if restart {
		g.at(g.end, Fault{Kind: Crash, Nodes: nodes})
		g.at(g.end, Fault{Kind: Restart, Nodes: nodes})
	}
}
