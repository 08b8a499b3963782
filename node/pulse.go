package node

import (
	"time"

	"kvs/node/clocks"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// heard is the state from a peer's pulses.
type heard struct {
	mode  contract.Mode
	clock clocks.Peer
}

// heardOf is the state from the pulses of a peer.
func (n *Node) heardOf(p *step.Peer) *heard {
	h := n.heard.Of(p)
	h.clock.ID = p.ID
	return h
}

// makePulse is the pulse of a datagram to an address. A receiver that is no member gets no stamp to echo.
func (n *Node) makePulse(to string) wire.Pulse {
	m := wire.Pulse{Mode: n.modes.Mode(), Wall: n.Now.Wall, Digest: n.comparison.Digest()}
	if p := n.peerAt(to); p != nil {
		clock := &n.heardOf(p).clock
		m.Stamp = n.clocks.Stamp(clock)
		m.Echo, m.Held = n.clocks.Echo(clock)
	}
	return m
}

// peerAt is the peer that answers at an address: of two, the one that is not dead. Nil: there is none.
func (n *Node) peerAt(addr string) (at *step.Peer) {
	for _, p := range n.Peers {
		if p.Addr == addr && (at == nil || at.Dead()) {
			at = p
		}
	}
	return at
}

// hearPulse takes in a member's report about itself.
func (n *Node) hearPulse(from slot.ID, m *wire.Pulse) {
	p := n.Peer(from)
	if p == nil {
		return // not a member yet.
	}
	h := n.heardOf(p)
	h.mode = m.Mode
	n.comparison.DigestHeard(p, m.Digest)
	n.clocks.Hear(&h.clock, clocks.Pulse{Wall: m.Wall, Stamp: m.Stamp, Echo: m.Echo, Held: m.Held})
}

// clockOffset is how far a peer's wall clock is ahead of this node's, give or take bound.
func (n *Node) clockOffset(p *step.Peer) (offset, bound time.Duration, ok bool) {
	if p.State != swim.Alive {
		return 0, 0, false
	}
	h := n.heard.Look(p)
	return n.clocks.Offset(&h.clock)
}
