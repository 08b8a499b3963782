package swim

import (
	"slices"
	"time"
)

// leave is a farewell under way. It travels as pings, so that acks confirm it.
type leave struct {
	active bool
	done   bool
	at     time.Duration // of the next round.
	rounds int
	seq    uint64
	to     []ID // members that get it directly and have not answered yet.
	heard  int
	enough int
}

const (
	leaveFanout = 8  // members that get it directly; the others hear it from them.
	leaveEnough = 3  // answers that are enough: those members spread the farewell.
	leaveRounds = 10 // one each ProbeTimeout; after them no member is taken to be reachable.
)

// Leave announces that this member leaves for good: the others neither probe nor dial it any more, and its identity
// never comes back (removal.go). The caller goes on stepping the machine until Left. From now on the machine answers
// but does not probe. at is the time of day in milliseconds since the Unix epoch, for people.
func (m *Machine) Leave(now time.Duration, at uint64, out *Output) {
	if m.leave.active {
		return
	}
	m.now = now
	m.self.State, m.self.GoneAt = Left, max(at, 1)
	m.spread(m.self.ID)
	m.probe = probe{}
	m.leave = leave{active: true, seq: m.nextSeq(), at: now}
	for _, p := range m.choose(leaveFanout, Suspect, nil) {
		m.leave.to = append(m.leave.to, p.ID)
	}
	m.leave.enough = min(leaveEnough, len(m.leave.to))
	m.leave.done = m.leave.enough == 0
	m.tickLeave(now, out)
}

// Left reports whether Leave was called and enough members have acknowledged the farewell, or no member is reachable.
func (m *Machine) Left() bool { return m.leave.done }

func (m *Machine) tickLeave(now time.Duration, out *Output) {
	l := &m.leave
	if l.done || l.at > now {
		return
	}
	if l.rounds == leaveRounds {
		l.done = true
		return
	}
	l.rounds++
	l.at = now + m.cfg.ProbeTimeout
	for _, id := range l.to {
		if p := m.find(id); p != nil {
			m.send(kindPing, id, l.seq, p, p.Addr, out)
		}
	}
}

// unheardFarewell reports whether a ping is the farewell of a member that is not gone in this table yet. An ack means
// that this member spreads the farewell, so the ack waits until the farewell is believed.
func (m *Machine) unheardFarewell(in *packet) bool {
	for i := range in.rumours {
		if r := &in.rumours[i]; r.id == in.sender && r.state.Gone() {
			p := m.find(r.id)
			return p != nil && !p.State.Gone()
		}
	}
	return false
}

// farewellHeard records that member id has answered.
func (m *Machine) farewellHeard(id ID) {
	l := &m.leave
	if i := slices.Index(l.to, id); i >= 0 && l.active {
		l.to = slices.Delete(l.to, i, i+1)
		l.heard++
		l.done = l.done || l.heard >= l.enough
	}
}
