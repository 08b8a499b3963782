package swim

import (
	"cmp"
	"slices"
)

// told counts how often a member's line has been gossiped since it changed. The line itself is taken from the table
// when it is sent. So a rumour never carries an outdated line, and there is at most one rumour for each member.
type told struct {
	id    ID
	times int
	seq   uint64 // order of changes.
}

// spread gossips the line of member id from now on, as something new.
func (m *Machine) spread(id ID) {
	m.rumourSeq++
	r := told{id: id, seq: m.rumourSeq}
	for i := range m.rumours {
		if m.rumours[i].id == id {
			m.rumours[i] = r
			return
		}
	}
	m.rumours = append(m.rumours, r)
	invariant(len(m.rumours) <= len(m.peers)+1, "more rumours than members", len(m.rumours), len(m.peers)+1)
}

// sortRumours puts first what was sent least, among equals the newest (SWIM, section 4.1).
func (m *Machine) sortRumours() {
	slices.SortFunc(m.rumours, func(a, b told) int {
		if c := cmp.Compare(a.times, b.times); c != 0 {
			return c
		}
		return cmp.Compare(b.seq, a.seq)
	})
}

// send makes a datagram for member `to` (nil: not in the table) at addr, filled up with rumours. The line of `to` goes
// first unless it is alive, so that `to` can refute it (Lifeguard's buddy system). A farewell of this member goes first
// too.
func (m *Machine) send(kind byte, target ID, seq uint64, to *peer, addr string, out *Output) {
	b := appendDatagramHeader(m.buf[:0], kind, m.self.ID, target, seq)
	at := len(b)
	b = append(b, 0)
	count := 0
	if to != nil && to.State != Alive {
		b = appendEntry(b, &to.Member, to.accuser())
		count++
	}
	if m.leave.active {
		b = appendEntry(b, &m.self, 0)
		count++
	}
	b, more := m.appendRumours(b, to, datagramEntriesMax-count)
	b[at] = byte(count + more)
	invariant(len(b) <= m.cfg.DatagramBytesMax, "datagram too long", len(b))
	m.buf = b
	out.Sends = append(out.Sends, Send{Stream: kind >= kindStreamPing, To: addr, Data: slices.Clone(b)})
}

// appendRumours fills b up with what is due to be gossiped, and counts it as told.
func (m *Machine) appendRumours(b []byte, to *peer, room int) ([]byte, int) {
	if len(m.rumours) == 0 {
		return b, 0
	}
	m.sortRumours()
	limit, count := m.cfg.RetransmitMult*log2Ceil(m.size()), 0
	m.crowded = false
	for i := range m.rumours {
		r := &m.rumours[i]
		line, accuser := m.line(r.id)
		invariant(line != nil, "rumour about no member", int(r.id))
		if to != nil && r.id == to.ID { // the recipient knows itself best, ...
			if m.size() <= 2 {
				r.times++ // ... and there is no other member to receive it.
			}
			continue
		}
		if count == room || (m.leave.active && r.id == m.self.ID) {
			continue // full, or said already.
		}
		before := len(b)
		b = appendEntry(b, line, accuser)
		if len(b) > m.cfg.DatagramBytesMax {
			b = b[:before] // a shorter one may still fit.
			m.crowded = true
			continue
		}
		r.times++
		count++
	}
	m.rumours = slices.DeleteFunc(m.rumours, func(r told) bool { return r.times >= limit })
	return b, count
}

// extraGossipMax is how many datagrams a member sends each round for want of room in those that it sends anyhow.
const extraGossipMax = 8

// unburden sends more members the rumours that did not fit into the ping of this round. Probes alone carry a few
// datagrams of rumours a second, whatever the number of members. Beyond that capacity each rumour is repeated about
// once, which is no epidemic any more, and refutations come too late. Memberlist gossips five times a second to three
// members for the same reason; here nothing extra is sent while everything fits, which in a cluster of less than thirty
// it always does. The rumours travel in an ack that answers no ping: all members accept that.
func (m *Machine) unburden(out *Output) {
	if !m.crowded {
		return
	}
	for _, p := range m.choose(extraGossipMax, Alive, nil) {
		if !m.crowded {
			return
		}
		m.counters.ExtraGossip++
		m.send(kindAck, m.self.ID, 0, p, p.Addr, out)
	}
}

// line finds the line to gossip about member id.
func (m *Machine) line(id ID) (line *Member, accuser ID) {
	if id == m.self.ID {
		return &m.self, 0
	}
	p := m.find(id)
	if p == nil {
		return nil, 0
	}
	return &p.Member, p.accuser()
}

func (p *peer) accuser() ID {
	if p.State != Suspect {
		return 0
	}
	return p.suspicion.last()
}
