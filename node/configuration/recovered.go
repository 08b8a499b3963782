package configuration

import (
	"fmt"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
	"slices"
	"strings"
)

// The rules for a voter after the voters were replaced by hand, see node/recovery.go.

// voiceless explains why this voter does not take part; empty: it does, or it is no voter.
func (m *Machine) voiceless() string {
	if !m.InForce.Votes(m.Self) || m.HasVoice() || m.Mute() {
		return ""
	}
	var missing []slot.ID
	for _, id := range m.InForce.Previous {
		if !slices.Contains(m.catchUp.done, id) {
			missing = append(missing, id)
		}
	}
	return fmt.Sprintf("the voters were replaced by hand, and this one has to fetch what each of them holds first, "+
		"of which %s are missing: start them; if one of them is lost as well, "+
		"replace the voters again without it (kvs recover --voters)",
		strings.Join(slot.IDStrings(missing), ", "))
}

// sourceWhole records that another chosen voter has fetched everything: from now on it is enough to go through that
// one's data.
func (m *Machine) sourceWhole(id slot.ID, epoch uint64) {
	u := &m.catchUp
	if u.epoch != epoch || !m.InForce.Recovered() || slices.Contains(u.whole, id) {
		return
	}
	u.whole = slot.InsertID(u.whole, id)
	u.done = slices.DeleteFunc(u.done, func(d slot.ID) bool { return d == id }) // it held less before.
	if u.peer == id || u.peer == 0 {
		u.peer = 0
		m.nextFormerVoter()
	}
}

// askWhole asks the other chosen voters whether they have fetched everything, when none is left to go through.
func (m *Machine) askWhole() {
	if !m.InForce.Recovered() {
		return
	}
	for _, id := range m.InForce.Previous {
		if p := m.Peer(id); p != nil && !p.Dead() {
			m.Send(contract.TransportFrame, p.Addr, m.InForceAfter,
				m.Frame(wire.KindPassedAsk, &wire.Epoch{Epoch: m.Epoch()}))
		}
	}
}

// warnRecovered logs at each start that the voters were replaced by hand.
func (m *Machine) warnRecovered() {
	if m.InForce != nil && len(m.InForce.Former) > 0 {
		m.Log(contract.LogWarn, "the voters of this cluster were replaced by hand: "+
			"linearizable writes acknowledged before may be lost: those that none of the chosen voters had",
			"recoveries", len(m.InForce.Former), "epoch", m.InForce.Epoch, "voters", slot.IDStrings(m.InForce.Voters))
	}
}
