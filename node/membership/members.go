package membership

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/node/wire"
)

// Drain sends node/swim's messages and handles its events.
func (m *Machine) Drain() {
	for _, e := range m.out.Events {
		m.memberChanged(&e)
	}
	if m.Eff.Electorate != nil {
		m.owner.DecideAnew()
	}
	for _, s := range m.out.Sends {
		if s.Stream {
			m.Send(contract.TransportFrame, s.To, 0, m.Frame(wire.KindMemberTable, &wire.MemberTable{Swim: s.Data}))
			continue
		}
		gossip := wire.Gossip{Pulse: m.owner.Pulse(s.To), Swim: s.Data}
		m.Send(contract.TransportDatagram, s.To, 0, m.Frame(wire.KindGossip, &gossip))
	}
	clear(m.out.Sends)
	clear(m.out.Events)
	m.out.Sends, m.out.Events = m.out.Sends[:0], m.out.Events[:0]
}

func (m *Machine) memberChanged(e *swim.Event) {
	member := e.Member
	if member.ID == m.Self { // the others have ended its membership.
		m.retire()
		return
	}
	level := contract.LogInfo
	if member.State == swim.Suspect {
		level = contract.LogDebug
	}
	m.Log(level, "member "+member.State.String(), "member", member.Name, "id", member.ID.String(),
		"addr", member.Addr, "was", e.Was.String(), "new", e.New)
	if member.State.Gone() {
		m.bookDirty = true
		m.strike(member.ID)
		m.forgetPeer(member.ID)
		return
	}
	m.enroll(member.ID, slot.Timestamp(member.Born))
	i, known := m.PeerIndex(member.ID)
	switch {
	case m.Gone():
		m.bookDirty = m.bookDirty || e.New
	case !known:
		p := m.AddPeer(member.ID, member.Addr, member.State)
		p.DiedAt = m.Now.Mono
		m.bookDirty = true
		m.owner.PeerMet(p)
	default:
		p := m.Peers[i]
		// With the same state, it is the name or the address.
		m.bookDirty = m.bookDirty || p.Addr != member.Addr || e.Was == member.State
		back := p.State == swim.Dead && member.State == swim.Alive
		if p.State != swim.Dead && member.State == swim.Dead {
			p.DiedAt = m.Now.Mono
		}
		p.Addr, p.State = member.Addr, member.State
		if back {
			m.owner.PeerBack(p)
		}
		m.owner.PeerChanged(p)
	}
}

// enroll makes a member a voter. Dead members stay voters; members that left stay voters of older conflicts.
func (m *Machine) enroll(id slot.ID, born slot.Timestamp) {
	i, known := m.RosterIndex(id)
	switch {
	case !known:
		m.Roster = slices.Insert(m.Roster, i, slot.Seat{Member: id, Born: born})
	case m.Roster[i].Born != born:
		m.Roster[i].Born = born
	default:
		return
	}
	m.electorateChanged()
}

// strike takes a member that is gone off the roster, if it was on it.
func (m *Machine) strike(id slot.ID) {
	if i, known := m.RosterIndex(id); known {
		m.Roster = slices.Delete(m.Roster, i, i+1)
	}
	m.electorateChanged()
}

// electorateChanged makes the electorate from the roster and the gone members. Drain decides anew when all events of
// the step are handled.
func (m *Machine) electorateChanged() {
	if m.swim != nil {
		m.former = formerMembers(m.swim.Members())
	}
	m.Electorate = slot.NewElectorateOf(append(slices.Clone(m.Roster), m.former...))
	m.Eff.Electorate = m.Electorate
}

// formerMembers are the seats of the gone members of a member table. A member that the table forgets has no seat any
// more.
func formerMembers(table []swim.Member) (former []slot.Seat) {
	for i := range table {
		if m := &table[i]; m.State.Gone() {
			former = append(former, slot.Seat{Member: m.ID, Born: slot.Timestamp(m.Born), Gone: m.GoneAt})
		}
	}
	return former
}

// MemberName is a member's name, or its ID when this member does not know it any more.
func (m *Machine) MemberName(id slot.ID) string {
	if member, ok := m.swim.Lookup(id); ok && member.Name != "" {
		return member.Name
	}
	return id.String()
}

// Vet refuses a frame whose sender is known under another name than by, which the stream has proved; empty: it proves
// nothing.
func (m *Machine) Vet(from slot.ID, by string) error {
	return m.swim.Vet(swim.Speaker{ID: from, Name: by})
}

// impostorSayInterval is the time between two lines of the log about impostors. All of them are counted.
const impostorSayInterval = time.Minute

// SayImpostor logs that a member has sent a message in the name of another.
func (m *Machine) SayImpostor(err error) {
	if m.Now.Mono < m.impostors {
		return
	}
	m.impostors = m.Now.Mono + impostorSayInterval
	m.Log(contract.LogError, "a member sends messages in the name of another, and they are dropped: give a node "+
		"that was renamed its former name and certificate back, or an empty data folder; otherwise its certificate "+
		"is in wrong hands: remove the member, and replace the authority",
		"error", err.Error(), "refused_so_far", m.Counters.FramesForeign)
}
