package configuration

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
)

// passed is which other voters are known to have caught up with an epoch. It is asked for when a round needs to know.
type passed struct {
	epoch  uint64
	voters []slot.ID // sorted.
}

// notePassed takes in that a voter has caught up with the epoch in force.
func (m *Machine) notePassed(id slot.ID) {
	if m.passed.epoch != m.Epoch() {
		m.passed = passed{epoch: m.Epoch()}
	}
	m.passed.voters = slot.InsertID(m.passed.voters, id)
}

// HasPassed reports whether a voter is known to have caught up with the epoch in force. After the founding there was
// nothing to catch up with.
func (m *Machine) HasPassed(id slot.ID) bool {
	switch {
	case len(m.InForce.Previous) == 0:
		return true
	case id == m.Self:
		return m.CaughtUp >= m.InForce.Epoch
	}
	_, known := slices.BinarySearch(m.passed.voters, id)
	return known && m.passed.epoch == m.Epoch()
}

// AskPassed asks the other voters of which that is not known.
func (m *Machine) AskPassed() {
	for _, id := range m.InForce.Voters {
		if p := m.Peer(id); p != nil && !p.Dead() && !m.HasPassed(id) {
			ask := wire.Epoch{Epoch: m.Epoch()}
			m.Send(contract.TransportFrame, p.Addr, m.InForceAfter, m.Frame(wire.KindPassedAsk, &ask))
		}
	}
}
