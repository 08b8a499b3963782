package swim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Machine is one member's view of the cluster. It is not safe for concurrent use. Time handed in must never go
// backwards.
type Machine struct {
	cfg      Config
	rng      *rand.Rand
	self     Member
	counters Counters
	health   int           // the local health score; zero is well.
	now      time.Duration // of the last call,
	born     time.Duration // and of New.
	clash    Member        // the last process that has this member's ID; ID zero: none.
	seq      uint64        // of the last question asked.

	peers    []*peer         // every other member, sorted by ID.
	suspects []*peer         // those of them in that state, sorted by ID.
	states   [stateCount]int // how many peers are in each state.

	probeAt   time.Duration // next round of probing.
	probe     probe
	order     []ID // the members to probe in this turn, shuffled; probed from ordered on.
	ordered   int
	relays    []relay // ring of probes made for others.
	relayNext int
	nacksDue  int // relays whose nack has not been sent yet.

	rumours   []told // what to gossip; sorted when something is sent.
	rumourSeq uint64
	crowded   bool // the last datagram had no room for all that was due.

	exchangeAt time.Duration // next push-pull with a random member.
	joined     bool          // a member has answered a push-pull.
	dialAt     time.Duration // next round of dialling dead members and contacts.
	dialRounds int           // since the start or the last Join.
	contacts   []contact

	doubts   []doubt  // questions about claims, in the order in which they were asked.
	asked    []uint64 // numbers of requests for tables.
	trial    trial
	vouching vouching

	clashAt time.Duration // the earliest time at which a clash is refuted again.
	leave   leave

	in     packet  `image:"-"` // reused: what is being read.
	buf    []byte  `image:"-"` // reused: what is being written.
	chosen []*peer `image:"-"` // reused.
}

// New returns a machine that knows only its seeds and Options.Known. Call Tick at once: it dials the seeds.
func New(o Options) (*Machine, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("membership options: %w", err)
	}
	m := &Machine{
		cfg: o.Config, rng: o.Rand, self: o.Self,
		// Sequence numbers begin at a random value, so that an answer to a former run is not taken for an answer to
		// this one.
		now: o.Now, born: o.Now, seq: uint64(o.Rand.Uint32()),
		// spread: members started together do not probe together.
		probeAt: o.Now + upTo(o.Rand, o.Config.ProbeInterval),
		dialAt:  o.Now,
	}
	m.exchangeAt = o.Now + m.jitter(o.Config.PushPullInterval)
	first := RunOf(m.self.Incarnation) <= 1 // no run was before it.
	m.vouching = vouching{done: first, announced: first, askAt: o.Now + vouchInterval, drawn: m.self.Incarnation}
	for _, a := range o.Seeds {
		m.addContact(a, 0)
	}
	for i := range o.Known {
		m.remember(&o.Known[i])
	}
	m.spread(m.self.ID)
	return m, nil
}

// remember puts a member of a former run into the table: dead, with incarnation zero, which every real rumour about it
// supersedes. So it is dialled, and members that never met it learn of it: all members must know every member that
// counts.
func (m *Machine) remember(k *Member) {
	if k.ID == m.self.ID && k.State.Gone() {
		m.retire(k.State, k.GoneAt, nil)
		return
	}
	if k.ID == m.self.ID || k.ID == 0 || k.State > Removed || k.Addr == "" || len(k.Addr) > textBytesMax ||
		len(k.Name) > textBytesMax {
		return
	}
	i, known := m.index(k.ID)
	if known || len(m.peers)+1 >= m.cfg.MembersMax {
		return
	}
	p := &peer{Member: *k, changed: m.now, dialled: never}
	if !p.State.Gone() {
		p.State, p.Incarnation, p.GoneAt = Dead, 0, 0
	}
	m.peers = slices.Insert(m.peers, i, p)
	m.states[p.State]++
	m.spread(p.ID)
}

// Tick does what is due. Calling it early is harmless.
func (m *Machine) Tick(now time.Duration, out *Output) {
	m.forgive(now)
	m.now = now
	m.sendNacks(now, out)
	m.tickDoubts(now, out)
	if m.leave.active {
		m.tickLeave(now, out)
		if m.probeAt <= now {
			m.probeAt = now + m.cfg.ProbeInterval // idle, but Next stays finite and ahead.
		}
		return
	}
	round := m.probeAt <= now
	if round {
		m.concludeProbe(now, out)
	}
	m.expireSuspicions(now, out) // after the verdict, which may be the last confirmation.
	if m.probe.indirectAt != 0 && m.probe.indirectAt <= now {
		m.probeIndirect(out)
	}
	if round {
		m.startProbe(now, out)
	}
	if m.exchangeAt <= now {
		m.exchange(now, out)
	}
	if m.dialAt <= now {
		m.dial(now, out)
	}
	m.tickVouching(now, out)
}

