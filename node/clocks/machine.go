// Package clocks is the machine that guards a node against its own wall clock: from the gossip of the other members it
// measures how far their clocks are from this node's, and it takes the node read-only while most of them say that this
// node's clock is wrong.
//
// It neither sends nor decodes messages: the node hands it the fields of its peers' pulses. Begin with Machine, and
// guard.go for the rule.
package clocks

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
)

// Owner is what the machine asks of its node.
type Owner interface {
	// PeerClocks is the number of the node's peers, PeerClock the clock of the i-th, and whether that peer is alive.
	PeerClocks() int
	PeerClock(i int) (p *Peer, alive bool)
	// MemberName is a member's name for people, or its ID when this node no longer knows the name.
	MemberName(slot.ID) string
	// SetReadOnly gives the node a reason to be read-only, or takes the reason away.
	SetReadOnly(*contract.SetReadOnly)
}

// Machine is the guard. It alone writes step.Shared.ClockWrong. It is not safe for concurrent use: the goroutine of its
// node owns it.
type Machine struct {
	*step.Shared
	owner         Owner
	probeInterval time.Duration // of node/swim: how often each member hears from another.

	exhausted bool // there is no timestamp left.
	off       bool
	calmSince time.Duration // while the clock is off: the time since which no measurement is against it; zero: one is.
}

// New returns a machine without measurements.
func New(shared *step.Shared, owner Owner, probeInterval time.Duration) *Machine {
	return &Machine{Shared: shared, owner: owner, probeInterval: probeInterval}
}
