package node

import (
	"kvs/node/clocks"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/swim"
)

// clocksOwner implements clocks.Owner for the node.
type clocksOwner struct{ *Node }

func (o clocksOwner) PeerClocks() int { return len(o.Peers) }

func (o clocksOwner) PeerClock(i int) (*clocks.Peer, bool) {
	p := o.Peers[i]
	return &o.heardOf(p).clock, p.State == swim.Alive
}

func (o clocksOwner) MemberName(id slot.ID) string { return o.membership.MemberName(id) }

func (o clocksOwner) SetReadOnly(in *contract.SetReadOnly) { o.modes.Set(in) }
