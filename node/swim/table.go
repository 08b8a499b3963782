package swim

import (
	"cmp"
	"slices"
	"time"
)

// peer is another member: its line in the table, and what this machine keeps beside it.
type peer struct {
	Member
	suspicion *suspicion    // while suspect; else nil: in a large table nearly all are.
	changed   time.Duration // when its line changed last.
	dialled   time.Duration // when it was dialled last while dead; see contact.
}

// takesPart reports whether p is probed, and gets questions and rumours.
func (p *peer) takesPart() bool { return p.State == Alive || p.State == Suspect }

func (m *Machine) index(id ID) (int, bool) {
	return slices.BinarySearchFunc(m.peers, id, func(p *peer, id ID) int { return cmp.Compare(p.ID, id) })
}

func (m *Machine) find(id ID) *peer {
	if i, ok := m.index(id); ok {
		return m.peers[i]
	}
	return nil
}

// supersedes orders all rumours about one member, so that members that receive the same rumours agree: positive when r
// wins over what is held, zero when they say the same. A higher incarnation wins; within one incarnation a worse state
// wins (SWIM, section 4.2: suspect over alive, dead over suspect; only the member itself can say the opposite, with a
// higher incarnation). Members that left or were removed are gone whatever the incarnation: see removal.go.
//
// SWIM lets "dead" win over any incarnation, because its dead never return. Ours do: a restarted or reconnected member
// announces itself with a higher incarnation.
//
// Two rumours of equal incarnation and state that differ otherwise come from two processes with one ID. Any order will
// do if all members use it.
func supersedes(r *rumour, state State, held *Member) int {
	if state.Gone() || held.State.Gone() {
		if c := supersedesGone(r, state, held); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(r.incarnation, held.Incarnation); c != 0 {
		return c
	}
	if c := cmp.Compare(state, held.State); c != 0 {
		return c
	}
	if c := cmp.Compare(r.born, held.Born); c != 0 {
		return c
	}
	if c := compareText(r.addr, held.Addr); c != 0 {
		return c
	}
	return compareText(r.name, held.Name)
}

// compareText compares without making a string of b.
func compareText(b []byte, s string) int {
	switch {
	case string(b) == s:
		return 0
	case string(b) < s:
		return -1
	}
	return 1
}

// source is the way by which a rumour came.
type source uint8

const (
	gossip  source = iota // on the back of a probe.
	hearsay               // in an unsolicited message over a stream.
	answer                // in an answer to this member's own question: see doubt.go.
)

// believed reports whether a rumour from this source is accepted without a question, whatever its claim.
func (s source) believed() bool { return s >= answer }

// whole reports whether a rumour from this source may be a line of a whole table.
func (s source) whole() bool { return s == hearsay || s == answer }

// learn takes in a rumour from member teller. A death in a whole table counts as a suspicion only: after a partition
// each side believes the other dead, and healthy members must get the time to refute before members that see them alive
// declare them dead.
func (m *Machine) learn(now time.Duration, r *rumour, teller ID, by source, out *Output) {
	if r.id == m.self.ID {
		m.hearOfSelf(now, r, teller, by, out)
		return
	}
	p := m.find(r.id)
	state, accuser := r.state, r.accuser
	held := Member{}
	if p != nil {
		held = p.Member
		if by.whole() && state == Dead && p.takesPart() {
			state, accuser = Suspect, teller
		}
	}
	switch c := supersedes(r, state, &held); {
	case p != nil && m.cfg.NamesFixed && renames(r, p):
		m.counters.Renamed++
	case absurd(r, held.Incarnation):
		m.counters.Absurd++
	case (p == nil || c > 0) && !by.believed() && doubtful(r, p):
		m.doubt(now, r, teller, out)
	case p == nil:
		m.admit(now, r, out)
	case c > 0:
		m.update(now, p, r, state, accuser, out)
	case c == 0 && state == Suspect:
		m.confirm(p, accuser)
	}
}

// admit makes a line for a new member.
func (m *Machine) admit(now time.Duration, r *rumour, out *Output) {
	if len(m.peers)+1 >= m.cfg.MembersMax && !m.forget(r.state) {
		m.counters.TableFull++
		return
	}
	p := &peer{Member: r.member(), changed: now, dialled: never}
	i, _ := m.index(p.ID)
	m.peers = slices.Insert(m.peers, i, p)
	m.states[p.State]++
	m.list(p)
	if p.State == Suspect {
		m.suspect(now, p, r.accuser)
	}
	if p.takesPart() {
		m.addToOrder(p.ID)
	}
	m.spread(p.ID)
	m.askReturned(now, p, out)
	out.Events = append(out.Events, Event{Member: p.Member, Was: p.State, New: true})
}

// forget makes room for a newcomer that takes part: the member that has been gone for longest is forgotten. A member
// that may return is never forgotten.
func (m *Machine) forget(newcomer State) bool {
	oldest := -1
	for i, p := range m.peers {
		if p.State.Gone() && (oldest < 0 || p.changed < m.peers[oldest].changed) {
			oldest = i
		}
	}
	if oldest < 0 || newcomer >= Dead {
		return false
	}
	id, state := m.peers[oldest].ID, m.peers[oldest].State
	m.peers = slices.Delete(m.peers, oldest, oldest+1)
	m.rumours = slices.DeleteFunc(m.rumours, func(r told) bool { return r.id == id })
	m.order = slices.DeleteFunc(m.order[m.ordered:], func(o ID) bool { return o == id })
	m.ordered = 0
	m.states[state]--
	return true
}

// update changes p's line to what r says, in the given state.
func (m *Machine) update(now time.Duration, p *peer, r *rumour, state State, accuser ID, out *Output) {
	was, wasIncarnation, wasGone := p.State, p.Incarnation, p.GoneAt
	face := p.Born != r.born || string(r.addr) != p.Addr || string(r.name) != p.Name
	if face { // strings are made only when they changed: rumours come by the million.
		p.Born, p.Addr, p.Name = r.born, string(r.addr), string(r.name)
	}
	p.Incarnation, p.GoneAt = r.incarnation, r.goneAt
	m.setState(now, p, state)
	if state == Suspect && (was != Suspect || wasIncarnation != p.Incarnation) {
		m.suspect(now, p, accuser)
	}
	m.spread(p.ID)
	if was > Suspect {
		m.askReturned(now, p, out)
	}
	if face || was != state || wasGone != p.GoneAt {
		out.Events = append(out.Events, Event{Member: p.Member, Was: was})
	}
}

// accuse changes p's state by this member's own observation.
func (m *Machine) accuse(now time.Duration, p *peer, state State, out *Output) {
	was := p.State
	m.setState(now, p, state)
	if state == Suspect {
		m.suspect(now, p, m.self.ID)
	}
	m.spread(p.ID)
	out.Events = append(out.Events, Event{Member: p.Member, Was: was})
}

func (m *Machine) setState(now time.Duration, p *peer, state State) {
	if p.State == state {
		return
	}
	if !p.takesPart() && state <= Suspect {
		m.addToOrder(p.ID)
	}
	m.states[p.State]--
	invariant(m.states[p.State] >= 0, "more peers changed state than there are", int(p.State), int(state))
	m.states[state]++
	p.State, p.changed = state, now
	m.list(p)
	if state == Dead {
		p.dialled = never
	}
}

// hearOfSelf compares a rumour about this member with the truth, and refutes it with a higher incarnation. It also
// refutes a rumour of death, and a rumour with a higher incarnation than this member's, left over from a run that this
// one does not remember.
func (m *Machine) hearOfSelf(now time.Duration, r *rumour, teller ID, by source, out *Output) {
	if r.state.Gone() || m.self.State.Gone() {
		switch {
		case r.state <= m.self.State:
		case !by.believed():
			m.doubtOwnEnd(now, teller, out)
		case m.condemned(teller):
			m.retire(r.state, r.goneAt, out)
		}
		return
	}
	if absurd(r, m.self.Incarnation) {
		m.counters.Absurd++
		return
	}
	if m.vouching.outdated != 0 {
		return // there is nothing to refute: the rumour is true.
	}
	if lifeOf(r.incarnation) > lifeOf(m.self.Incarnation) && !by.believed() {
		if p := m.find(teller); p != nil {
			m.question(now, m.self.ID, p.Addr, out)
		}
		return
	}
	stranger := r.born != m.self.Born || (r.incarnation >= m.self.Incarnation && string(r.addr) != m.self.Addr)
	switch {
	case stranger && by.believed():
		m.noteClash(r.member())
	case stranger:
		m.doubtClash(now, string(r.addr), out)
	}
	if r.incarnation < m.self.Incarnation || r.incarnation >= incarnationMax {
		return // stale, or there is no higher incarnation.
	}
	same := string(r.name) == m.self.Name && !stranger
	if r.incarnation == m.self.Incarnation && r.state <= m.self.State && same {
		return
	}
	if stranger {
		if now < m.clashAt {
			return // two processes with one ID must not outbid each other at the speed of the network.
		}
		m.clashAt = now + m.cfg.PushPullInterval
	}
	if r.state == Suspect {
		m.worsen(1)
	}
	m.self.Incarnation = r.incarnation + 1
	m.counters.Refutes++
	m.spread(m.self.ID)
}

func (m *Machine) noteClash(claim Member) {
	m.counters.Clashes++
	m.clash = claim
}
