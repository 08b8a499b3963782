package chaos

import (
	"slices"
	"time"
)

// Patterns are several related faults, made of those that plans can write, as operators, racks and time servers cause
// them. They are drawn for some of the cuts, clogs, crashes, jumps and drifts.

// pattern draws one in place of a fault of kind k. It reports whether there is one for this kind, and for this moment.
func (g *generator) pattern(k Kind) bool {
	switch k {
	case Cut:
		if g.o.Nodes < 2 || g.kind[Cut] > g.now {
			return false
		}
		if g.rng.IntN(2) == 0 {
			return g.oneSided()
		}
		return g.swizzle(Cut, HealCut)
	case Clog:
		return g.o.Nodes > 1 && g.kind[Clog] <= g.now && g.swizzle(Clog, HealClog)
	case Crash:
		return g.storm()
	case Jump:
		return g.strobe()
	case Drift:
		return g.leapSecond()
	}
	return false
}

// others are all nodes but one.
func (g *generator) others(one int) (out []int) {
	for n := 1; n <= g.o.Nodes; n++ {
		if n != one {
			out = append(out, n)
		}
	}
	return out
}

// oneSided makes one node mute (it receives, and its messages are lost) or deaf (it sends, and receives nothing).
func (g *generator) oneSided() bool {
	one := 1 + g.rng.IntN(g.o.Nodes)
	if !g.claim([]int{one}) {
		return false
	}
	g.kind[Cut] = g.end
	from, to := []int{one}, g.others(one)
	if g.rng.IntN(2) == 0 {
		from, to = to, from
	}
	g.at(g.now, Fault{Kind: Cut, From: from, To: to})
	g.at(g.end, Fault{Kind: HealCut, From: from, To: to})
	return true
}

// swizzle cuts nodes off, or clogs them, one after the other, and lets them back in another order (FoundationDB's
// swizzle-clogging).
func (g *generator) swizzle(begin, heal Kind) bool {
	order := g.rng.Perm(g.o.Nodes)
	nodes := order[:1+g.rng.IntN(len(order))]
	for i := range nodes {
		nodes[i]++
	}
	if !g.claim(nodes) {
		return false
	}
	g.kind[begin] = g.end
	each := func(kind Kind, list []int, from, to time.Duration) {
		for i, n := range list {
			at := from + (to-from)*time.Duration(i)/time.Duration(len(list))
			g.at(at, Fault{Kind: kind, From: []int{n}, To: g.others(n)})
			g.at(at, Fault{Kind: kind, From: g.others(n), To: []int{n}})
		}
	}
	half := g.now + (g.end-g.now)/2
	each(begin, nodes, g.now, half)
	back := slices.Clone(nodes)
	g.rng.Shuffle(len(back), func(i, j int) { back[i], back[j] = back[j], back[i] })
	each(heal, back, half, g.end)
	g.at(g.end, Fault{Kind: heal})
	return true
}

// storm starts a node again and again, and each time it crashes soon after.
func (g *generator) storm() bool {
	n, ok := g.node(&g.process)
	if !ok || !g.claim([]int{n}) {
		return false
	}
	g.process[n] = g.end
	nodes := []int{n}
	period := max(roundMillis((g.end-g.now)/time.Duration(2+2*g.rng.IntN(8))), 5*time.Millisecond)
	for t := g.now; t+2*period <= g.end; t += 2 * period {
		g.at(t, Fault{Kind: Crash, Nodes: nodes})
		g.at(t+period, Fault{Kind: Restart, Nodes: nodes})
	}
	return true
}

// strobe sets a clock to and fro, as two time servers do that disagree (Jepsen's clock strobe).
func (g *generator) strobe() bool {
	n, ok := g.node(&g.clock)
	if !ok {
		return false
	}
	g.clock[n] = g.end
	nodes, by := []int{n}, g.offset()
	period := max(roundMillis(DrawDuration(g.rng, 5*time.Millisecond, 300*time.Millisecond)), (g.end-g.now)/strobesMax)
	for t := g.now; t < g.end; t += period {
		g.at(t, Fault{Kind: Jump, Nodes: nodes, Amount: by})
		by = -by
	}
	g.at(g.end, Fault{Kind: HealClocks, Nodes: nodes})
	return true
}

const strobesMax = 100 // jumps of one strobe.

// leapSecond makes a clock repeat a second, or smears one over the length of the fault, forwards or backwards.
func (g *generator) leapSecond() bool {
	n, ok := g.node(&g.clock)
	if !ok {
		return false
	}
	g.clock[n] = g.end
	nodes := []int{n}
	f := Fault{Kind: Jump, Nodes: nodes, Amount: -time.Second}
	if smeared := int64(PPMAll * time.Second / (g.end - g.now)); smeared <= DriftPPMMax && g.rng.IntN(2) == 0 {
		f = Fault{Kind: Drift, Nodes: nodes, PPM: g.sign() * smeared}
	}
	g.at(g.now, f)
	g.at(g.end, Fault{Kind: HealClocks, Nodes: nodes})
	return true
}
