package sim

import (
	"slices"

	"kvs/chaos"
)

// overheard is what the outsider of the fault forge has recorded. He cannot read it, but he can send it again.
type overheard struct {
	ring []packet
	next int
}

const overheardMax, repeatOneIn = 512, 3 // one in three of what he sends is something that he has recorded.

func (o *overheard) put(p packet) {
	if len(o.ring) < overheardMax {
		o.ring = append(o.ring, p)
	} else {
		o.ring[o.next] = p
		o.next = (o.next + 1) % overheardMax
	}
}

// outsider records a message on its way, and sends one of his own when it is his turn.
func (w *World) outsider(from, to int, s *Send, link *chaos.Link) {
	net := &w.net
	net.overheard.put(packet{data: slices.Clone(s.Data), from: uint8(from), to: uint8(to), transport: s.Transport})
	if !chaos.Chance(net.rng, link.Forge) {
		return
	}
	p := net.overheard.ring[net.rng.IntN(len(net.overheard.ring))]
	if net.rng.IntN(repeatOneIn) > 0 && w.hooks.forger != nil {
		p = packet{from: uint8(from), to: uint8(to)}
		p.transport, p.data = w.hooks.forger.Forge(net.rng, &w.replicas[from], &w.replicas[to])
	}
	if len(p.data) == 0 || p.transport == TransportDatagram && len(p.data) > DatagramBytesMax {
		return
	}
	p.loose, p.data = true, slices.Clone(p.data)
	p.recorded = w.recordSent(&p)
	at := w.now + chaos.DrawDuration(net.rng, link.Delay, link.DelayMax)
	w.at(at, entry{kind: entryPacket, node: p.to, slot: net.packets.Put(p)})
}
