package swim

import (
	"slices"
	"time"
)

// probe is the probe of the present round. It is judged when the next round begins.
type probe struct {
	seq        uint64 // zero: no probe is under way.
	target     ID
	acked      bool
	indirectAt time.Duration // when helpers are asked; zero: they have been.
	asked      int           // helpers who owe an ack or a nack,
	nacks      int           // and how many sent a nack.
	helped     []ID          // helpers that sent a nack, so that a repeated nack counts once.
}

// relay is a ping that this member sent because another member asked for it.
type relay struct {
	seq    uint64 // of the ping; zero: free.
	target ID
	from   ID            // the member that asked, ...
	addr   string        // ... its address, ...
	asked  uint64        // ... and the number of its request.
	nackAt time.Duration // when it gets a nack; zero: it has got one.
}

// relaysMax bounds the relays remembered. When full the oldest is forgotten: the member that asked takes that for
// silence.
const relaysMax = 64

// concludeProbe judges the probe of the round that ends.
func (m *Machine) concludeProbe(now time.Duration, out *Output) {
	pr := m.probe
	m.probe = probe{}
	switch {
	case pr.seq == 0:
		return
	case pr.acked:
		m.improve()
		return
	}
	m.counters.ProbesFailed++
	m.judgeSelf(&pr)
	p := m.find(pr.target)
	switch {
	case p == nil:
	case p.State == Alive:
		m.accuse(now, p, Suspect, out)
	case p.State == Suspect:
		m.confirm(p, m.self.ID)
	}
}

// startProbe pings the next member in turn.
func (m *Machine) startProbe(now time.Duration, out *Output) {
	m.probeAt += m.patient(m.cfg.ProbeInterval)
	if m.probeAt <= now {
		m.probeAt = now + m.patient(m.cfg.ProbeInterval)
	}
	p := m.nextTarget()
	if p == nil {
		// There is no other member to send rumours to. Later these rumours would be outdated: deaths of members that
		// were only out of reach.
		m.rumours = m.rumours[:0]
		return
	}
	m.counters.Probes++
	m.probe = probe{seq: m.nextSeq(), target: p.ID, indirectAt: now + m.patient(m.cfg.ProbeTimeout)}
	m.send(kindPing, p.ID, m.probe.seq, p, p.Addr, out)
	m.unburden(out)
}

// nextTarget goes through all members in a random order, and then through all again in another: so the time to the
// first probe of a failed member is bounded (SWIM, section 4.3).
func (m *Machine) nextTarget() *peer {
	for turn := range 2 {
		for m.ordered < len(m.order) {
			p := m.find(m.order[m.ordered])
			m.ordered++
			if p != nil && p.takesPart() {
				return p
			}
		}
		if turn == 0 {
			m.shuffleOrder()
		}
	}
	return nil
}

func (m *Machine) shuffleOrder() {
	m.order, m.ordered = m.order[:0], 0
	for _, p := range m.peers {
		if p.takesPart() {
			m.order = append(m.order, p.ID)
		}
	}
	for i := len(m.order) - 1; i > 0; i-- {
		j := m.rng.IntN(i + 1)
		m.order[i], m.order[j] = m.order[j], m.order[i]
	}
}

// addToOrder lets a member that is new or came back take its turn at a random place of what is left of the present
// order.
func (m *Machine) addToOrder(id ID) {
	if slices.Contains(m.order[m.ordered:], id) {
		return
	}
	m.order = slices.Delete(m.order, 0, m.ordered)
	m.ordered = 0
	m.order = slices.Insert(m.order, m.rng.IntN(len(m.order)+1), id)
}

// probeIndirect asks others to probe a target that has not answered, and the target itself once more over a stream:
// where firewalls or broken routes drop datagrams only, a member would otherwise alternate between dead (by silence)
// and alive (by exchanged tables). With fewer others than wanted, as in a small cluster, it also sends another
// datagram: else one lost datagram would make a suspect.
func (m *Machine) probeIndirect(out *Output) {
	m.probe.indirectAt = 0
	p := m.find(m.probe.target)
	if p == nil || !p.takesPart() {
		return
	}
	helpers := m.choose(m.cfg.IndirectProbes, Alive, p)
	for _, h := range helpers {
		m.send(kindPingReq, p.ID, m.probe.seq, h, h.Addr, out)
	}
	m.probe.asked = len(helpers)
	m.send(kindStreamPing, p.ID, m.probe.seq, p, p.Addr, out)
	if len(helpers) < m.cfg.IndirectProbes {
		m.send(kindPing, p.ID, m.probe.seq, p, p.Addr, out)
	}
}

