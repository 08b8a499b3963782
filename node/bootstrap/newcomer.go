package bootstrap

import (
	"time"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// A member with a new identity that joins others has none of their data. Until it has the data it is in ModeSyncing: it
// pulls the data of the others, the newest first, and then serves.
//
// The rule, for a node with a new identity that knows seeds:
//
//  1. It asks every member that it meets for its standing (hello). From one that serves it pulls: first a plan
//     (survey.go), then page after page, then it compares what both hold; from then on it is in step.
//  2. When no member serves, but as many members as are expected have been met and all are as empty as it is, the
//     cluster is new. Unless the file says how many there are, its seeds are among them: others may have data.
//  3. When no member that serves can be reached for Tuning.BootstrapWait (six times as long while it pulls, because
//     then it knows what it lacks), it serves what it has, logs that, and pulls as soon as it meets a member that
//     serves. An eventual store does not wait for dead members, so nodes wait for each other for a bounded time.
//
// A newcomer that insists (Insist) knows that the cluster has data: neither rule 2 nor rule 3 applies to it, and it
// pulls from members in step only.
//
// A first node, which has no seeds, serves at once, and so does a member that returns with its data: comparisons bring
// what it missed.
//
// Meanwhile it is a member like others: it gets new writes as all members do, so that none is lost between pages. Its
// copies count for a quorum write, whose record it has stored; but it answers no fetch, because it may be the successor
// of a member that acknowledged records which it does not hold yet.
//
// Its progress is a band of timestamps and a path (progress_codec.go), written in the same persist as the page: any
// server can continue where another one stopped, and so can this member after a restart.
type newcomer struct {
	phase   phase
	serving bool // it serves although its data is incomplete: rule 3.
	plan    wire.Bands
	cursor  cursor
	resumed bool   // it continues the bootstrap of a former run.
	insists string // why it serves nothing before it is in step; empty: it does not insist.

	server  slot.ID // the member from which it pulls; zero: none yet.
	seq     uint64
	tries   int                // questions without an answer.
	askAt   time.Duration      // when it asks, or asks again; zero: no time.
	helloAt time.Duration      // when members are asked for their standing.
	wait    step.Vigil         // when it is over it serves what it has, unless it finds a member that serves before.
	after   contract.PersistID // of the last page: the next page is asked for when this persist is durable.
	rounds  int                // comparisons at the end.

	bucket tokenBucket
	meter  rateMeter
	began  time.Duration
}

// phase is how far a bootstrap is.
type phase uint8

const (
	phaseDone      phase = iota // in step, or no bootstrap was needed.
	phaseWaiting                // it has no plan yet.
	phasePulling                // page after page.
	phaseComparing              // it has all pages, and compares to find what was written meanwhile.
)

var phaseNames = [...]string{"done", "waiting", "pulling", "comparing"}

// String prints the word used in status and logs.
func (p phase) String() string { return phaseNames[p] }

const (
	helloInterval = 500 * time.Millisecond
	askInterval   = time.Second

	durableInterval = 10 * time.Millisecond
	roundInterval   = 100 * time.Millisecond
	triesMax        = 3
	avoidFor        = 10 * time.Second // a server that fell silent is not the first choice for so long.
	waitLongerMult  = 6
	roundsMax       = 3 // comparisons at the end: under load some write is always in flight.
)

// standing is a peer's last answer about its own bootstrap, to a question of this run. An unsolicited hello may be old,
// meant for a former member at this address, or forged: its "empty" would let a newcomer take a running cluster for a
// new one. So such a hello only makes this member ask. Answers name the question, whose number is drawn for each peer,
// and the answer that was sealed last counts.
type standing struct {
	standing   wire.Standing // unknown while it is dead.
	question   uint64        // the number that answers repeat; zero: nothing was asked yet.
	stamp      wire.Stamp    // of the answer.
	avoidUntil time.Duration // it fell silent as the server of a bootstrap: other servers are preferred until then.
}

// Standing is the progress of this member as its hellos report it.
func (m *Machine) Standing() wire.Standing {
	b := &m.newcomer
	switch {
	case m.Complete():
		return wire.StandingReady
	case b.serving:
		return wire.StandingServing
	case b.phase == phaseWaiting && b.insists == "" && m.holdsNothing():
		return wire.StandingEmpty
	}
	return wire.StandingPulling // else others would take its cluster for a new one.
}

// due is the time of the next timer; zero: there is none.
func (b *newcomer) due() time.Duration {
	at := b.helloAt
	if b.phase == phaseDone {
		return at
	}
	if b.askAt != 0 && (at == 0 || b.askAt < at) {
		at = b.askAt
	}
	if due := b.wait.Due(); !b.serving && b.insists == "" && (at == 0 || due < at) {
		at = due
	}
	return at
}

// Begin is called for a node that has nothing and is about to meet others.
func (m *Machine) Begin() {
	m.newcomer = newcomer{phase: phaseWaiting}
	m.start()
	m.note()
}

// Insist makes a newcomer that is under way serve nothing before it is in step; why is shown to people, before the
// progress. It holds until the newcomer is in step, and has to be called again after a restart.
func (m *Machine) Insist(why string) {
	if !m.Complete() {
		m.newcomer.insists = why
	}
}

// takes reports whether a newcomer pulls from a member of this standing.
func (b *newcomer) takes(s wire.Standing) bool {
	return s == wire.StandingReady || s.Serves() && b.insists == ""
}

// start sets the timers of a bootstrap that is new or that a former run has begun.
func (m *Machine) start() {
	b := &m.newcomer
	now := m.Now.Mono
	b.began, b.helloAt = now, now+helloInterval
	b.bucket = tokenBucket{rate: m.Tuning.BootstrapRate, burst: m.Tuning.BootstrapPageBytes, at: now}
	m.extendWait()
	m.Log(contract.LogInfo, "bootstrap: this node serves clients when it has the data of the others",
		"phase", b.phase.String(),
		"keys", b.cursor.keys, "serving", b.serving)
}

// extendWait puts off the moment in which the node serves what it has: a member that serves has been found.
func (m *Machine) extendWait() {
	wait := m.Tuning.BootstrapWait
	if m.newcomer.phase == phasePulling {
		wait *= waitLongerMult
	}
	m.newcomer.wait = step.NewVigil(m.Now, wait, helloInterval)
}

// Joining is called when an operator tells the node to join others: with nothing stored it is a newcomer to them.
func (m *Machine) Joining() {
	if m.newcomer.phase == phaseDone && !m.owner.Founder() && m.holdsNothing() {
		m.Begin()
	}
}

func (m *Machine) holdsNothing() bool {
	if len(m.Overlay.ByPath) > 0 {
		return false
	}
	empty := true
	err := m.Store.Scan(schema.PrefixRecord, "", func(string, []byte) bool {
		empty = false
		return false
	})
	return err == nil && empty
}

func (m *Machine) tickNewcomer() {
	b := &m.newcomer
	now := m.Now.Mono
	if b.helloAt != 0 && now >= b.helloAt {
		m.helloRound()
	}
	if b.phase == phaseDone {
		return
	}
	if b.askAt != 0 && now >= b.askAt {
		m.askServer()
	}
	m.advance()
	if m.Syncing() && b.insists == "" && b.wait.Over(m.Now) {
		m.serveUnfinished()
	}
}

// helloRound asks members for their standing. A newcomer asks all that do not serve yet as far as it knows; other
// members ask the newcomers.
func (m *Machine) helloRound() {
	b := &m.newcomer
	b.helloAt = 0
	for _, p := range m.Peers {
		if p.Dead() || (m.Complete() && !m.standings.Of(p).standing.Absent()) {
			continue
		}
		b.helloAt = m.Now.Mono + helloInterval
		if m.Complete() {
			b.helloAt += 3 * helloInterval // nothing waits for it.
		}
		if m.standings.Of(p).standing != wire.StandingReady {
			m.hello(p, 0, m.questionTo(p), 0)
		}
	}
	if !m.Complete() && b.helloAt == 0 {
		b.helloAt = m.Now.Mono + helloInterval
	}
}

// tellStanding sends every member this one's new standing.
func (m *Machine) tellStanding() {
	for _, p := range m.Peers {
		if !p.Dead() {
			m.hello(p, m.NextPersist(), 0, 0)
		}
	}
}

// PeerChanged is called when a peer appears, returns or dies.
func (m *Machine) PeerChanged(p *step.Peer) {
	b := &m.newcomer
	if p.Dead() {
		m.standings.Of(p).standing = wire.StandingUnknown
		if b.server == p.ID {
			m.leaveServer("it is dead")
		}
		return
	}
	if !m.Complete() && m.standings.Of(p).standing == wire.StandingUnknown {
		m.hello(p, 0, m.questionTo(p), 0)
	}
}

// questionTo is the number of the question for a peer's standing.
func (m *Machine) questionTo(p *step.Peer) uint64 {
	s := m.standings.Of(p)
	if s.question == 0 {
		s.question = max(m.Rand.Uint64(), 1)
	}
	return s.question
}

// hello sends a peer this member's standing, once the persist `after` is durable; asks is the number of a question to
// the peer, answers that of the peer's question, or zero.
func (m *Machine) hello(to *step.Peer, after contract.PersistID, asks, answers uint64) {
	h := wire.Hello{Standing: m.Standing(), Asks: asks, Answers: answers}
	m.Send(contract.TransportFrame, to.Addr, after, m.Frame(wire.KindHello, &h))
}

// HandleHello answers a peer's question. It records the peer's standing if the hello answers a question; otherwise it
// asks the peer when its standing seems to have changed.
func (m *Machine) HandleHello(from *step.Peer, in *wire.Hello) error {
	s := m.standings.Of(from)
	answer := in.Answers != 0 && in.Answers == s.question
	asks := uint64(0)
	if !answer && in.Standing != s.standing {
		asks = m.questionTo(from)
	}
	if in.Asks != 0 || asks != 0 {
		m.hello(from, m.Persists, asks, in.Asks)
	}
	if !answer || m.InStamp < s.stamp {
		return nil
	}
	s.standing, s.stamp = in.Standing, m.InStamp
	b := &m.newcomer
	if m.Complete() {
		if in.Standing.Absent() && b.helloAt == 0 {
			b.helloAt = m.Now.Mono + 4*helloInterval
		}
		return nil
	}
	if in.Standing.Serves() {
		m.extendWait()
	} else if b.server == from.ID {
		m.leaveServer("it does not serve any more")
	}
	m.advance()
	return nil
}

// advance looks for a server, or ends the bootstrap when there is nothing to pull.
func (m *Machine) advance() {
	b := &m.newcomer
	if b.phase == phaseDone || b.server != 0 {
		return
	}
	if m.allEmpty() {
		m.Log(contract.LogInfo, "bootstrap: the cluster is new, all its members are empty",
			"members", m.owner.Expected())
		m.end()
		return
	}
	p := m.chooseServer()
	if p == nil {
		b.askAt = 0
		return
	}
	b.server, b.tries = p.ID, 0
	m.Log(contract.LogInfo, "bootstrap: pulling from a member", "member", p.ID.String(), "addr", p.Addr,
		"phase", b.phase.String(), "keys", b.cursor.keys)
	m.askServer()
}

// allEmpty is rule 2.
func (m *Machine) allEmpty() bool {
	if m.newcomer.phase != phaseWaiting || m.newcomer.serving || m.newcomer.insists != "" {
		return false
	}
	var empty []slot.ID
	for _, p := range m.Peers {
		switch {
		case p.Dead():
		case m.standings.Of(p).standing != wire.StandingEmpty:
			return false
		default:
			empty = append(empty, p.ID)
		}
	}
	return len(empty)+1 >= m.owner.Expected() && m.owner.SeedsAmong(empty)
}

// chooseServer draws one of the members that serve; members in step are preferred; members that were silent come last.
func (m *Machine) chooseServer() *step.Peer {
	var best *step.Peer
	bestRank, ties := 0, 0
	for _, p := range m.Peers {
		if p.State != swim.Alive || !m.newcomer.takes(m.standings.Of(p).standing) {
			continue
		}
		rank := 1
		if m.standings.Of(p).standing == wire.StandingReady {
			rank++
		}
		if m.Now.Mono >= m.standings.Of(p).avoidUntil {
			rank += 2
		}
		switch {
		case rank > bestRank:
			best, bestRank, ties = p, rank, 1
		case rank == bestRank:
			if ties++; m.Rand.IntN(ties) == 0 {
				best = p
			}
		}
	}
	return best
}

// leaveServer gives up the present server and looks for another one.
func (m *Machine) leaveServer(why string) {
	b := &m.newcomer
	if p := m.Peer(b.server); p != nil {
		m.standings.Of(p).avoidUntil = m.Now.Mono + avoidFor
	}
	m.Log(contract.LogWarn, "bootstrap: looking for another member to pull from", "member", b.server.String(),
		"why", why, "keys", b.cursor.keys)
	b.server, b.askAt = 0, 0
	m.advance()
}

// end makes the node a member like any other.
func (m *Machine) end() {
	b := &m.newcomer
	m.Log(contract.LogInfo, "bootstrap: done", "keys", b.cursor.keys, "bytes", b.cursor.bytes,
		"took", m.Now.Mono-b.began)
	m.newcomer = newcomer{helloAt: m.Now.Mono + helloInterval}
	m.Changes = append(m.Changes, contract.Change{Key: schema.KeyBootstrap})
	m.tellStanding()
}
