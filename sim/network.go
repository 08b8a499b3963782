package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"kvs/chaos"
	"kvs/sim/pool"
	"kvs/sim/wiretap"
)

// packet is a message in flight.
type packet struct {
	data       []byte
	from, to   uint8
	transport  Transport
	loose      bool   // a frame outside the usual connection: it is not ordered.
	recorded   int32  // in the recording, from 1; zero: it is not.
	number     uint32 // among those of its sender to its receiver, by transport.
	connection uint32 // the connection it travels on; when that breaks, the packet is lost.
}

// network carries messages between replicas by the state of the links. The scenario defines a link without faults;
// faults are added. Datagrams are lost, doubled, delayed, reordered and corrupted one by one. Frames travel on one
// connection for each direction of each pair, in order; loss only delays them, as retransmission does, until too much
// of it, a cut or a reset breaks the connection, and everything in flight on it is lost. A message on a clogged link
// waits at the receiving end until the link is clear: then frames arrive in order, and datagrams with newly drawn
// delays.
type network struct {
	links   *chaos.Links
	rng     *rand.Rand
	packets pool.Pool[packet]

	clogged    []entry // messages that wait at clogged links, in the order of arrival.
	connection [chaos.NodesMax + 1][chaos.NodesMax + 1]uint32
	lastFrame  [chaos.NodesMax + 1][chaos.NodesMax + 1]time.Duration // arrival of the latest frame in order.
	overheard  wiretap.Tape[packet]
	scratch    [DatagramBytesMax + 64]byte                            // datagrams are only lent to the machine.
	last       [2][chaos.NodesMax + 1][chaos.NodesMax + 1]lastMessage // by transport, sender and receiver.
}

// lastMessage is the latest message from one replica to another, and its fate, for the report on why a run has not
// ended.
type lastMessage struct {
	number    uint32
	data      []byte
	fate      messageFate
	sent, end time.Duration
}

type messageFate uint8

const (
	fateOnItsWay messageFate = iota
	fateBlocked
	fateLost
	fateAbsent
	fateArrived
)

var messageFateWords = [...]string{
	fateOnItsWay: "on its way", fateBlocked: "lost, the link is cut", fateLost: "lost",
	fateAbsent: "lost, no node was there", fateArrived: "arrived",
}

// note records a message that is being sent.
func (n *network) note(p *packet, now time.Duration) {
	last := &n.last[p.transport][p.from][p.to]
	*last = lastMessage{number: last.number + 1, sent: now, end: now}
	last.data = p.data
	p.number = last.number
}

// end records the fate of a message, if no later one was sent.
func (n *network) end(p *packet, fate messageFate, now time.Duration) {
	if last := &n.last[p.transport][p.from][p.to]; last.number == p.number {
		last.fate, last.end = fate, now
	}
}

const (
	loopbackDelay    = 50 * time.Microsecond
	reorderDelayMin  = 5 * time.Millisecond // how far a reordered message falls behind.
	reorderDelayMax  = 250 * time.Millisecond
	straggleDelayMax = 3 * time.Second // and one in straggleOneIn of those.
	straggleOneIn    = 16
	retransmitDelay  = 200 * time.Millisecond // TCP's first retransmission; it doubles each time.
	retransmitsMax   = 5                      // after so many the connection is given up.
	corruptedBitsMax = 4
	cloggedMax       = 16384 // messages on clogged links; beyond it they are lost, as in a router.
)

// Address of a replica.
func Address(n int) string { return addresses[n] }

// NodeName is the name of a replica, in plans and in everything for people.
func NodeName(n int) string { return addresses[n][:len("n0")] }

// addresses of replicas, by number.
var addresses = func() (a [chaos.NodesMax + 1]string) {
	for n := range a {
		a[n] = "n" + string(rune('0'+n)) + ":7946"
	}
	return a
}()

// replicaAt is the number of the replica at an address, or zero.
func replicaAt(addr string, nodes int) int {
	if len(addr) == len("n1:7946") && addr[0] == 'n' && addr[2:] == ":7946" {
		if n := int(addr[1] - '0'); n >= 1 && n <= nodes {
			return n
		}
	}
	return 0
}

// send puts a message into the network, or loses it.
func (w *World) send(from int, s *Send) {
	to := replicaAt(s.To, w.nodes)
	if to == 0 {
		return
	}
	if s.Transport == TransportDatagram && len(s.Data) > DatagramBytesMax {
		w.Violate(Violation{Promise: PromiseBounded, Node: from, Detail: "a datagram is longer than DatagramBytesMax"})
	}
	net := &w.net
	w.stats.sent++
	if net.links.Blocked(from, to) {
		p := packet{data: s.Data, from: uint8(from), to: uint8(to), transport: s.Transport}
		net.note(&p, w.now)
		net.end(&p, fateBlocked, w.now)
		w.recordSent(&p)
		w.lose(from, to, s.Transport)
		return
	}
	link := net.links.Link(from, to)
	if link.Forge > 0 {
		w.outsider(from, to, s, &link)
	}
	if from == to {
		link = chaos.Link{Delay: loopbackDelay, DelayMax: loopbackDelay}
	}
	copies := 1
	if chaos.Chance(net.rng, link.Duplicate) {
		copies = 2
	}
	for i := range copies {
		p := packet{data: s.Data, from: uint8(from), to: uint8(to), transport: s.Transport, loose: i > 0}
		net.note(&p, w.now)
		p.recorded = w.recordSent(&p)
		if s.Transport == TransportFrame {
			w.sendFrame(p, &link)
		} else {
			w.sendDatagram(p, &link)
		}
	}
}

