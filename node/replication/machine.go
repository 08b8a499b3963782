// Package replication is the machine that brings what this member stores to the other holders of a path, by a queue for
// each peer (for a peer that is dead its entries are hints), and takes in what peers send: it merges their slots with
// what is held here.
//
// It does not wait for acknowledgements of clients' writes (quorum operations do), and what its queues drop comparisons
// repair. Begin with Machine, then batches.go and merge.go.
package replication

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of the node that it belongs to.
type Owner interface {
	// Write puts an encoded slot in the running step's persist, with everything that follows from it, and returns that
	// persist.
	Write(path string, stored slot.Stored) contract.PersistID
	// RefuseBuried reports whether a slot from a peer, for a path under which nothing is held here, is older than a
	// tombstone that was dropped, and tells the peer so.
	RefuseBuried(from *step.Peer, path string, in *slot.Slot) bool
	// Fence is at or above every version, promise and ballot of the tombstones that were dropped.
	Fence() slot.Timestamp
	// ConflictChanged is told of a slot with several candidates of which more is known.
	ConflictChanged(path string, s *slot.Slot)
	// CompareSoon brings the next comparison within Tuning.SyncInterval: a queue has dropped records.
	CompareSoon()
	// LeftOut takes note that something a peer holds could not be taken in yet: it is of an epoch that is not known
	// here.
	LeftOut()
	// MemberName is a member's name for people, or its ID when this member does not know it any more.
	MemberName(slot.ID) string
}

// Machine replicates to all peers. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	lines   step.PeerTable[line]
	merging [2]slot.Slot // memory that Merge uses again.
}

// line is what is kept about the replication to one peer.
type line struct {
	queue    sendQueue
	inflight batch
	dropped  uint64 // entries dropped because the queue was full.
	lastAck  time.Duration
	hints    hintCounts
}

// hinted reports whether anything waits for the peer.
func (l *line) hinted() bool { return l.queue.len() > 0 || l.inflight.frame != nil }

// waiting is how much waits for the peer.
func (l *line) waiting() (entries, bytes int) {
	return l.queue.len() + len(l.inflight.entries), l.queue.bytes + l.inflight.bytes
}

// New returns a machine whose queues are empty. They live in memory alone: there is nothing to recover.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindReplicate, m.HandleReplicate),
		step.On(wire.KindReplicateAck, m.HandleReplicateAck),
	}
}

// Tick sends again what was not acknowledged, and drops the hints of peers that are away for too long.
func (m *Machine) Tick() {
	for _, p := range m.Peers {
		m.retryBatch(p)
		m.expireHints(p)
	}
}

// Due is the time of the next timer; zero: there is none.
func (m *Machine) Due() time.Duration {
	at := time.Duration(0)
	sooner := func(t time.Duration) {
		if at == 0 || t < at {
			at = t
		}
	}
	for _, p := range m.Peers {
		l := m.lines.Of(p)
		if l.inflight.frame != nil {
			sooner(l.inflight.retryAt)
		}
		if p.Dead() && l.hinted() {
			sooner(p.DiedAt + m.Tuning.HintTTL)
		}
	}
	return at
}

// PeerBack lets a peer that has returned have at once what waited for it.
func (m *Machine) PeerBack(p *step.Peer) {
	if b := &m.lines.Of(p).inflight; b.frame != nil {
		b.delay = m.Tuning.AckTimeout
		b.retryAt = m.Now.Mono
		m.retryBatch(p)
	}
	m.pump(p)
}

// Forget drops what waits for a peer.
func (m *Machine) Forget(p *step.Peer) {
	l := m.lines.Of(p)
	l.queue, l.inflight = sendQueue{}, batch{}
}

// Waits reports whether anything that is stored here waits for a peer, in its queue or on its way.
func (m *Machine) Waits(p *step.Peer) bool { return m.lines.Of(p).hinted() }

// HandedOver reports whether a peer has everything that this member ever sent it, as far as is known: a queue that has
// dropped something counts for nothing.
func (m *Machine) HandedOver(p *step.Peer) bool {
	l := m.lines.Of(p)
	return !p.Dead() && !l.hinted() && l.dropped == 0 && l.hints == (hintCounts{})
}

// Status is the state of the replication to one peer.
type Status struct {
	QueueEntries int
	QueueBytes   int
	Dropped      uint64        // entries dropped because the queue was full.
	InFlight     uint64        // name of the batch that the peer has not acknowledged yet; zero: there is none.
	LastAck      time.Duration // monotonic; zero: never.
	Away         time.Duration // since the peer was found dead: what is queued are hints. Zero: it is not dead.
	HintsFull    uint64        // hints dropped because there were too many,
	HintsExpired uint64        // and because the peer was away for too long.
}

// Status is the state of the replication to a peer.
func (m *Machine) Status(p *step.Peer) Status {
	l := m.lines.Of(p)
	s := Status{
		Dropped: l.dropped, InFlight: l.inflight.seq, LastAck: l.lastAck, Away: m.away(p),
		HintsFull: l.hints.full, HintsExpired: l.hints.expired,
	}
	s.QueueEntries, s.QueueBytes = l.waiting()
	return s
}
