package register

import (
	"slices"

	"kvs/node/slot"
)

// Rounds with voters that are blind on a path: rot has taken what they had there, see acceptor.go.
//
// A majority of N voters is M. What is chosen was accepted by M of them, so of any N-M+1 voters one has accepted it, or
// will not any more once it has promised a higher ballot. So N-M+1 promises are enough for PREPARE, as long as M voters
// are asked to accept (Howard, Malkhi and Spiegelman, "Flexible Paxos: Quorum Intersection Revisited", 2016). With an
// odd number of voters that is a majority; of two voters it is one, of four two. The blind ones do not count among
// them, but they accept, and see again.
//
// For the epochs before this one, that argument needs one thing more: M former voters accepted, and of these N-M+1
// may know nothing. A voter that has caught up holds what a majority of the former voters held. So they have to have
// caught up before they are asked. With a majority that is not needed: majorities of successive epochs share a voter.

// seers is how many voters that see have to promise before M are asked to accept.
func (m *Machine) seers() int {
	return len(m.InForce.Voters) - m.InForce.Majority() + 1
}

// passed is which voters are known to have caught up, before they are asked to promise, where that matters.
func (m *Machine) passed(p phase) (out []slot.ID) {
	if p != phasePrepare || m.seers() == m.InForce.Majority() {
		return nil
	}
	for _, id := range m.InForce.Voters {
		if m.owner.HasPassed(id) {
			out = append(out, id)
		}
	}
	return out
}

// isBehind reports whether a voter that promised may not have caught up before.
func (o *operation) isBehind(a Seen) bool { return !slices.Contains(o.passed, a.Voter) }

// awaitsPassed reports whether enough voters that see have promised, but may not have caught up before.
func (m *Machine) awaitsPassed(o *operation) bool {
	return o.phase == phasePrepare && len(o.blind) > 0 && len(o.answers) >= m.seers() &&
		m.hopes(o) < m.InForce.Majority() && slices.ContainsFunc(o.answers, o.isBehind)
}

// withoutBlind goes on when the voters that see are no majority any more.
func (m *Machine) withoutBlind(o *operation) {
	accept := len(o.answers) + len(o.blind)
	switch need := m.InForce.Majority(); {
	case o.phase == phaseLook:
		m.prepare(o) // the voters that are blind will see after it.
	case len(o.answers) < m.seers() || accept < need:
		if len(o.against) > 0 {
			m.overtaken(o)
		}
	case o.Ballot.TS <= o.raised:
		m.prepare(o) // those that are blind would refuse this ballot.
	case m.seers() < need && m.awaitsPassed(o):
		m.owner.AskPassed()
	default:
		m.evaluate(o)
	}
}
