// Package replication is the machine that sends what this member stores to the other holders of a path, by a queue for
// each peer (for a dead peer its entries are hints), and merges the slots that peers send.
//
// It does not wait for acknowledgements of clients' writes (quorum operations do), and comparisons repair what its
// queues drop. Begin with Machine, then batches.go and merge.go.
package replication

import (
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// Owner is what the machine asks of its node.
type Owner interface {
	// Write puts an encoded slot in the running step's persist, with everything that follows from it, and returns that
	// persist.
	Write(path string, stored slot.Stored) contract.PersistID
	// Left is what is left of a slot that cannot be read.
	Left(path string) slot.Slot
	// RefuseBuried reports whether a slot from a peer, for a path under which nothing is held here, is older than a
	// tombstone that was dropped, and informs the peer.
	RefuseBuried(from *step.Peer, path string, in *slot.Slot) bool
	// Fence is at or above every version, promise and ballot of the tombstones that were dropped.
	Fence() slot.Timestamp
	// ConflictChanged is called for a slot with several candidates whose candidates or votes have changed.
	ConflictChanged(path string, s *slot.Slot)
	// CompareSoon makes the next comparison begin within Tuning.SyncInterval: a queue has dropped records.
	CompareSoon()
	// LeftOut is called when a slot of a peer could not be taken in yet: it is of an epoch that is not known here.
	LeftOut()
	// MemberName is a member's name for people, or its ID when this member does not know it any more.
	MemberName(slot.ID) string
}

// Machine replicates to all peers. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner Owner

	lines   step.PeerTable[line]
	merging [2]slot.Slot `image:"-"` // memory that Merge uses again.
	in, out messages     `image:"-"` // memory of the messages that come and go.
}

// messages are those of which there are most.
type messages struct {
	batch wire.Replicate
	ack   wire.ReplicateAck
}

// line is the state of the replication to one peer.
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

// New returns a machine whose queues are empty. Queues are in memory only: there is nothing to recover.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.OnAgain(wire.KindReplicate, &m.in.batch, m.HandleReplicate),
		step.OnAgain(wire.KindReplicateAck, &m.in.ack, m.HandleReplicateAck),
	}
}

// Tick sends unacknowledged batches again, and drops the hints of peers that are away for too long.
func (m *Machine) Tick() {
	for _, p := range m.Peers {
		m.retryBatch(p)
		m.expireHints(p)
	}
}

// Due is the time of the next timer; zero: there is none.
func (m *Machine) Due() time.Duration {
	at := time.Duration(0)
	for _, p := range m.Peers {
		l := m.lines.Of(p)
		if l.inflight.frame != nil {
			at = sooner(at, l.inflight.retryAt)
		}
		if p.Dead() && l.hinted() {
			at = sooner(at, p.DiedAt+m.Tuning.HintTTL)
		}
	}
	return at
}

// sooner is the sooner one of two times, of which the first one may be zero: there is none.
func sooner(at, t time.Duration) time.Duration {
	if at == 0 || t < at {
		return t
	}
	return at
}

// PeerBack sends a peer that has returned its hints at once.
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

// Waits reports whether a record for a peer is queued or in flight.
func (m *Machine) Waits(p *step.Peer) bool { return m.lines.Of(p).hinted() }

// HandedOver reports whether a peer has acknowledged everything that this member queued for it; false if its queue has
// dropped an entry.
func (m *Machine) HandedOver(p *step.Peer) bool {
	l := m.lines.Look(p)
	return !p.Dead() && !l.hinted() && l.dropped == 0 && l.hints == (hintCounts{})
}

// Status is the state of the replication to one peer.
type Status struct {
	QueueEntries int
	QueueBytes   int
	Dropped      uint64        // entries dropped because the queue was full.
	InFlight     uint64        // number of the batch that the peer has not acknowledged yet; zero: there is none.
	LastAck      time.Duration // monotonic; zero: never.
	Away         time.Duration // since the peer was found dead: its queue holds hints. Zero: it is not dead.
	HintsFull    uint64        // hints dropped because there were too many,
	HintsExpired uint64        // and because the peer was away for too long.
}

// Status is the state of the replication to a peer.
func (m *Machine) Status(p *step.Peer) Status {
	l := m.lines.Look(p)
	s := Status{
		Dropped: l.dropped, InFlight: l.inflight.seq, LastAck: l.lastAck, Away: m.away(p),
		HintsFull: l.hints.full, HintsExpired: l.hints.expired,
	}
	s.QueueEntries, s.QueueBytes = l.waiting()
	return s
}
