// Package comparison is the machine that compares what this member holds, by an index and a hash tree over it, with
// what the other members hold. So it repairs what the queues of the replication did not deliver. Its scrub finds rot in
// records that no client reads.
//
// It does not merge records: what it pulls arrives as replication. Begin with session.go, then index.go.
package comparison

import (
	"time"

	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of its node.
type Owner interface {
	// Quiet reports whether comparisons have to wait: the node is a newcomer that pulls everything.
	Quiet() bool
	// Absent reports whether a peer lacks so much that a comparison would only slow down its bootstrap.
	Absent(*step.Peer) bool
	// Compared is called after every comparison. whole: it was completed, and did not end because the peer fell silent.
	Compared(with slot.ID, whole, differs bool)
	// Remake writes a tombstone anew that has rotted under a path, where it had that version, and reports whether it
	// can.
	Remake(path string, was slot.Version) bool
	// Enqueue queues a record for a peer, Waits reports whether a record for it is queued or in flight.
	Enqueue(*step.Peer, wire.Entry)
	Waits(*step.Peer) bool
}

// Machine compares this member with others. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	index    index
	digest   uint64 // of what this member holds; zero: unknown.
	session  session
	likeness step.PeerTable[likeness]
	scratch  slot.Slot `image:"-"` // for the scrub: memory that is used again.
}

// New returns an empty machine: call Recover and Begin before other methods.
func New(shared *step.Shared, owner Owner) *Machine {
	m := &Machine{Shared: shared, owner: owner}
	m.index.recent = step.NewRecent[entry](recentIndexMax)
	return m
}

// Begin sets the time of the first comparison.
func (m *Machine) Begin() {
	m.session.id = m.Exchanges
	m.session.next = m.Now.Mono + m.Tuning.SyncInterval/4
}

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindTreeAsk, m.HandleTreeAsk),
		step.On(wire.KindTreeAnswer, m.HandleTreeAnswer),
		step.On(wire.KindLeafAsk, m.HandleLeafAsk),
		step.On(wire.KindLeafAnswer, m.HandleLeafAnswer),
		step.On(wire.KindSyncPull, m.HandleSyncPull),
	}
}

// Tick runs every timer that is due.
func (m *Machine) Tick() {
	m.tickSession()
	m.tickScrub()
}

// Due is the time of the next timer.
func (m *Machine) Due() time.Duration { return min(m.index.scrub.next, m.session.due()) }

// Digest is a hash of everything that is durable here: it is equal on members that hold the same. It is never zero.
func (m *Machine) Digest() uint64 { return m.digest }

// Keys is the number of records that are durable here, tombstones included.
func (m *Machine) Keys() int { return m.index.keys }

// Comparing reports whether a comparison is under way.
func (m *Machine) Comparing() bool { return m.session.peer != 0 }

// LastEqual is when a peer was last seen to hold the same as this member, in monotonic time; zero: never.
func (m *Machine) LastEqual(p *step.Peer) time.Duration { return m.likeness.Look(p).equal }