func (w *World) sendDatagram(p packet, link *chaos.Link) {
	rng := w.net.rng
	if chaos.Chance(rng, link.Loss) {
		w.net.end(&p, fateLost, w.now)
		w.stats.lost++
		return
	}
	delay := chaos.DrawDuration(rng, link.Delay, link.DelayMax)
	if chaos.Chance(rng, link.Reorder) {
		delay += reorderDelay(rng)
	}
	if chaos.Chance(rng, link.Corrupt) {
		p.data = corrupt(rng, p.data)
	}
	w.at(w.now+delay, entry{kind: entryPacket, node: p.to, slot: w.net.packets.Put(p)})
}

func (w *World) sendFrame(p packet, link *chaos.Link) {
	rng := w.net.rng
	delay := chaos.DrawDuration(rng, link.Delay, link.DelayMax)
	wait := retransmitDelay
	for tries := 0; chaos.Chance(rng, link.Loss); tries++ {
		if tries == retransmitsMax {
			w.net.end(&p, fateLost, w.now)
			w.lose(int(p.from), int(p.to), TransportFrame)
			return
		}
		delay += wait
		wait *= 2
	}
	if chaos.Chance(rng, link.Reorder) {
		p.loose = true // it took another connection, which was slower.
		delay += reorderDelay(rng)
	}
	at := w.now + delay
	if !p.loose {
		last := &w.net.lastFrame[p.from][p.to]
		at = max(at, *last+1)
		*last = at
		p.connection = w.net.connection[p.from][p.to]
	}
	w.at(at, entry{kind: entryPacket, node: p.to, slot: w.net.packets.Put(p)})
}

// reorderDelay is the extra delay of a reordered message: rarely so long that both its ends have been restarted.
func reorderDelay(rng *rand.Rand) time.Duration {
	longest := reorderDelayMax
	if rng.IntN(straggleOneIn) == 0 {
		longest = straggleDelayMax
	}
	return chaos.DrawDuration(rng, reorderDelayMin, longest)
}

// lose counts a lost message; with a frame its connection breaks.
func (w *World) lose(from, to int, t Transport) {
	w.stats.lost++
	if t == TransportFrame {
		w.net.breakConnection(from, to)
	}
}

func (n *network) breakConnection(from, to int) {
	n.connection[from][to]++
	n.lastFrame[from][to] = 0
}

// arrives takes a packet out of the network and reports whether it reaches the other end.
func (w *World) arrives(slot int32) (packet, bool) {
	p := w.net.packets.Take(slot)
	from, to := int(p.from), int(p.to)
	switch {
	case w.net.links.Blocked(from, to):
		w.net.end(&p, fateBlocked, w.now)
		w.lose(from, to, p.transport)
		return p, false
	case p.transport == TransportFrame && !p.loose && p.connection != w.net.connection[from][to]:
		w.net.end(&p, fateLost, w.now)
		w.stats.lost++
		return p, false
	case w.replicas[p.to].machine == nil:
		w.net.end(&p, fateAbsent, w.now)
	default:
		w.net.end(&p, fateArrived, w.now)
	}
	return p, true
}

// clog keeps a packet that arrives at the end of a clogged link, and reports whether it has.
func (w *World) clog(e entry) bool {
	p := w.net.packets.At(e.slot)
	if !w.net.links.Clogged(int(p.from), int(p.to)) {
		return false
	}
	if len(w.net.clogged) >= cloggedMax {
		w.dropInput(e)
		return true
	}
	w.net.clogged = append(w.net.clogged, e)
	return true
}

// unclog releases the messages on links that are clear again.
func (w *World) unclog() {
	net := &w.net
	still := net.clogged[:0]
	for _, e := range net.clogged {
		p := net.packets.At(e.slot)
		from, to := int(p.from), int(p.to)
		if net.links.Clogged(from, to) {
			still = append(still, e)
			continue
		}
		at := w.now
		if p.transport == TransportDatagram || p.loose { // no frame in flight may overtake those that have waited.
			link := net.links.Link(from, to)
			at += chaos.DrawDuration(net.rng, link.Delay, link.DelayMax)
		}
		w.at(at, e)
	}
	net.clogged = still
}

// corrupt returns a damaged copy: a few flipped bits, or a cut end.
func corrupt(rng *rand.Rand, data []byte) []byte {
	out := slices.Clone(data)
	if len(out) == 0 {
		return out
	}
	if rng.IntN(4) == 0 {
		return out[:rng.IntN(len(out))]
	}
	for range 1 + rng.IntN(corruptedBitsMax) {
		out[rng.IntN(len(out))] ^= 1 << rng.IntN(8)
	}
	return out
}
