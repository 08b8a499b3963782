package swim

import (
	"encoding/binary"
	"slices"
	"time"
)

// contact is an address at which a member may be: that of a seed, or of a member of a former run.
type contact struct {
	addr    string
	id      ID            // the member that answered there; zero: none has yet.
	seed    bool          // given by an operator: dialled also when the member that answered there is dead or left.
	dialled time.Duration // when it was dialled last.
	seq     uint64        // of that request.
}

const (
	never      = time.Duration(-1 << 62) // before every time.
	seedsMax   = 64                      // seeds remembered; those joined beyond it are dialled once.
	dialsFirst = 8                       // dialled at once at the start, ...
	dialsRound = 2                       // ... and in each later round: the cost of many dead must not grow.
)

// Join dials addrs now, and again until a member answers there. A member that is gone does not dial.
func (m *Machine) Join(now time.Duration, addrs []string, out *Output) {
	if m.leave.active {
		return
	}
	for _, a := range addrs {
		if a == "" || len(a) > textBytesMax || a == m.self.Addr {
			continue
		}
		if c := m.addContact(a, 0); c != nil {
			m.dialContact(now, c, out)
		} else {
			m.sendTable(kindRequest, m.request(), a, out)
		}
	}
	m.dialRounds = 0
	m.dialAt = min(m.dialAt, now+m.cfg.ProbeInterval)
}

// addContact remembers an address: a seed when id is zero. Nil means that there are too many seeds.
func (m *Machine) addContact(addr string, id ID) *contact {
	seeds := 0
	for i := range m.contacts {
		c := &m.contacts[i]
		if c.addr == addr {
			c.seed = c.seed || id == 0
			return c
		}
		if c.seed {
			seeds++
		}
	}
	if id == 0 && seeds == seedsMax {
		return nil
	}
	m.contacts = append(m.contacts, contact{addr: addr, id: id, seed: id == 0, dialled: never})
	return &m.contacts[len(m.contacts)-1]
}

// exchange pushes and pulls tables with a random member, so that what gossip missed is repaired.
func (m *Machine) exchange(now time.Duration, out *Output) {
	m.exchangeAt = now + m.jitter(m.exchangeInterval())
	if p := m.choose(1, Suspect, nil); len(p) == 1 {
		m.sendTable(kindRequest, m.request(), p[0].Addr, out)
	}
}

// exchangeMembersMax is the size of the table up to which it is exchanged as often as configured.
const exchangeMembersMax = 128

// exchangeInterval grows with the table beyond that size, so that the cost of exchanges for one member stays constant,
// as SWIM promises for its load. Memberlist's pushPullScale serves the same end, but grows with the logarithm only.
// Gossip does not depend on exchanges: they repair what gossip missed, and a large cluster has as many of them a second
// as a cluster of exchangeMembersMax.
func (m *Machine) exchangeInterval() time.Duration {
	return m.cfg.PushPullInterval * time.Duration(1+len(m.peers)/exchangeMembersMax)
}

// dial tries the addresses that were not tried for longest. It never gives up: a member that was cut off for an hour is
// found again within a few rounds.
func (m *Machine) dial(now time.Duration, out *Output) {
	m.dialAt = now + m.dialDelay()
	budget := dialsRound
	if m.dialRounds == 0 || !m.vouching.announced {
		budget = dialsFirst
	}
	m.dialRounds++
	m.counters.SeedsSilent++
	if m.states[Alive] > 0 || len(m.contacts)+m.states[Dead] == 0 {
		m.counters.SeedsSilent = 0
	}
	for range budget {
		c, p := m.longestUndialled(now)
		switch {
		case c != nil:
			m.dialContact(now, c, out)
		case p != nil:
			p.dialled = now
			m.sendTable(kindRequest, m.request(), p.Addr, out)
		default:
			return
		}
	}
}

// dialDelay is short at first for a member that has no peers: it has just started. It is short, too, while a member
// waits for an answer about its own run.
func (m *Machine) dialDelay() time.Duration {
	if !m.vouching.announced {
		return m.jitter(m.cfg.ProbeInterval)
	}
	if m.states[Alive] > 0 || m.dialRounds > 10 {
		return m.jitter(m.cfg.DeadDialInterval)
	}
	return m.jitter(min(m.cfg.ProbeInterval<<m.dialRounds, m.cfg.DeadDialInterval))
}

func (m *Machine) dialContact(now time.Duration, c *contact, out *Output) {
	c.dialled, c.seq = now, m.request()
	m.sendTable(kindRequest, c.seq, c.addr, out)
}

// longestUndialled finds the contact or the dead member whose turn it is; neither when all have been dialled at now.
func (m *Machine) longestUndialled(now time.Duration) (c *contact, p *peer) {
	oldest := now
	for i := range m.contacts {
		if k := &m.contacts[i]; k.dialled < oldest && m.wanted(k) {
			c, oldest = k, k.dialled
		}
	}
	if m.states[Dead] == 0 {
		return c, nil
	}
	for _, d := range m.peers {
		if d.State == Dead && d.dialled < oldest && d.Addr != m.self.Addr && !m.livesAt(d.Addr) &&
			!m.dialledAsSeed(d.Addr) {
			c, p, oldest = nil, d, d.dialled
		}
	}
	return c, p
}

