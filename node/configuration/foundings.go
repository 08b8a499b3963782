package configuration

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
)

// Two foundings of one name never mix: neither their rounds nor their data, nor their tables of members. Each envelope
// says of which founding its sender is, and members of different ones take nothing from each other. There are two
// exceptions:
//
//   - A node that has no configuration yet belongs to no founding: it takes everything, and everybody takes what it
//     sends.
//   - Members that knew each other before go on seeing each other, and tell each other their configurations: after a
//     recovery by hand (node/recovery.go) those of the former founding adopt the one that names it. If
//     neither does, both say what is wrong.
type foreigners struct {
	sayAt time.Duration // not before it is the next line logged about strangers.
}

const (
	foreignAskInterval = foundingInterval // between questions to a member of another founding for its configuration.
	foreignSayInterval = time.Minute
)

// Foreign reports whether a message must not be taken, because its sender is of another founding.
func (m *Machine) Foreign(kind wire.Kind, from slot.ID, envelope []byte) bool {
	theirs := wire.ReadFounding(envelope)
	if theirs == 0 || m.Founded == 0 || theirs == m.Founded {
		return false
	}
	p := m.Peer(from)
	if p == nil {
		m.Counters.OtherFounding++
		if m.Now.Mono >= m.foreigners.sayAt {
			m.foreigners.sayAt = m.Now.Mono + foreignSayInterval
			m.Log(contract.LogError, "another cluster of the same name calls this one, and gets no answer: "+
				"give one of them another name, or take its addresses out of the seeds of the other; "+
				"to make one cluster of the two, start the nodes of one of them with empty data folders, and keep "+
				"the former ones", "from", from.String())
		}
		return true
	}
	switch kind {
	case wire.KindGossip, wire.KindMemberTable, wire.KindConfigAsk, wire.KindConfigIs,
		wire.KindConfirmAsk, wire.KindConfirmIs:
		if kind == wire.KindGossip && m.Now.Mono >= *m.relateAt.Of(p) {
			*m.relateAt.Of(p) = m.Now.Mono + foreignAskInterval
			m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindConfigAsk, &wire.ConfigAsk{}))
		}
		return false
	}
	return true
}
