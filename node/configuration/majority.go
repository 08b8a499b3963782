package configuration

import "fmt"

// NoQuorum explains why no majority of the voters can be reached; empty: one may be reachable.
func (m *Machine) NoQuorum() string {
	if m.InForce == nil {
		return m.unfounded()
	}
	if alive := m.VotersAlive(); alive < m.InForce.Majority() {
		return fmt.Sprintf("%d of %d voters can be reached, %d are needed: try again later, or use "+
			"consistency=eventual",
			alive, len(m.InForce.Voters), m.InForce.Majority())
	}
	return m.voiceless()
}