// Next is the monotonic time at which Tick is due. It is never in the far future: a machine always has something to do.
func (m *Machine) Next() time.Duration {
	at := m.probeAt
	if m.nacksDue > 0 {
		at = min(at, m.nextNack())
	}
	for i := range m.doubts {
		at = min(at, m.doubts[i].next)
	}
	if m.leave.active {
		if !m.leave.done {
			at = min(at, m.leave.at)
		}
		return at
	}
	if m.probe.indirectAt != 0 {
		at = min(at, m.probe.indirectAt)
	}
	at = min(at, m.exchangeAt, m.dialAt)
	if m.vouching.asks() {
		at = min(at, m.vouching.askAt)
	}
	for _, p := range m.suspects {
		at = min(at, p.suspicion.deadline)
	}
	return at
}

// Datagram takes in a datagram from address `from`. The data is only borrowed. An error wraps ErrMalformed; nothing has
// changed then.
func (m *Machine) Datagram(now time.Duration, from string, data []byte, out *Output) error {
	in := &m.in
	if err := in.decodeDatagram(data); err != nil {
		return err
	}
	m.now = now
	if in.sender == m.self.ID { // another process has this ID, or the sender is forged.
		m.doubtClash(now, from, out)
		return nil
	}
	m.hear(from, in, out)
	return nil
}

// hear takes in a message of the kinds that travel in datagrams, or over a stream when datagrams do not get through.
func (m *Machine) hear(from string, in *packet, out *Output) {
	for i := range in.rumours {
		m.learn(m.now, &in.rumours[i], in.sender, gossip, out)
	}
	switch in.kind {
	case kindPing, kindStreamPing:
		m.handlePing(from, in, out)
	case kindPingReq:
		m.handlePingReq(from, in, out)
	case kindAck, kindStreamAck:
		m.handleAck(in, out)
	case kindNack:
		m.handleNack(in)
	}
}

// Members returns the table, this member included, sorted by ID. The caller owns it.
func (m *Machine) Members() []Member { return m.AppendMembers(nil) }

// AppendMembers appends what Members returns to a slice.
func (m *Machine) AppendMembers(to []Member) []Member {
	to = slices.Grow(to, len(m.peers)+1)
	self, _ := m.index(m.self.ID)
	for i, p := range m.peers {
		if i == self {
			to = append(to, m.self)
		}
		to = append(to, p.Member)
	}
	if self == len(m.peers) {
		to = append(to, m.self)
	}
	return to
}

// Lookup finds a member by its ID; this member too.
func (m *Machine) Lookup(id ID) (Member, bool) {
	if id == m.self.ID {
		return m.self, true
	}
	if p := m.find(id); p != nil {
		return p.Member, true
	}
	return Member{}, false
}

// Since is the monotonic time at which a member's state changed last, as this machine saw it; at its start for those
// that it remembers from a former run.
func (m *Machine) Since(id ID) time.Duration {
	if p := m.find(id); p != nil {
		return p.changed
	}
	return m.born
}

// Self is this member's own line.
func (m *Machine) Self() Member { return m.self }

// Count says how many members are in state s, this member included.
func (m *Machine) Count(s State) int {
	n := m.states[s]
	if m.self.State == s {
		n++
	}
	return n
}

// Counters returns a copy of the counters.
func (m *Machine) Counters() Counters { return m.counters }

// Clash returns the last other process that has confirmed that it has this member's ID. This happens when a data
// folder was copied. The cluster then sees only one of the two at a time: the operator has to stop one and give it an
// empty folder.
func (m *Machine) Clash() (Member, bool) { return m.clash, m.clash.ID != 0 }

// forgive discards the evidence of silence after this member was itself paused: the answers to its probes may still
// wait to be read, and refutations did not reach it. A pause also raises the local health score.
func (m *Machine) forgive(now time.Duration) {
	late := now - m.Next()
	if late <= m.cfg.ProbeTimeout || m.leave.active {
		return
	}
	m.counters.LateTicks++
	m.worsen(1)
	m.probe = probe{}
	for _, p := range m.suspects {
		p.suspicion.since += late
		p.suspicion.deadline += late
	}
}

// size is the number of members that take part: all but the dead and those that left.
func (m *Machine) size() int { return 1 + m.states[Alive] + m.states[Suspect] }

// jitter returns d, give or take a quarter.
func (m *Machine) jitter(d time.Duration) time.Duration { return d - d/4 + upTo(m.rng, d/2) }

// upTo draws a duration from zero to d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d) + 1))
}

// nextSeq numbers a question. Zero is never used: it means that there is none.
func (m *Machine) nextSeq() uint64 {
	m.seq++
	return m.seq
}

// invariant stops a machine whose table can no longer be trusted: a member that gossips a wrong table harms all others.
func invariant(ok bool, message string, values ...int) {
	if !ok {
		// cloned, so that calls do not allocate.
		panic(fmt.Sprintf("swim: invariant broken: %s %v", message, slices.Clone(values)))
	}
}
