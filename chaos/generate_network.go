package chaos

import (
	"slices"
	"time"
)

func (g *generator) network(k Kind) {
	switch k {
	case Partition:
		g.partition()
	case Cut:
		g.cut(Cut, HealCut)
	case Clog:
		g.cut(Clog, HealClog)
	case Reset:
		g.resets()
	default:
		g.noise(k)
	}
}

// partition draws a split, held until the end or flapping: on and off several times.
func (g *generator) partition() {
	groups := g.groups()
	if !g.claim(outsiders(groups)) {
		return
	}
	g.kind[Partition] = g.end
	split, heal := Fault{Kind: Partition, Groups: groups}, Fault{Kind: HealPartition}
	g.at(g.now, split)
	if g.rng.IntN(4) == 0 {
		period := max(roundMillis((g.end-g.now)/time.Duration(4+2*g.rng.IntN(6))), 10*time.Millisecond)
		for t := g.now + period; t+period < g.end; t += 2 * period {
			g.at(t, heal)
			g.at(t+period, split)
		}
	}
	g.at(g.end, heal)
}

// groups draws the shape of a partition: one node alone, two sides, three sides, or two sides with a bridge, a node
// that both still reach.
func (g *generator) groups() [][]int {
	order := g.rng.Perm(g.o.Nodes)
	for i := range order {
		order[i]++
	}
	n := len(order)
	one, rest := order[:1], order[1:]
	split := func(list []int) [][]int {
		at := 1 + g.rng.IntN(len(list)-1)
		slices.Sort(list[:at])
		slices.Sort(list[at:])
		return [][]int{list[:at], list[at:]}
	}
	switch shape := g.rng.IntN(4); {
	case shape == 0:
		slices.Sort(rest)
		return [][]int{one, rest}
	case shape == 1 && n >= 3:
		return append(split(rest), one)
	case shape == 2 && n >= 3:
		return split(rest)
	}
	return split(order)
}

// outsiders returns the nodes of every group but the largest.
func outsiders(groups [][]int) []int {
	largest := 0
	for i, group := range groups {
		if len(group) > len(groups[largest]) {
			largest = i
		}
	}
	var out []int
	for i, group := range groups {
		if i != largest {
			out = append(out, group...)
		}
	}
	return out
}

// cut closes one way between two sides, or clogs it.
func (g *generator) cut(begin, heal Kind) {
	from, to := g.sides()
	fewer := from
	if len(to) < len(from) {
		fewer = to
	}
	if !g.claim(fewer) {
		return
	}
	g.kind[begin] = g.end
	g.at(g.now, Fault{Kind: begin, From: from, To: to})
	g.at(g.end, Fault{Kind: heal, From: from, To: to})
}

// resets breaks connections one to eight times, everywhere or on some links: mostly of one node, as a router does that
// loses its state.
func (g *generator) resets() {
	g.kind[Reset] = g.end
	f := Fault{Kind: Reset}
	if g.rng.IntN(2) == 0 {
		f.From, f.To = g.sides()
	}
	g.at(g.now, f)
	for range g.rng.IntN(8) {
		g.at(g.middle(), f)
	}
}

// sides draws two disjoint sets of nodes: one node and one or more others, in either order.
func (g *generator) sides() (from, to []int) {
	one := 1 + g.rng.IntN(g.o.Nodes)
	others := make([]int, 0, g.o.Nodes)
	for n := 1; n <= g.o.Nodes; n++ {
		if n != one {
			others = append(others, n)
		}
	}
	if g.rng.IntN(2) == 0 {
		pick := g.rng.IntN(len(others))
		others = others[pick : pick+1]
	}
	if g.rng.IntN(2) == 0 {
		return []int{one}, others
	}
	return others, []int{one}
}

// noise makes messages late, lost, doubled, out of order or damaged, everywhere or on some links.
func (g *generator) noise(k Kind) {
	g.kind[k] = g.end
	f := Fault{Kind: k}
	if g.rng.IntN(2) == 0 {
		f.From, f.To = g.sides()
	}
	quiet := f
	switch k {
	case Loss:
		f.PPM = DrawLog(g.rng, 1000, 900_000)
	case Duplicate, Reorder:
		f.PPM = DrawLog(g.rng, 1000, 500_000)
	case Forge:
		f.PPM = DrawLog(g.rng, 10_000, 500_000)
	case Corrupt:
		f.PPM = DrawLog(g.rng, 100, 200_000)
	case Delay:
		f.AmountMax = time.Duration(DrawLog(g.rng, 1, 2000)) * time.Millisecond
		f.Amount = roundMillis(DrawDuration(g.rng, 0, f.AmountMax))
	}
	g.at(g.now, f)
	g.at(g.end, quiet)
}
