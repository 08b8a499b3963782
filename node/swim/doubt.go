package swim

import (
	"slices"
	"time"
)

// A message about a member can be forged or damaged: a datagram proves nothing about its sender. Most false claims do
// no lasting harm, because the member itself refutes them. Five claims are believed only when they arrive in an answer
// to this member's own question. A question carries a nonce, which cannot be guessed, and goes to a known address:
//
//   - that a member has left or was removed, which is for good;
//   - that there is a member that is not in the table yet: else a stranger could fill up the table;
//   - that a member which is alive, or claims to be, has another address: else a stranger could divert its messages;
//   - that a member has begun another run; and any claim about a run of this member that this member does not know;
//   - that another process has this member's ID.
//
// A member that receives one of these claims in any other message asks first. About an address or a run it asks the
// member concerned, at the claimed address. About an end it asks the member that sent the claim; that member has asked
// too before it believed, and so on back to the member at which an operator gave the order. A member believes its own
// end only when more than half of the members that it holds alive confirm it, or three of them; until then it goes on.
//
// Answers to push-pull requests count as answers too, so members that restart or were cut off learn as fast as before.
// An attacker that can read the traffic of the members, or that answers at a member's address, can still lie: TLS
// protects against that. Members of older versions drop the question; their claims are believed with the next exchange
// of tables.
type doubt struct {
	id    ID     // the member concerned,
	to    string // and the address that was asked.
	clash bool   // whether another process with this member's ID answers there.
	nonce uint64
	next  time.Duration // when it is asked again.
	tries int
}

const (
	doubtsMax     = 64 // questions open; one more takes the place of the oldest.
	doubtTriesMax = 4  // then the claim is forgotten: if it is true, it will arrive again.
	askedMax      = 64 // requests for tables whose answers count; one more takes the place of the oldest.
	confirmMax    = 3  // members that must confirm this member's end, in a large cluster.
)

// doubtful reports whether a claim that supersedes p's line needs a question first; p is nil for a member that is not
// in the table.
func doubtful(r *rumour, p *peer) bool {
	switch {
	case p == nil || r.state.Gone():
		return true
	case lifeOf(r.incarnation) > lifeOf(p.Incarnation):
		return true
	}
	return string(r.addr) != p.Addr && (p.takesPart() || r.state <= Suspect)
}

// doubt asks about a claim that member teller has sent.
func (m *Machine) doubt(now time.Duration, r *rumour, teller ID, out *Output) {
	m.counters.Doubts++
	if r.state == Alive {
		m.question(now, r.id, string(r.addr), out)
		return
	}
	if p := m.find(teller); p != nil {
		m.question(now, r.id, p.Addr, out)
	}
}

// doubtOwnEnd asks other members whether this member's membership has ended.
func (m *Machine) doubtOwnEnd(now time.Duration, teller ID, out *Output) {
	m.counters.Doubts++
	if now < m.trial.next {
		return
	}
	m.trial.next = now + m.cfg.ProbeInterval
	if p := m.find(teller); p != nil {
		m.question(now, m.self.ID, p.Addr, out)
	}
	for _, p := range m.choose(2*confirmMax-1, Suspect, nil) {
		m.question(now, m.self.ID, p.Addr, out)
	}
}

// trial collects the confirmations of this member's own end.
type trial struct {
	accusers []ID          // who confirmed it.
	next     time.Duration // no questions before.
}

// condemned records that member by has confirmed this member's end, and reports whether the confirmations are enough.
func (m *Machine) condemned(by ID) bool {
	if !slices.Contains(m.trial.accusers, by) {
		m.trial.accusers = append(m.trial.accusers, by)
	}
	others := m.states[Alive] + m.states[Suspect]
	return len(m.trial.accusers) >= min(others/2+1, confirmMax)
}

// doubtClash asks at an address whether another process has this member's ID there. One question is open at a time: a
// process that is really there will be heard of again.
func (m *Machine) doubtClash(now time.Duration, at string, out *Output) {
	if !slices.ContainsFunc(m.doubts, func(d doubt) bool { return d.clash }) {
		m.counters.Doubts++
		m.open(now, doubt{id: m.self.ID, to: at, clash: true}, out)
	}
}

// testifyClash takes in what a process with this member's ID says of itself: it may be this one.
func (m *Machine) testifyClash(r *rumour, at string) {
	if r.id == m.self.ID && (r.born != m.self.Born || string(r.addr) != m.self.Addr ||
		lifeOf(r.incarnation) != lifeOf(m.self.Incarnation)) {
		claim := r.member()
		claim.Addr = at
		m.noteClash(claim)
	}
}

// question asks at an address for the line of a member, unless the same question is under way.
func (m *Machine) question(now time.Duration, id ID, to string, out *Output) {
	for i := range m.doubts {
		if d := &m.doubts[i]; d.id == id && d.to == to && !d.clash {
			return
		}
	}
	m.open(now, doubt{id: id, to: to}, out)
}

// open asks for the first time.
func (m *Machine) open(now time.Duration, d doubt, out *Output) {
	if len(m.doubts) == doubtsMax {
		m.doubts = slices.Delete(m.doubts, 0, 1)
	}
	d.nonce, d.next = m.nonce(), now
	m.doubts = append(m.doubts, d)
	m.askAgain(now, &m.doubts[len(m.doubts)-1], out)
}

func (m *Machine) askAgain(now time.Duration, d *doubt, out *Output) {
	d.tries++
	d.next = now + m.cfg.ProbeTimeout
	m.sendLine(kindAsk, d.id, d.nonce, &m.self, 0, d.to, out)
}

