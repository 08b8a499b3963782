package replication

import (
	"errors"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// batch is what a peer has not acknowledged yet. There is at most one for each peer, so that memory is bounded and a
// slow peer slows down its own replication only; records written meanwhile gather in the queue and make the next batch
// larger.
type batch struct {
	seq     uint64
	entries []wire.Entry
	bytes   int
	frame   []byte // nil: nothing in flight.
	retryAt time.Duration
	delay   time.Duration
}

// Replicate queues a record of this node for the other holders of its path.
func (m *Machine) Replicate(path string, record []byte) {
	for _, p := range m.Replicas(path) {
		m.Enqueue(p, wire.Entry{Path: path, Record: record})
	}
}

// Enqueue queues a record for one peer. For a peer that is dead it becomes a hint.
func (m *Machine) Enqueue(p *step.Peer, e wire.Entry) {
	if p.Dead() {
		m.hint(p, e)
		return
	}
	if dropped := m.lines.Of(p).queue.push(e, m.Tuning.QueueBytesMax); dropped > 0 {
		m.queueDropped(p, dropped)
	}
	m.pump(p)
}

// queueDropped counts records that a peer will not get by its queue, and makes a comparison begin soon, which brings
// them.
func (m *Machine) queueDropped(p *step.Peer, records uint64) {
	m.lines.Of(p).dropped += records
	m.Counters.QueueDropped += records
	m.owner.CompareSoon()
}

// pump sends the next batch when none is in flight. A dead peer gets nothing: its queue waits for its return.
func (m *Machine) pump(p *step.Peer) {
	l := m.lines.Of(p)
	if l.inflight.frame != nil || l.queue.len() == 0 || p.State == swim.Dead {
		return
	}
	b := batch{delay: m.Tuning.AckTimeout, entries: l.inflight.entries}
	var after contract.PersistID
	for l.queue.len() > 0 && len(b.entries) < wire.ReplicateEntriesMax {
		if len(b.entries) > 0 && b.bytes+l.queue.ring[l.queue.head].WireBytes() > m.Tuning.BatchBytesMax {
			break
		}
		e := l.queue.pop()
		persist, ok := m.refresh(p, &e)
		if !ok {
			continue
		}
		after = max(after, persist)
		b.bytes += e.WireBytes()
		b.entries = append(b.entries, e)
	}
	if len(b.entries) == 0 {
		return
	}
	// The number is unique over all peers: a batch for one member may be acknowledged by another that has its address
	// now.
	b.seq = m.NextExchange()
	b.frame = m.frame(&b)
	b.retryAt = m.Now.Mono + b.delay
	l.inflight = b
	m.Send(contract.TransportFrame, p.Addr, after, b.frame)
}

// refresh replaces an entry's record by the one that this member holds now: a message may carry nothing older than its
// stamp (wire.Stamp). It returns the persist to wait for, and false when there is nothing to send.
func (m *Machine) refresh(p *step.Peer, e *wire.Entry) (contract.PersistID, bool) {
	h, err := m.CurrentIntact(e.Path)
	if errors.Is(err, step.ErrRead) {
		m.Log(contract.LogError, "record not sent", "path", e.Path, "error", err.Error())
		m.queueDropped(p, 1)
	}
	if err != nil || h.Record == nil {
		return 0, false // collected since, or rotten: comparisons handle that.
	}
	e.Record = h.Record
	return h.After, true
}

// retryBatch sends an unacknowledged batch again when its time has come, at growing distances.
func (m *Machine) retryBatch(p *step.Peer) {
	b := &m.lines.Of(p).inflight
	if b.frame == nil || m.Now.Mono < b.retryAt {
		return
	}
	b.delay = min(2*b.delay, m.Tuning.RetryDelayMax)
	b.retryAt = m.Now.Mono + b.delay
	if p.State == swim.Dead {
		return
	}
	kept := b.entries[:0]
	b.bytes = 0
	var after contract.PersistID
	for _, e := range b.entries {
		if persist, ok := m.refresh(p, &e); ok {
			after = max(after, persist)
			b.bytes += e.WireBytes()
			kept = append(kept, e)
		}
	}
	clear(b.entries[len(kept):])
	if b.entries = kept; len(kept) == 0 {
		m.lines.Of(p).inflight = batch{}
		m.pump(p)
		return
	}
	b.frame = m.frame(b)
	m.Send(contract.TransportFrame, p.Addr, after, b.frame)
}

// frame encodes a batch.
func (m *Machine) frame(b *batch) []byte {
	m.out.batch = wire.Replicate{Seq: b.seq, Entries: b.entries}
	frame := m.Frame(wire.KindReplicate, &m.out.batch)
	m.out.batch = wire.Replicate{}
	return frame
}

// HandleReplicate merges a peer's records and acknowledges them once all of them, or newer ones, are durable here.
func (m *Machine) HandleReplicate(from *step.Peer, in *wire.Replicate) error {
	var after contract.PersistID
	for i := range in.Entries {
		persist, err := m.Merge(from, in.Entries[i].Path, in.Entries[i].Record)
		if errors.Is(err, step.ErrUnconfirmed) {
			return err // the peer sends all of it again.
		}
		if errors.Is(err, step.ErrRead) { // not acknowledged: the peer sends all of it again.
			m.Log(contract.LogError, "record from a peer not stored", "peer", from.ID.String(),
				"path", in.Entries[i].Path, "error", err.Error())
			return nil
		}
		if err != nil {
			m.Counters.FramesBad++
			m.Log(contract.LogError, "record from a peer refused", "peer", from.ID.String(), "path", in.Entries[i].Path,
				"error", err.Error())
			continue // acknowledged all the same: sending it again would not make it better.
		}
		after = max(after, persist)
	}
	m.Counters.ReplicatedIn += uint64(len(in.Entries))
	if in.Seq != 0 {
		m.out.ack.Seq = in.Seq
		m.Send(contract.TransportFrame, from.Addr, after, m.Frame(wire.KindReplicateAck, &m.out.ack))
	}
	return nil
}

// HandleReplicateAck records that a peer holds a batch, and sends the next one.
func (m *Machine) HandleReplicateAck(from *step.Peer, in *wire.ReplicateAck) error {
	l := m.lines.Of(from)
	if l.inflight.frame == nil || l.inflight.seq != in.Seq {
		return nil // of a batch that was sent twice.
	}
	m.Counters.ReplicatedOut += uint64(len(l.inflight.entries))
	clear(l.inflight.entries)
	l.inflight = batch{entries: l.inflight.entries[:0]} // memory that is used again.
	l.lastAck = m.Now.Mono
	m.pump(from)
	return nil
}

// ReplaceValues implements slot.Replaceable.
func (b *batch) ReplaceValues(by slot.Replacer) (inside bool) {
	if b.frame != nil {
		b.frame = wire.Replace(b.frame, by, nil) // no answer to a prepare.
	}
	return true
}
