package configuration

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
)

// Two foundings of one name never mix: neither their rounds nor their data, nor their tables of members. Each envelope
// names the founding of its sender, and members of different foundings drop each other's messages. There are two
// exceptions:
//
//   - A node that has no configuration yet belongs to no founding: it accepts all messages, and all members accept its
//     messages.
//   - Members that knew each other before go on exchanging membership and configurations: after a recovery by hand
//     (node/recovery.go) those of the former founding adopt the configuration that names it. If neither adopts the
//     other's, both log what is wrong.
type foreigners struct {
	sayAt time.Duration // the earliest time of the next log line about strangers.
}

const (
	foreignAskInterval = foundingInterval // between questions to a member of another founding for its configuration.
	foreignSayInterval = time.Minute
)

// Foreign reports whether a message must be dropped, because its sender is of another founding.
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
			m.Log(contract.LogError, "another cluster of the same name sends to this one, and gets no answer: "+
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
