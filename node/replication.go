package node

import (
	"errors"
	"slices"
	"time"

	"kvs/node/swim"
)

// peer is another member that has not left.
type peer struct {
	id       ID
	addr     string
	state    swim.State
	queue    sendQueue
	inflight batch
	dropped  uint64 // entries dropped because the queue was full.
	lastAck  time.Duration
	diedAt   time.Duration // when it was found dead; of no meaning while it is not.
	hints    hintCounts
	compared time.Duration // when the last comparison with it ended, well or not.
	equal    time.Duration // when it was last seen to hold the same as this member; zero: never.
	differs  time.Duration // since when its digest has been another one; zero: it is not.

	pulse heard // what its gossip says about it.

	relateAt   time.Duration // not before it is a member of another founding asked for its configuration again.
	standing   standing      // as it said last; unknown while it is dead.
	avoidUntil time.Duration // it fell silent as the server of a bootstrap: others go first until then.
}

func (p *peer) dead() bool { return p.state == swim.Dead }

// batch is what a peer has not acknowledged yet. There is at most one a peer, so that memory is bounded and a slow peer
// sets its own pace; what is written meanwhile gathers in the queue and makes the next batch larger.
type batch struct {
	seq     uint64
	entries []entry
	bytes   int
	frame   []byte // nil: nothing in flight.
	retryAt time.Duration
	delay   time.Duration
}

// sendQueue holds records for one peer, oldest first, one a path: a newer version takes its predecessor's place. It is
// bounded in bytes; when it is full the oldest go and are counted, and the comparison of members (sync.go) repairs that.
type sendQueue struct {
	ring  []entry
	head  int // index of the oldest in ring; those before are gone.
	gone  uint64
	index map[string]uint64 // path -> position counted from the first entry ever.
	bytes int
}

func (q *sendQueue) len() int { return len(q.ring) - q.head }

// push takes in a record and drops from the front what exceeds bytesMax. It returns the number dropped.
func (q *sendQueue) push(e entry, bytesMax int) uint64 {
	if q.index == nil {
		q.index = make(map[string]uint64)
	}
	if at, ok := q.index[e.path]; ok {
		old := &q.ring[q.head+int(at-q.gone)]
		// Of one timestamp the longer slot is the later: candidates and votes are only ever added, and a write that takes the place of
		// the end of a value is at least as long. A slot with a consensus half is always the whole of what this member holds.
		if a, b := slotTimestamp(e.record), slotTimestamp(old.record); a > b || a == b && len(e.record) >= len(old.record) || encodedBoth(e.record) {
			q.bytes += e.wireBytes() - old.wireBytes()
			*old = e
		}
	} else {
		q.index[e.path] = q.gone + uint64(q.len())
		q.ring = append(q.ring, e)
		q.bytes += e.wireBytes()
	}
	dropped := uint64(0)
	for q.bytes > bytesMax && q.len() > 1 {
		q.pop()
		dropped++
	}
	return dropped
}

func (q *sendQueue) pop() entry {
	e := q.ring[q.head]
	q.ring[q.head] = entry{}
	q.head++
	q.gone++
	delete(q.index, e.path)
	q.bytes -= e.wireBytes()
	if q.head > 64 && q.head*2 > len(q.ring) {
		n := copy(q.ring, q.ring[q.head:])
		clear(q.ring[n:])
		q.ring, q.head = q.ring[:n], 0
	}
	return e
}

// replicas is the placement: which members hold a path. Today that is all of them; nothing else may assume it.
func (n *Node) replicas(string) []*peer { return n.peers }

// replicate queues a record of this node for the other holders of its path.
func (n *Node) replicate(path string, record []byte) {
	for _, p := range n.replicas(path) {
		n.enqueue(p, entry{path, record})
	}
}

func (n *Node) enqueue(p *peer, e entry) {
	if p.dead() {
		n.hint(p, e)
		return
	}
	if dropped := p.queue.push(e, n.tuning.QueueBytesMax); dropped > 0 {
		n.queueDropped(p, dropped)
	}
	n.pump(p)
}

// queueDropped takes note that a peer will not get records by its queue: a comparison brings them, soon.
func (n *Node) queueDropped(p *peer, records uint64) {
	p.dropped += records
	n.counters.QueueDropped += records
	n.sync.delay, n.sync.equal = n.tuning.SyncInterval, 0
	n.sync.next = min(n.sync.next, n.now.Mono+n.tuning.SyncInterval)
}

// pump sends the next batch when none is in flight. A dead peer gets nothing: its queue waits for its return.
func (n *Node) pump(p *peer) {
	if p.inflight.frame != nil || p.queue.len() == 0 || p.state == swim.Dead {
		return
	}
	b := batch{delay: n.tuning.AckTimeout}
	var after PersistID
	for p.queue.len() > 0 && len(b.entries) < replicateEntriesMax {
		if len(b.entries) > 0 && b.bytes+p.queue.ring[p.queue.head].wireBytes() > n.tuning.BatchBytesMax {
			break
		}
		e := p.queue.pop()
		persist, ok := n.refresh(p, &e)
		if !ok {
			continue
		}
		after = max(after, persist)
		b.bytes += e.wireBytes()
		b.entries = append(b.entries, e)
	}
	if len(b.entries) == 0 {
		return
	}
	n.batches++ // for all peers: what was meant for a member may be acknowledged by whoever is at its address now.
	b.seq = n.exchangeID(n.batches)
	b.frame = n.encodeReplicate(&replicate{seq: b.seq, entries: b.entries})
	b.retryAt = n.now.Mono + b.delay
	p.inflight = b
	n.send(TransportFrame, p.addr, after, b.frame)
}

