package chaos

import "time"

// Link is the treatment of the messages in one direction between two nodes.
type Link struct {
	Delay, DelayMax                   time.Duration // every message takes a time in this range.
	Loss, Duplicate, Reorder, Corrupt int64         // parts per million of the messages.
	// the same: the share of messages that have a forged one beside them.
	Forge int64
}

// Links is the state of a network under faults: a Link for every ordered pair of nodes, and which are blocked. The
// simulator and the relays of real clusters share it, so that a plan means the same to all. Lookups do not allocate.
// It is not safe for concurrent use.
type Links struct {
	nodes       int
	base        Link
	partitioned [NodesMax + 1][NodesMax + 1]bool
	cut         [NodesMax + 1][NodesMax + 1]bool
	clogged     [NodesMax + 1][NodesMax + 1]bool
	fault       [NodesMax + 1][NodesMax + 1]Link
}

// NewLinks returns a healthy network between nodes 1 to nodes. Base is each link without faults.
func NewLinks(nodes int, base Link) *Links {
	if nodes < 1 || nodes > NodesMax {
		panic("chaos: links between fewer than one or more than nine nodes")
	}
	return &Links{nodes: nodes, base: base}
}

// Blocked reports whether all messages from one node to another are lost. A node always reaches itself.
func (l *Links) Blocked(from, to int) bool { return l.partitioned[from][to] || l.cut[from][to] }

// Clogged reports whether messages from one node to another are held until that ends. Blocked messages are lost
// nevertheless.
func (l *Links) Clogged(from, to int) bool { return l.clogged[from][to] }

// Link returns what happens to messages from one node to another that are not blocked: the network's own behaviour plus
// that of the faults. A node reaches itself with no faults.
func (l *Links) Link(from, to int) Link {
	f := &l.fault[from][to]
	return Link{
		Delay:     l.base.Delay + f.Delay,
		DelayMax:  l.base.DelayMax + f.DelayMax,
		Loss:      min(l.base.Loss+f.Loss, PPMAll),
		Duplicate: min(l.base.Duplicate+f.Duplicate, PPMAll),
		Reorder:   min(l.base.Reorder+f.Reorder, PPMAll),
		Corrupt:   min(l.base.Corrupt+f.Corrupt, PPMAll),
		Forge:     min(l.base.Forge+f.Forge, PPMAll),
	}
}

// Apply puts f in force and reports whether it concerns the network. Faults of other classes change nothing, except
// Recover, which concerns everything.
func (l *Links) Apply(f Fault) bool {
	switch f.Kind {
	case Partition:
		l.partition(f.Groups)
	case HealPartition:
		clear(l.partitioned[:])
	case Cut:
		l.Each(f, func(from, to int) { l.cut[from][to] = true })
	case HealCut:
		l.Each(f, func(from, to int) { l.cut[from][to] = false })
	case Clog:
		l.Each(f, func(from, to int) { l.clogged[from][to] = true })
	case HealClog:
		l.Each(f, func(from, to int) { l.clogged[from][to] = false })
	case Reset: // leaves no state.
	case Loss:
		l.Each(f, func(from, to int) { l.fault[from][to].Loss = f.PPM })
	case Duplicate:
		l.Each(f, func(from, to int) { l.fault[from][to].Duplicate = f.PPM })
	case Reorder:
		l.Each(f, func(from, to int) { l.fault[from][to].Reorder = f.PPM })
	case Corrupt:
		l.Each(f, func(from, to int) { l.fault[from][to].Corrupt = f.PPM })
	case Forge:
		l.Each(f, func(from, to int) { l.fault[from][to].Forge = f.PPM })
	case Delay:
		l.Each(f, func(from, to int) { l.fault[from][to].Delay, l.fault[from][to].DelayMax = f.Amount, f.AmountMax })
	case Heal, Recover:
		clear(l.partitioned[:])
		clear(l.cut[:])
		clear(l.clogged[:])
		clear(l.fault[:])
	default:
		return false
	}
	return true
}

// partition replaces the partition in force.
func (l *Links) partition(groups [][]int) {
	clear(l.partitioned[:])
	for i, a := range groups {
		for j, b := range groups {
			if i == j {
				continue
			}
			for _, from := range a {
				for _, to := range b {
					l.partitioned[from][to] = true
				}
			}
		}
	}
}

// Each calls do for the links that f names, or for all.
func (l *Links) Each(f Fault, do func(from, to int)) {
	if len(f.From) == 0 {
		for from := 1; from <= l.nodes; from++ {
			for to := 1; to <= l.nodes; to++ {
				if from != to {
					do(from, to)
				}
			}
		}
		return
	}
	for _, from := range f.From {
		for _, to := range f.To {
			do(from, to)
		}
	}
}
