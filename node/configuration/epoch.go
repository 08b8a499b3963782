package configuration

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/voting"
	"kvs/node/wire"
)

// adopt puts a configuration in force. It is durable before any message is sent that relies on it.
func (m *Machine) adopt(c *voting.Config) {
	if former := m.InForce; former != nil && former.Founding != c.Founding {
		// decided by hand, with a ballot above all of the epoch's rounds.
		m.Changes = append(m.Changes, contract.Change{Key: schema.RecordKey(schema.ConfigPath(former.Epoch))})
	}
	m.InForce, m.Founded = c, c.Tag()
	m.Changes = append(m.Changes, contract.Change{Key: schema.KeyConfig, Value: voting.Encode(c)})
	m.InForceAfter = m.NextPersist()
	m.endFounding()
	// Decided: no round of that epoch can choose anything any more.
	m.Changes = append(m.Changes, contract.Change{Key: schema.RecordKey(schema.ConfigPath(c.Epoch - 1))})
	m.Log(contract.LogInfo, "configuration adopted", "epoch", c.Epoch, "voters", slot.IDStrings(c.Voters))
	m.warnPolicy()
	if slices.Contains(c.Previous, m.Self) && !c.Votes(m.Self) {
		m.promoteAt = max(m.promoteAt, m.Now.Mono+demotionRest)
	}
	m.startCatchUp()
	m.owner.RestartRounds()
	m.owner.RestartQuorum()
}

// announce sends the configuration in force to all members, without waiting for their questions.
func (m *Machine) announce() {
	for _, p := range m.Peers {
		if !p.Dead() {
			m.sendConfig(p)
		}
	}
}

func (m *Machine) sendConfig(p *step.Peer) {
	m.Send(contract.TransportFrame, p.Addr, m.InForceAfter,
		m.Frame(wire.KindConfigIs, &wire.ConfigIs{Config: m.InForce}))
}

// HandleConfigAsk answers with the configuration in force, or that there is none.
func (m *Machine) HandleConfigAsk(from *step.Peer, _ *wire.ConfigAsk) error {
	m.sendConfig(from)
	return nil
}

// HandleConfigIs learns a configuration from a member that adopted it: members send no others.
func (m *Machine) HandleConfigIs(from *step.Peer, in *wire.ConfigIs) error {
	switch c := in.Config; {
	case c == nil: // it has none either: see founding.go.
	case m.InForce != nil && c.Succeeds(m.InForce) && c.Epoch > m.Epoch():
		m.adopt(c)
		m.warnRecovered()
	case m.InForce != nil && m.InForce.Succeeds(c):
		m.sendConfig(from)
	case m.InForce != nil && m.InForce.Founding != c.Founding:
		m.Counters.OtherFounding++
		m.Log(contract.LogError, "a member belongs to another founding of the cluster, with which nothing is "+
			"exchanged: to let the members of one join the other, set their data folders aside (they may hold the "+
			"last copy of something) and start them with empty ones",
			"peer", from.ID.String(), "epoch", c.Epoch, "own_epoch", m.InForce.Epoch)
	case c.Epoch > m.Epoch():
		m.adopt(c)
	}
	return nil
}

// EpochAgrees compares the epoch of a message with the one in force. If they differ, the member with the lower epoch is
// sent the configuration, or asks for it.
func (m *Machine) EpochAgrees(from *step.Peer, epoch uint64) bool {
	switch mine := m.Epoch(); {
	case epoch == mine && mine != 0:
		return true
	case epoch > mine:
		m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindConfigAsk, &wire.ConfigAsk{}))
	case mine != 0:
		m.sendConfig(from)
	}
	return false
}

// TakesPart reports whether this member votes in a round of that epoch.
func (m *Machine) TakesPart(from *step.Peer, epoch uint64) bool {
	return m.EpochAgrees(from, epoch) && m.HasVoice()
}
