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

	// lifeShift leaves room for the times a member refutes rumours during a run, runShift for the salt of the run above
	// that.
	lifeShift = 20
	runShift  = 40
	// runsAheadMax is how many runs a member can be ahead of its line in the table. A larger number is damage.
	runsAheadMax = 1 << 20
	// refutesMax bounds the refutations counted in the incarnation of an accusation. A larger number is damage: else
	// one forged accusation could use up all the incarnations that the member has for refuting.
	refutesMax = 1 << (lifeShift - 1)
)

// FirstIncarnation is what a member begins its n-th run with: above all incarnations of the former ones. The salt, of
// which the lower 20 bits count, is drawn at each start: it distinguishes two runs of the same number. There are two
// when a member was restored from a copy of its data folder that was made while it was stopped.
func FirstIncarnation(run uint64, salt uint32) uint64 {
	return run<<runShift | uint64(salt)<<lifeShift&(1<<runShift-1)
}

// RunOf is the number of the run of a member in one of its incarnations.
func RunOf(incarnation uint64) uint64 { return incarnation >> runShift }

// lifeOf names a run: its number and its salt.
func lifeOf(incarnation uint64) uint64 { return incarnation >> lifeShift }

// SameLife reports whether two incarnations are of the same run of a member.
func SameLife(a, b uint64) bool { return lifeOf(a) == lifeOf(b) }

// absurd reports whether no member can have claimed r about a member whose known incarnation is held.
func absurd(r *rumour, held uint64) bool {
	accused := r.state == Suspect || r.state == Dead
	return RunOf(r.incarnation) > RunOf(held)+runsAheadMax ||
		accused && r.incarnation > held && r.incarnation&(1<<lifeShift-1) >= refutesMax
}

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
		if in.target == m.self.ID && !m.announced {
			m.withhold(r, in.seq)
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

// withheld is a question about this member that it does not answer yet: see Announce.
type withheld struct {
	to    string
	nonce uint64
}

// withheldMax bounds the withheld questions: the others ask again.
const withheldMax = 16

func (m *Machine) withhold(asker *rumour, nonce uint64) {
	if len(m.withheld) < withheldMax {
		m.withheld = append(m.withheld, withheld{string(asker.addr), nonce})
	}
}

// Announce lets the other members believe that this member is in a new run. Until then it does not answer what would
// make them forget the former run: this member may be an older copy of that run. In its first run it has no former one,
// and is announced from the start.
func (m *Machine) Announce(out *Output) {
	m.announced = true
	for _, q := range m.withheld {
		m.sendLine(kindAnswer, m.self.ID, q.nonce, &m.self, 0, q.to, out)
	}
	m.withheld = nil
}

// face is this member's line for an answer to a request for the table.
func (m *Machine) face() Member {
	self := m.self
	if !m.announced {
		self.Incarnation = 0
	}
	return self
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

// testify records another member's line about this member, at the start of a run: see Vouched. A member that has just
// started itself knows this one from its disk, and remembers no run of it. That is enough when most say so.
func (m *Machine) testify(teller ID, r *rumour) {
	switch {
	case m.vouched || m.outdated != 0 || r.state.Gone() || absurd(r, m.self.Incarnation):
	case r.incarnation == 0:
		if i, told := slices.BinarySearch(m.forgetful, teller); !told && m.find(teller) != nil {
			m.forgetful = slices.Insert(m.forgetful, i, teller)
		}
		others := m.size() - 1 + m.states[Dead]
		m.vouched = len(m.forgetful) > others/2
	case RunOf(r.incarnation) > RunOf(m.self.Incarnation),
		RunOf(r.incarnation) == RunOf(m.self.Incarnation) && lifeOf(r.incarnation) != lifeOf(m.self.Incarnation):
		m.outdated = RunOf(r.incarnation)
	default:
		m.vouched = true
	}
}

// Vouched reports whether another member has confirmed, in this run, that this one is still a member. If none has,
// otherRun is the number of another run of this member, this one's or higher, that the others remember: then this
// member's data is an older copy. Zero: there is none.
func (m *Machine) Vouched() (ok bool, otherRun uint64) {
	if m.vouched {
		return true, 0
	}
	return false, m.outdated
}
