package configuration

import (
	"fmt"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
	"slices"
	"strings"
)

// What changes for a voter after the voters were replaced by hand, see node/recovery.go.

// voiceless says why this voter does not take part; empty: it does, or is none.
func (m *Machine) voiceless() string {
	if !m.InForce.Votes(m.Self) || m.HasVoice() {
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

// sourceWhole takes note that another chosen voter has fetched everything: to go through what it holds from now on is
// enough.
func (m *Machine) sourceWhole(id slot.ID, epoch uint64) {
	u := &m.catchUp
	if u.epoch != epoch || !m.InForce.Recovered() || slices.Contains(u.whole, id) {
		return
	}
	u.whole = slot.InsertID(u.whole, id)
	u.done = slices.DeleteFunc(u.done, func(d slot.ID) bool { return d == id }) // what it held before was less.
	if u.peer == id || u.peer == 0 {
		u.peer = 0
		m.nextFormerVoter()
	}
}

// askWhole asks the other chosen voters whether they have fetched everything, when there is none left to go through.
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

// warnRecovered reminds at each start of what was done.
func (m *Machine) warnRecovered() {
	if m.InForce != nil && len(m.InForce.Former) > 0 {
		m.Log(contract.LogWarn, "the voters of this cluster were replaced by hand: "+
			"linearizable writes acknowledged before may be lost, those that none of the chosen voters had",
			"recoveries", len(m.InForce.Former), "epoch", m.InForce.Epoch, "voters", slot.IDStrings(m.InForce.Voters))
	}
}