// choose draws at most n members in no worse a state, except one. The result is valid until the next call.
func (m *Machine) choose(n int, worst State, except *peer) []*peer {
	m.chosen = m.chosen[:0]
	for _, p := range m.peers {
		if p.State <= worst && p != except {
			m.chosen = append(m.chosen, p)
		}
	}
	n = min(n, len(m.chosen))
	for i := range n {
		j := i + m.rng.IntN(len(m.chosen)-i)
		m.chosen[i], m.chosen[j] = m.chosen[j], m.chosen[i]
	}
	return m.chosen[:n]
}

func (m *Machine) handlePing(from string, in *packet, out *Output) {
	if in.target != m.self.ID {
		// for the member that had this address before: it must not seem alive because this one answers.
		m.counters.Misdirected++
		return
	}
	if m.unheardFarewell(in) {
		return
	}
	kind := byte(kindAck)
	if in.kind == kindStreamPing {
		kind = kindStreamAck
	}
	m.send(kind, m.self.ID, in.seq, m.find(in.sender), from, out)
}

func (m *Machine) handlePingReq(from string, in *packet, out *Output) {
	p := m.find(in.target)
	if p == nil {
		return // unknown here: no answer.
	}
	r := relay{seq: m.nextSeq(), target: p.ID, from: in.sender, addr: from, asked: in.seq,
		nackAt: m.now + m.nackAfter()}
	m.nacksDue++
	if len(m.relays) < relaysMax {
		m.relays = append(m.relays, r)
	} else {
		m.noNack(&m.relays[m.relayNext])
		m.relays[m.relayNext] = r
		m.relayNext = (m.relayNext + 1) % relaysMax
	}
	m.send(kindPing, p.ID, r.seq, p, p.Addr, out)
}

func (m *Machine) handleAck(in *packet, out *Output) {
	switch {
	case in.seq == 0:
	case in.seq == m.probe.seq && in.target == m.probe.target:
		if !m.probe.acked && in.kind == kindStreamAck {
			m.counters.StreamAcks++
		}
		m.probe.acked = true
		m.probe.indirectAt = 0
	case in.seq == m.leave.seq:
		m.farewellHeard(in.target)
	default:
		for i := range m.relays {
			if r := &m.relays[i]; r.seq == in.seq && r.target == in.target {
				m.send(kindAck, r.target, r.asked, m.find(r.from), r.addr, out)
				r.seq = 0
				m.noNack(r)
				return
			}
		}
	}
}

// handleNack records that a helper answers, and cannot reach the target.
func (m *Machine) handleNack(in *packet) {
	pr := &m.probe
	if in.seq == 0 || in.seq != pr.seq || in.target != pr.target || pr.nacks >= pr.asked ||
		slices.Contains(pr.helped, in.sender) {
		return
	}
	pr.nacks++
	pr.helped = append(pr.helped, in.sender)
}

func (m *Machine) noNack(r *relay) {
	if r.nackAt != 0 {
		r.nackAt = 0
		m.nacksDue--
	}
}

// sendNacks sends nacks for targets that have not answered the relayed ping. An ack that comes later is passed on all
// the same.
func (m *Machine) sendNacks(now time.Duration, out *Output) {
	if m.nacksDue == 0 {
		return
	}
	for i := range m.relays {
		if r := &m.relays[i]; r.nackAt != 0 && r.nackAt <= now {
			m.noNack(r)
			m.send(kindNack, r.target, r.asked, m.find(r.from), r.addr, out)
		}
	}
}

func (m *Machine) nextNack() time.Duration {
	at := time.Duration(1<<63 - 1)
	for i := range m.relays {
		if r := &m.relays[i]; r.nackAt != 0 {
			at = min(at, r.nackAt)
		}
	}
	return at
}
