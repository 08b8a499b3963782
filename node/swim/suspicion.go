package swim

import (
	"cmp"
	"slices"
	"time"
)

// suspicion is the time a suspect has to refute. It begins long and shrinks with every other member that suspects the
// same one (Lifeguard, section IV-B): a single accuser may itself be cut off.
type suspicion struct {
	since    time.Duration
	deadline time.Duration
	wanted   int // confirmations that shrink it all the way.
	accusers [confirmationsMax + 1]ID
	accused  int // how many of accusers are set; the first began it, the others confirm.
}

// last is the accuser to name in rumours: the newest, of which others are least likely to have heard.
func (s *suspicion) last() ID { return s.accusers[s.accused-1] }

// suspect starts p's suspicion anew.
func (m *Machine) suspect(now time.Duration, p *peer, accuser ID) {
	others := m.states[Alive] // who could confirm. p itself is not alive.
	p.suspicion = &suspicion{since: now, wanted: min(m.cfg.SuspicionConfirmations, others), accused: 1}
	p.suspicion.accusers[0] = accuser
	m.setDeadline(p)
}

// confirm adds an independent accuser. Confirmations are gossiped on until there are as many as wanted.
func (m *Machine) confirm(p *peer, accuser ID) {
	s := p.suspicion
	if s.accused > s.wanted {
		return
	}
	for _, a := range s.accusers[:s.accused] {
		if a == accuser {
			return
		}
	}
	s.accusers[s.accused] = accuser
	s.accused++
	m.setDeadline(p)
	m.spread(p.ID)
}

func (m *Machine) setDeadline(p *peer) {
	s := p.suspicion
	s.deadline = s.since + suspicionTime(&m.cfg, m.size(), s.wanted, s.accused-1, m.health)
}

// suspicionTime is how long a suspect has in a cluster of `members`, when `confirmed` of `wanted` confirmations have
// come:
//
//	max − (max−min) × log(confirmed+1) ∕ log(wanted+1)
//
// When no member can confirm (a cluster of two, or all others are suspects too) the formula is not defined; memberlist
// then takes the minimum, as in every cluster of less than five. But then no helper could probe either, so the evidence
// is weaker than usual; and the maximum would wait for a confirmation that cannot come. So it is the mean of both:
// meanwhile the suspect is probed in vain once each interval, by two datagrams and a stream. While this member has
// reason to doubt itself (health.go), it waits for the maximum all the same. In a cluster of three the one other member
// is the confirmation.
func suspicionTime(c *Config, members, wanted, confirmed, health int) time.Duration {
	least := time.Duration(c.SuspicionMult*log2Ceil(members)) * c.ProbeInterval
	most := time.Duration(c.SuspicionMaxMult) * least
	switch {
	case wanted == 0 && health > 0:
		return most
	case wanted == 0:
		return (least + most) / 2
	case confirmed >= wanted:
		return least
	}
	micros := (most - least) / time.Microsecond // leaves room for the product: Config.Check bounds the factors.
	return most - micros*log2Milli[confirmed+1]/log2Milli[wanted+1]*time.Microsecond
}

// log2Milli[n] is 1000 × log₂(n), rounded: a table, because decisions use no floats.
var log2Milli = [confirmationsMax + 2]time.Duration{0, 0, 1000, 1585, 2000, 2322, 2585, 2807, 3000}

// expireSuspicions declares dead the suspects whose time has run out.
func (m *Machine) expireSuspicions(now time.Duration, out *Output) {
	for i := 0; i < len(m.suspects); {
		p := m.suspects[i]
		if p.suspicion.deadline <= now {
			m.accuse(now, p, Dead, out) // takes it out of the list.
			continue
		}
		i++
	}
}

// list keeps the suspects at hand, sorted by ID: the whole table is too long to look through it at every step.
func (m *Machine) list(p *peer) {
	i, listed := slices.BinarySearchFunc(m.suspects, p.ID, func(p *peer, id ID) int { return cmp.Compare(p.ID, id) })
	switch {
	case p.State == Suspect && !listed:
		m.suspects = slices.Insert(m.suspects, i, p)
	case p.State != Suspect && listed:
		m.suspects = slices.Delete(m.suspects, i, i+1)
		p.suspicion = nil
	}
}
