package swim

import (
	"slices"
	"time"
)

// What one message says about a member can be forged, or damaged: a datagram proves nothing about its sender. Most of it does no
// lasting harm, because the member itself refutes it. Five claims are another matter, and are believed only when they come in an
// answer to a question of ours, which carries a number that nobody can guess and goes to an address that we know:
//
//   - that a member has left or was removed, which is for good;
//   - that there is a member of whom we have not heard yet: else a stranger could fill up the table;
//   - that a member which lives, or claims to live, is at another address: else a stranger could have everything sent to himself;
//   - that a member has begun another run, or, of this member itself, anything about a run that it does not know of;
//   - that another process has this member's ID.
//
// Whoever hears one of them by other ways asks: of an address or a life, the member itself, there; of an end, the member that told it. A
// member that tells it has asked before it believed it, and so on back to the member at which a person gave the order. That this
// member itself is gone has to be confirmed by more than half of those that it takes for alive, or by three; until then it goes on.
//
// Answers to push-pull requests are answers to questions too, so members that restart or were cut off learn as fast as ever.
// Whoever can read what members say to each other, or answers at a member's address, can still lie: against those there is TLS.
// Members of older versions drop the question; what they tell is believed with the next exchange of tables.
type doubt struct {
	id    ID     // whom it is about,
	to    string // and the address that was asked.
	clash bool   // whether another process with this member's ID answers there.
	nonce uint64
	next  time.Duration // when it is asked again.
	tries int
}

const (
	doubtsMax     = 64 // questions open; one more takes the place of the oldest.
	doubtTriesMax = 4  // then the claim is forgotten: whoever means it will say it again.
	askedMax      = 64 // requests for tables whose answers count; one more takes the place of the oldest.
	// vouchPatience is how long a member that starts again waits for another one's word before it tells of its new run.
	vouchPatience = 5 * time.Second
	confirmMax    = 3 // members whose word ends one's own membership, in a large cluster.

	// lifeShift leaves room for the times a member refutes rumours during a run, runShift for the salt of the run above
	// that.
	lifeShift = 20
	runShift  = 40
	// runsAheadMax is how many runs a member can be ahead of what is known of it. More is damage.
	runsAheadMax = 1 << 20
	// refutesMax is how often a member may have refuted before it is accused of silence. More is damage: else one
	// forged accusation could use up all the numbers that it has for refuting.
	refutesMax = 1 << (lifeShift - 1)
)

// FirstIncarnation is what a member begins its n-th run with: above all incarnations of the former ones. The salt, of
// which the lower 20 bits count, is drawn at each start: it tells the run apart from another one of the same number,
// which there is when the member was put back on a copy of its data folder that was made while it was stopped.
func FirstIncarnation(run uint64, salt uint32) uint64 {
	return run<<runShift | uint64(salt)<<lifeShift&(1<<runShift-1)
}

func runOf(incarnation uint64) uint64 { return incarnation >> runShift }

// lifeOf names a run: its number and its salt.
func lifeOf(incarnation uint64) uint64 { return incarnation >> lifeShift }

// absurd reports whether no member can have said this about one whose incarnation is known to be held.
func absurd(r *rumour, held uint64) bool {
	accused := r.state == Suspect || r.state == Dead
	return runOf(r.incarnation) > runOf(held)+runsAheadMax ||
		accused && r.incarnation > held && r.incarnation&(1<<lifeShift-1) >= refutesMax
}

// doubtful reports whether a claim that supersedes what is held of p has to be asked about; p is nil for a stranger.
func doubtful(r *rumour, p *peer) bool {
	switch {
	case p == nil || r.state.Gone():
		return true
	case lifeOf(r.incarnation) > lifeOf(p.Incarnation):
		return true
	}
	return string(r.addr) != p.Addr && (p.takesPart() || r.state <= Suspect)
}

// doubt asks about a claim that teller made.
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

// doubtOwnEnd asks those who may know whether this member's membership has ended.
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

// trial is what this member has heard of its own end.
type trial struct {
	accusers []ID          // who confirmed it.
	next     time.Duration // no questions before.
}

// condemned takes note that a member confirmed this one's end, and reports whether that is enough.
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

// question asks at an address for the line of a member, unless that is under way.
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

// nonce is a number that nobody else can know.
func (m *Machine) nonce() uint64 { return max(m.rng.Uint64(), 1) }

// tickDoubts asks again what has not been answered, and forgets what never is.
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

// sendLine sends a question with the own line, or an answer with the one that was asked for.
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
		if in.target == m.self.ID && m.withholds(now) {
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
	i := slices.IndexFunc(m.doubts, func(d doubt) bool { return d.nonce == in.seq && d.id == r.id && in.target == r.id })
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
		m.testify(now, r)
	}
	m.learn(now, r, in.sender, answer, out)
	m.answerWithheld(now, out)
	return nil
}

// withheld is a question about this member itself that it does not answer yet: else the others would forget the run
// that this one may be an older copy of.
type withheld struct {
	to    string
	nonce uint64
}

// withheldMax bounds them: the others ask again.
const withheldMax = 16

// withholds reports whether this member does not tell of its new run yet.
func (m *Machine) withholds(now time.Duration) bool {
	return !m.vouched && (m.outdated != 0 || now-m.born < vouchPatience)
}

func (m *Machine) withhold(asker *rumour, nonce uint64) {
	if len(m.withheld) < withheldMax {
		m.withheld = append(m.withheld, withheld{string(asker.addr), nonce})
	}
}

// answerWithheld answers them once another member has vouched for this one.
func (m *Machine) answerWithheld(now time.Duration, out *Output) {
	if len(m.withheld) == 0 || m.withholds(now) {
		return
	}
	for _, q := range m.withheld {
		m.sendLine(kindAnswer, m.self.ID, q.nonce, &m.self, 0, q.to, out)
	}
	m.withheld = nil
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

// testify takes note of what another member holds of this one, at the start of a run: see Vouched.
func (m *Machine) testify(now time.Duration, r *rumour) {
	switch {
	case m.vouched || m.outdated != 0 || r.state.Gone() || absurd(r, m.self.Incarnation):
	case runOf(r.incarnation) > runOf(m.self.Incarnation),
		runOf(r.incarnation) == runOf(m.self.Incarnation) && lifeOf(r.incarnation) != lifeOf(m.self.Incarnation):
		m.outdated = runOf(r.incarnation)
	default:
		m.vouched = true
	}
}

// Vouched reports whether another member has confirmed, in this run, that this one is a member still; and, when it has
// not, which other run of this member, not before this one, the others remember: its data is an older copy then.
func (m *Machine) Vouched() (ok bool, otherRun uint64) {
	if m.vouched {
		return true, 0
	}
	return false, m.outdated
}
