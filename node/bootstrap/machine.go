// Package bootstrap is the machine that gives a member with a new identity the data of the others, and serves such
// newcomers: a survey of how this member's data is spread over time, and then page after page, the newest first.
//
// It does not merge records, nor compare hash trees: it asks its owner for both. Begin with newcomer.go, which has the
// rule.
package bootstrap

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of its node.
type Owner interface {
	// Expected is the number of members of a cluster that is being formed, this node included.
	Expected() int
	// SeedsAmong reports whether the members that this node's file names, but itself, are among these, sorted, as far
	// as that matters.
	SeedsAmong([]slot.ID) bool
	// Founder reports whether the node was started as one of the first of a new cluster, or alone for good.
	Founder() bool
	// Merge takes in a record that a peer holds, and returns the persist that makes it durable. Its errors wrap
	// step.ErrRead when this member's own disk is the cause.
	Merge(from *step.Peer, path string, record []byte) (contract.PersistID, error)
	// Comparing reports whether a comparison with a peer is under way, Compare begins one. The owner calls Compared
	// when it has ended.
	Comparing() bool
	Compare(with *step.Peer)
}

// Machine is both halves of a bootstrap: that of a newcomer, and that of the member from which a newcomer pulls. It is
// not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	newcomer  newcomer
	standings step.PeerTable[standing]
	survey    survey
}

// New returns a machine whose node has all the data it is expected to have. Begin, Joining and Recover change that.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Tick runs every timer that is due.
func (m *Machine) Tick() {
	m.tickNewcomer()
	m.tickSurvey()
}

// Due is the time of the next timer; zero: there is none.
func (m *Machine) Due() time.Duration {
	at := m.newcomer.due()
	if s := m.survey.due(); s != 0 && (at == 0 || s < at) {
		at = s
	}
	return at
}

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindHello, m.HandleHello),
		step.On(wire.KindPlanAsk, m.HandlePlanAsk),
		step.On(wire.KindPlan, m.HandlePlan),
		step.On(wire.KindPageAsk, m.HandlePageAsk),
		step.On(wire.KindPage, m.HandlePage),
	}
}
