package register

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// What became of a write whose ACCEPT was overtaken. A PREPARE finds a record of another proposer, which may have come
// from the one that the ACCEPT carried, or not. That proposer knows: with each ballot it remembers the record that it
// followed. So records are followed back, from proposer to proposer, until a ballot shows that is the operation's own,
// or one below all of them. What a record has come from never changes, and nothing more rests on it: that the record
// that was found is chosen, and with it all it has come from and nothing else, is up to the round that asks. Not before
// that round is through may its operation be answered, or run by another member.
//
// Only other proposers matter, so of ballots in a row of one proposer, each on the record of the one before, none but
// the first is kept: a stretch. All is in memory: it is gone after a restart, or when the path was not used for long.

const (
	descentBytes = 100 // about what one takes besides its path and its stretches.
	stretchBytes = 96
	sentMax      = 16  // attempts of one operation whose ballots are known.
	stepsMax     = 256 // from proposer to proposer.
	asksMax      = 16  // of one exchange.
)

// trace finds out what the record that a PREPARE of o has found has come from. Where that is not known, ask is the
// ballot whose proposer may know; zero: none does.
func (m *Machine) trace(o *operation, found *Joined) (d Descent, ask slot.Ballot) {
	switch {
	case len(o.Sent) == 0 || len(o.Sent) > sentMax, found.Current.TS < o.First, !found.bare(),
		schema.IsConfigPath(o.Request.Path):
		return DescentUnknown, ask
	}
	known, at := m.descents.Get(o.Request.Path), found.Consensus.Ballot
	for range stepsMax {
		switch i := slices.Index(o.Sent, at); {
		case i >= 0:
			o.in = i
			return DescentIn, ask
		case at.Member == 0 && (at.TS >= o.First || at.Epoch != o.Sent[0].Epoch):
			return DescentUnknown, ask // its tombstone may have been collected.
		case at.Compare(o.Sent[0]) < 0:
			return DescentOut, ask
		}
		s := known.find(at, m.Self)
		switch {
		case s == nil && at.Member == m.Self:
			return DescentUnknown, ask
		case s == nil:
			return DescentUnknown, at
		}
		at = s.end(o.Sent, at)
	}
	return DescentUnknown, slot.Ballot{}
}

// bare reports whether what shows is the record under Consensus. A tombstone of another level above it may have been
// above its successors too, and have been collected with them.
func (j *Joined) bare() bool {
	return j.Consensus.Accepted() && j.Consensus.Record.Version() == j.Current.Version()
}

// follow is the ballot of the record that o's own follows, if j is what its PREPARE has found. Where there is nothing
// it is one without a member, of this member's fence: had there been a record above that, it would be held here, as no
// tombstone goes before each member holds it. Zero: it cannot be told.
func (m *Machine) follow(o *operation, j *Joined) slot.Ballot {
	counted := slices.ContainsFunc(o.answers, func(a Seen) bool { return a.Voter == m.Self })
	switch {
	case j.bare():
		return j.Consensus.Ballot
	case counted && !j.Current.Exists() && !j.Consensus.Accepted():
		return slot.Ballot{Epoch: o.Ballot.Epoch, TS: m.owner.Fence()}
	}
	return slot.Ballot{}
}

// descend notes which record the one follows that o's ACCEPT carries.
func (m *Machine) descend(o *operation) {
	path := o.Request.Path
	switch {
	case schema.IsConfigPath(path):
		return
	case m.OnlyVoter() && len(m.Peers) == 0: // it has no rivals.
		if m.descents.Len() > 0 {
			m.descents.Drop(path)
		}
		return
	}
	if o.follows.IsZero() {
		m.descents.Drop(path)
		return
	}
	known := m.descents.Get(path)
	next := stretch{from: o.Ballot, before: o.follows, upTo: o.Ballot}
	if o.follows.Member == m.Self {
		switch s := known.find(o.follows, m.Self); {
		case s == nil:
			m.descents.Drop(path) // what is known does not hold for it.
			return
		case s == &known.own[len(known.own)-1] && s.upTo == o.follows:
			s.upTo = o.Ballot
			return
		default: // what was sent since did not get in.
			next.before, next.after = s.before, o.follows
		}
	}
	m.keepDescent(path, known, func(d *descent) { d.own = keepStretch(d.own, next) })
}

func (m *Machine) keepDescent(path string, known *descent, change func(*descent)) {
	var d descent
	if known != nil {
		d = *known
	}
	change(&d)
	m.descents.Put(path, d, descentBytes+stretchBytes*(len(d.own)+len(d.told)))
}

// askDescent asks the proposer of a record what it has come from, and reports whether there is anything to wait for.
// One that leaves a question open is not asked for a while, unless its answer comes: the path waits for each question,
// and a member of an older version answers none.
func (m *Machine) askDescent(o *operation, b slot.Ballot) bool {
	p := m.Peer(b.Member)
	switch {
	case b.IsZero() || p == nil || p.Dead():
		return false
	case m.Now.Mono-o.began >= m.Tuning.AckTimeout:
		if o.asked == b && !o.told {
			m.routes.Of(p).untold = m.Now.Mono + muteMax
		}
		return false
	case o.asked == b:
		return !o.told
	case o.asks == asksMax || m.Now.Mono < m.routes.Of(p).untold:
		return false
	}
	o.asks++
	o.asked, o.told = b, false
	m.sendDescent(o, p)
	return true
}

// sendDescent sends the question, also again.
func (m *Machine) sendDescent(o *operation, to *step.Peer) {
	q := wire.Descent{Round: o.round, Path: o.Request.Path, Ballot: o.asked, Above: o.Sent[0]}
	m.Send(contract.TransportFrame, to.Addr, m.InForceAfter, m.Frame(wire.KindDescent, &q))
}
