package node

// RoughState sums up in a few bits what a node is busy with, for a search that wants to know whether it has met such a state before: its
// mode, what its first operations wait for, whether it holds writes that are not on disk, whether members are dead, and whether data is
// pulled, voters change or an epoch is caught up with. Equal sums do not mean equal states. The bits are of no stable meaning.
func (n *Node) RoughState() uint32 {
	const (
		opsLooked = 8 // operations are many, and the first ones wait longest.
		modeBits  = 3
		phaseBits = int(phaseDone) + 1
	)
	sum := uint32(n.mode())
	for i := 0; i < len(n.register.ops) && i < opsLooked; i++ {
		sum |= 1 << (modeBits + int(n.register.ops[i].phase))
	}
	dead := 0
	for _, p := range n.peers {
		if p.dead() {
			dead++
		}
	}
	for i, is := range [...]bool{
		n.quorum.open > 0, len(n.overlay.order) > 0, n.config == nil, n.config != nil && n.passed < n.epoch(), n.change != nil,
		n.sync.peer != 0, dead > 0, 2*dead > len(n.peers),
	} {
		if is {
			sum |= 1 << (modeBits + phaseBits + i)
		}
	}
	return sum
}
