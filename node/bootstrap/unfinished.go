package bootstrap

import "kvs/node/contract"

// serveUnfinished is rule 3.
func (m *Machine) serveUnfinished() {
	b := &m.newcomer
	b.serving = true
	m.Log(contract.LogWarn,
		"bootstrap: no member that serves could be reached: this node serves what it has, "+
			"and pulls the rest when it meets one",
		"waited", m.Now.Mono-b.began, "phase", b.phase.String(), "keys", b.cursor.keys)
	m.note()
	m.tellStanding()
}
