package sim

import (
	"slices"

	"kvs/chaos"
	"kvs/sim/wiretap"
)

// One in repeatOneIn of what he sends is recorded; one in alterings of that has turned bits, one another receiver.
const repeatOneIn, alterings = 3, 4

// alter makes an altered copy of something recorded: with some bits turned, or for another receiver than it was meant
// for. Most are sent again as they were.
func (w *World) alter(p *packet) {
	switch rng := w.net.rng; rng.IntN(alterings) {
	case 0:
		p.data = wiretap.TurnBits(rng, p.data)
	case 1:
		p.to = uint8(1 + rng.IntN(w.nodes))
	}
}

// outsider records a message in flight, and sends a forged one when it is the outsider's turn.
func (w *World) outsider(from, to int, s *Send, link *chaos.Link) {
	net := &w.net
	net.overheard.Put(packet{data: slices.Clone(s.Data), from: uint8(from), to: uint8(to), transport: s.Transport})
	if !chaos.Chance(net.rng, link.Forge) {
		return
	}
	p := net.overheard.Draw(net.rng)
	if net.rng.IntN(repeatOneIn) > 0 && w.hooks.forger != nil {
		p = packet{from: uint8(from), to: uint8(to)}
		p.transport, p.data = w.hooks.forger.Forge(net.rng, &w.replicas[from], &w.replicas[to])
	} else {
		w.alter(&p)
	}
	if len(p.data) == 0 || p.transport == TransportDatagram && len(p.data) > DatagramBytesMax {
		return
	}
	p.loose, p.data = true, slices.Clone(p.data)
	p.recorded = w.recordSent(&p)
	at := w.now + chaos.DrawDuration(net.rng, link.Delay, link.DelayMax)
	w.at(at, entry{kind: entryPacket, node: p.to, slot: net.packets.Put(p)})
}