// refresh puts what this member holds now in the place of what it held when the entry was made: a message may carry nothing
// older than its stamp says (stamps.go). It returns the persist to wait for, and false when there is nothing to send.
func (n *Node) refresh(p *peer, e *entry) (PersistID, bool) {
	h, _, err := n.currentSlot(e.path)
	if errors.Is(err, errRead) {
		n.log(LogError, "record not sent", "path", e.path, "error", err.Error())
		n.queueDropped(p, 1)
	}
	if err != nil || h.record == nil {
		return 0, false // collected since, or rotten: comparisons see to it.
	}
	e.record = h.record
	return h.after, true
}

// retryBatch sends an unacknowledged batch again when its time has come, at growing distances.
func (n *Node) retryBatch(p *peer) {
	b := &p.inflight
	if b.frame == nil || n.now.Mono < b.retryAt {
		return
	}
	b.delay = min(2*b.delay, n.tuning.RetryDelayMax)
	b.retryAt = n.now.Mono + b.delay
	if p.state == swim.Dead {
		return
	}
	kept := b.entries[:0]
	b.bytes = 0
	var after PersistID
	for _, e := range b.entries {
		if persist, ok := n.refresh(p, &e); ok {
			after = max(after, persist)
			b.bytes += e.wireBytes()
			kept = append(kept, e)
		}
	}
	clear(b.entries[len(kept):])
	if b.entries = kept; len(kept) == 0 {
		p.inflight = batch{}
		n.pump(p)
		return
	}
	b.frame = n.encodeReplicate(&replicate{seq: b.seq, entries: b.entries})
	n.send(TransportFrame, p.addr, after, b.frame)
}

// handleReplicate merges what a peer sent and acknowledges it once all of it, or something newer, is durable here.
func (n *Node) handleReplicate(from *peer, body []byte) error {
	m, err := decodeReplicate(body)
	if err != nil {
		return err
	}
	var after PersistID
	for i := range m.entries {
		persist, err := n.merge(from, m.entries[i].path, m.entries[i].record)
		if errors.Is(err, errRead) { // not acknowledged: the peer sends all of it again.
			n.log(LogError, "record from a peer not stored", "peer", from.id.String(), "path", m.entries[i].path, "error", err.Error())
			return nil
		}
		if err != nil {
			n.counters.FramesBad++
			n.log(LogError, "record from a peer refused", "peer", from.id.String(), "path", m.entries[i].path, "error", err.Error())
			continue // acknowledged all the same: sending it again would not make it better.
		}
		after = max(after, persist)
	}
	n.counters.ReplicatedIn += uint64(len(m.entries))
	if m.seq != 0 {
		n.send(TransportFrame, from.addr, after, n.encodeReplicateAck(m.seq))
	}
	return nil
}

// merge takes in a slot that a peer holds, and returns the persist to wait for before saying that this or something newer is
// held. A timestamp is never refused for being far ahead of our clock: members would not converge.
func (n *Node) merge(from *peer, path string, record []byte) (PersistID, error) {
	in, ours := &n.merging[0], &n.merging[1]
	if err := in.Decode(path, record); err != nil {
		return 0, err
	}
	h, err := n.current(path)
	if err != nil {
		return 0, err
	}
	if in.Consensus.accepted() && in.Consensus.Ballot.Epoch > n.epoch() {
		n.send(TransportFrame, from.addr, 0, n.encodeConfigAsk()) // adopt first; comparisons bring it again.
		n.bootstrap.rounds = 0                                    // a newcomer is not in step before it has what it cannot take yet.
		in.Consensus = nil
		if !in.Exists() {
			return h.after, nil
		}
	}
	n.clock.Observe(in.Top())
	if h.record == nil && n.refuseBuried(from, path, in) {
		return h.after, nil
	}
	ours.clear()
	if h.record != nil {
		if err = ours.Decode(path, h.record); err != nil {
			n.log(LogWarn, "corrupt record replaced by a peer's copy", "path", path, "error", err.Error())
			ours.Consensus = &Consensus{Blind: true}
		}
	}
	out, changed := mergeSlots(ours, in, n.id, from.id, n.electorate)
	if c := out.Consensus; c != ours.Consensus && c.Ballot.TS <= n.stamps.fence {
		c.Weak = true // it may be below a promise that went with a slot: see bar. The copy is this member's own.
	}
	switch {
	case !changed:
		n.counters.Stale++
		if a, b := in.version(), ours.version(); a != b && bothWays(a, b) {
			n.enqueue(from, entry{path, h.record}) // a conflict, or a consensus half, of which the peer knows less.
		}
		return h.after, nil
	case !out.Conflict():
		n.counters.Merged++
		if in.Consensus != nil || out.Consensus != nil || out.sum() != in.sum() {
			record = EncodeSlot(path, &out)
		}
		return n.write(path, record), nil
	}
	n.counters.Merged++
	out.Candidates, out.Votes = slices.Clone(out.Candidates), slices.Clone(out.Votes) // what it came from is used again.
	record = EncodeSlot(path, &out)
	after := n.write(path, record)
	n.conflictChanged(path, &out)
	n.replicate(path, record) // every member adds its vote and passes it on, until all hold the same.
	return after, nil
}

func (n *Node) handleReplicateAck(from *peer, body []byte) error {
	seq, err := decodeReplicateAck(body)
	if err != nil {
		return err
	}
	if from.inflight.frame == nil || from.inflight.seq != seq {
		return nil // of a batch that was sent twice.
	}
	n.counters.ReplicatedOut += uint64(len(from.inflight.entries))
	from.inflight = batch{}
	from.lastAck = n.now.Mono
	n.pump(from)
	return nil
}
