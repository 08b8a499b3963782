package sim

import (
	"slices"

	"kvs/chaos"
)

// overheard is the messages that the outsider of the fault forge has recorded. The outsider cannot read them, but can
// send them again.
type overheard struct {
	ring []packet
	next int
}

const overheardMax, repeatOneIn = 512, 3 // one in three of its messages is a recorded one.

func (o *overheard) put(p packet) {
	if len(o.ring) < overheardMax {
		o.ring = append(o.ring, p)
	} else {
		o.ring[o.next] = p
		o.next = (o.next + 1) % overheardMax
	}
}

// outsider records a message in flight, and sends a forged one when it is the outsider's turn.
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