// wanted reports whether contact c is worth dialling: no known living member has that address.
func (m *Machine) wanted(c *contact) bool {
	if c.addr == m.self.Addr || m.livesAt(c.addr) {
		return false
	}
	// an alias of this member's address; several members may share it, so a member without peers tries it again.
	if c.id == m.self.ID {
		return m.states[Alive] == 0
	}
	p := m.find(c.id)
	switch {
	case p == nil:
		return true
	case c.seed:
		return !p.takesPart()
	}
	return false // in the table meanwhile, where the dead are dialled at their newest address.
}

// dialledAsSeed reports whether an address is dialled as that of a seed.
func (m *Machine) dialledAsSeed(addr string) bool {
	for i := range m.contacts {
		if c := &m.contacts[i]; c.addr == addr && m.wanted(c) {
			return true
		}
	}
	return false
}

func (m *Machine) livesAt(addr string) bool {
	for _, p := range m.peers {
		if p.takesPart() && p.Addr == addr {
			return true
		}
	}
	return false
}

// Stream takes in one message that speaker by has sent over a stream. The data is only borrowed. An error wraps
// ErrMalformed or ErrImpostor; nothing has changed then.
func (m *Machine) Stream(now time.Duration, by Speaker, data []byte, out *Output) error {
	switch {
	case len(data) > 1 && data[1] < kindRequest:
		return m.streamProbe(now, by, data, out)
	case len(data) > 1 && data[1] > kindResponse:
		return m.streamLine(now, by, data, out)
	}
	return m.streamTable(now, by, data, out)
}

// streamTable takes in a whole table.
func (m *Machine) streamTable(now time.Duration, speaker Speaker, data []byte, out *Output) error {
	in := &m.in
	if err := in.decodeStream(data); err != nil {
		return err
	}
	if err := speaker.vet(in); err != nil {
		return err
	}
	m.now = now
	by := hearsay
	if m.solicited(in) {
		by = answer
		m.answered(now, in)
	}
	if in.sender == m.self.ID && in.self.born == m.self.Born && string(in.self.addr) == m.self.Addr {
		m.answered(now, in) // a seed is an alias of this member's address: no other member hears it there.
		return nil
	}
	m.counters.SeedsSilent = 0
	refutes := m.counters.Refutes
	m.learn(now, &in.self, in.sender, by, out)
	for i := range in.rumours {
		if by == answer && in.rumours[i].id == m.self.ID {
			m.testify(in.sender, &in.rumours[i])
		}
		m.learn(now, &in.rumours[i], in.sender, by, out)
	}
	switch {
	case in.kind == kindRequest:
		m.sendTable(kindResponse, in.seq, string(in.self.addr), out)
		if m.vouching.asks() {
			m.question(now, m.self.ID, string(in.self.addr), out) // it can vouch for this member.
		}
	case m.counters.Refutes != refutes:
		// The sender believed that this member is gone, and its answer was made before it learned otherwise.
		if p := m.find(in.sender); p != nil {
			m.spread(m.self.ID)
			m.send(kindPing, p.ID, m.nextSeq(), p, p.Addr, out)
		}
	}
	return nil
}

// streamProbe takes in a ping or ack that came over a stream because datagrams do not get through. A stream does not
// name its sender's address: the table does.
func (m *Machine) streamProbe(now time.Duration, by Speaker, data []byte, out *Output) error {
	in := &m.in
	if err := in.decodeStreamProbe(data); err != nil {
		return err
	}
	if err := by.vet(in); err != nil {
		return err
	}
	m.now = now
	if in.sender == m.self.ID {
		return nil // where it came from is not known. Who really is there sends tables and datagrams, too.
	}
	if p := m.find(in.sender); p != nil {
		m.hear(p.Addr, in, out)
	}
	return nil
}

// answered records which member is at the contact that was asked.
func (m *Machine) answered(now time.Duration, in *packet) {
	for i := range m.contacts {
		if c := &m.contacts[i]; c.seq == in.seq && c.seq != 0 {
			c.id = in.sender
		}
	}
	if !m.joined && in.sender != m.self.ID {
		m.joined = true
		m.exchangeAt = min(m.exchangeAt, now+m.cfg.ProbeInterval) // others may have joined in the same moment.
	}
}

// Behind is the member that answered last at a seed's address, which may be this member itself; zero: none has.
func (m *Machine) Behind(addr string) ID {
	for i := range m.contacts {
		if c := &m.contacts[i]; c.addr == addr {
			return c.id
		}
	}
	return 0
}

// sendTable sends the whole table.
func (m *Machine) sendTable(kind byte, seq uint64, addr string, out *Output) {
	b := appendStreamHeader(m.buf[:0], kind, seq)
	self := m.self
	if kind == kindResponse {
		self = m.face()
	}
	b = appendEntry(b, &self, 0)
	b = binary.AppendUvarint(b, uint64(len(m.peers)))
	for _, p := range m.peers {
		b = appendEntry(b, &p.Member, p.accuser())
	}
	m.buf = b
	out.Sends = append(out.Sends, Send{Stream: true, To: addr, Data: slices.Clone(b)})
}
