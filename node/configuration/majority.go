package configuration

import "fmt"

// NoQuorum says why there is no majority of the voters to be had; empty: there may be one.
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