// nonce draws a number that no other process can know.
func (m *Machine) nonce() uint64 { return max(m.rng.Uint64(), 1) }

// tickDoubts repeats unanswered questions, and forgets those that were repeated often enough.
func (m *Machine) tickDoubts(now time.Duration, out *Output) {
	for i := 0; i < len(m.doubts); {
		d := &m.doubts[i]
		switch {
		case d.next > now:
		case d.tries == doubtTriesMax:
			m.doubts = slices.Delete(m.doubts, i, i+1)
			continue
		default:
			m.askAgain(now, d, out)
		}
		i++
	}
}

// sendLine sends a question with this member's own line, or an answer with the line that was asked for.
func (m *Machine) sendLine(kind byte, id ID, nonce uint64, line *Member, accuser ID, to string, out *Output) {
	b := appendDatagramHeader(m.buf[:0], kind, m.self.ID, id, nonce)
	b = appendEntry(append(b, 1), line, accuser)
	m.buf = b
	out.Sends = append(out.Sends, Send{Stream: true, To: to, Data: slices.Clone(b)})
}

// streamLine takes in a question or an answer.
func (m *Machine) streamLine(now time.Duration, by Speaker, data []byte, out *Output) error {
	in := &m.in
	if err := in.decodeLine(data); err != nil {
		return err
	}
	if err := by.vet(in); err != nil {
		return err
	}
	m.now = now
	r := &in.rumours[0]
	if in.kind == kindAsk {
		line, accuser := m.line(in.target)
		if in.target == m.self.ID && !m.vouching.announced {
			m.vouching.withhold(r, in.seq)
			line = nil
		}
		if line != nil && in.sender == r.id {
			m.sendLine(kindAnswer, in.target, in.seq, line, accuser, string(r.addr), out)
		}
		if in.sender == r.id && in.sender != m.self.ID {
			m.learn(now, r, in.sender, hearsay, out)
		}
		return nil
	}
	i := slices.IndexFunc(m.doubts, func(d doubt) bool {
		return d.nonce == in.seq && d.id == r.id && in.target == r.id
	})
	if i < 0 {
		return nil // asked too long ago, or never.
	}
	d := m.doubts[i]
	m.doubts = slices.Delete(m.doubts, i, i+1)
	if d.clash {
		m.testifyClash(r, d.to)
		return nil
	}
	if r.id == m.self.ID {
		m.testify(in.sender, r)
	}
	m.learn(now, r, in.sender, answer, out)
	return nil
}

// request returns the number for a request for a table, whose answer will be believed.
func (m *Machine) request() uint64 {
	if len(m.asked) == askedMax {
		m.asked = slices.Delete(m.asked, 0, 1)
	}
	n := m.nonce()
	m.asked = append(m.asked, n)
	return n
}

// solicited reports whether a table answers a request of ours, once.
func (m *Machine) solicited(in *packet) bool {
	i := slices.Index(m.asked, in.seq)
	if in.kind != kindResponse || i < 0 {
		return false
	}
	m.asked = slices.Delete(m.asked, i, i+1)
	return true
}

// Announce lets the other members believe that this member is in a new run. Until then it does not answer what would
// make them forget the former run: this member may be an older copy of that run. In its first run it has no former one,
// and is announced from the start.
func (m *Machine) Announce(out *Output) {
	v := &m.vouching
	if !v.announced && !v.done {
		m.self.Incarnation = RunOf(m.self.Incarnation) << runShift
		m.spread(m.self.ID)
	}
	v.announced = true
	for _, q := range v.withheld {
		m.sendLine(kindAnswer, m.self.ID, q.nonce, &m.self, 0, q.to, out)
	}
	v.withheld = nil
}

// face is this member's line for an answer to a request for the table.
func (m *Machine) face() Member {
	self := m.self
	if !m.vouching.announced {
		self.Incarnation = 0
	}
	return self
}

// tickVouching asks members that are alive; the others are dialled, and their tables answer the question as well.
func (m *Machine) tickVouching(now time.Duration, out *Output) {
	v := &m.vouching
	if !v.asks() || now < v.askAt {
		return
	}
	v.askAt = now + vouchInterval
	if v.announced {
		v.askAt = now + vouchSeldom
	}
	for _, p := range m.choose(vouchersMax, Suspect, nil) {
		m.question(now, m.self.ID, p.Addr, out)
	}
}

// askReturned asks a member that has just been met, or has come back.
func (m *Machine) askReturned(now time.Duration, p *peer, out *Output) {
	if m.vouching.asks() && p.takesPart() {
		m.question(now, m.self.ID, p.Addr, out)
	}
}

// testify records another member's line about this member: see Vouched.
func (m *Machine) testify(teller ID, r *rumour) {
	m.vouching.take(teller, m.find(teller) != nil, r, m.self.Incarnation, m.size()-1+m.states[Dead])
}

// Vouched reports whether another member has confirmed, in this run, that this one is still a member. If none has,
// otherRun is the number of another run of this member, this one's or higher, that the others remember: then this
// member's data is an older copy. Zero: there is none.
func (m *Machine) Vouched() (ok bool, otherRun uint64) {
	if m.vouching.done {
		return true, 0
	}
	return false, m.vouching.outdated
}

// Heard reports whether another member has said, in this run, which run of this one it remembers, if any.
func (m *Machine) Heard() bool { return m.vouching.heard }
