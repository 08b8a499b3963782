package node

// The acceptor of linearizable operations: what a voter promises and accepts, path by path (Lamport, "Paxos Made Simple",
// 2001, section 2.2). Everything it says is durable before it is said.

// vote is what a voter has to say in a round.
type vote struct {
	ok       bool
	slot     Slot   // of a promise or a look: all this voter holds.
	record   []byte // the same, encoded; nil: nothing.
	promised Ballot // of a refusal: what stands against it.
	after    PersistID
}

// sees answers a look: nothing changes. An error or silence means that this voter has no say on the path.
func (n *Node) sees(path string) (v vote, ok bool) {
	h, slot, err := n.currentSlot(path)
	if err != nil || slot.Consensus != nil && slot.Consensus.Blind {
		return v, false // rot: it cannot know what it had promised and accepted.
	}
	return vote{ok: true, slot: slot, record: h.record, after: h.after}, true
}

// promise answers PREPARE: nothing below b gets anything from this voter any more. The same PREPARE again is answered again.
func (n *Node) promise(path string, b Ballot) (v vote, ok bool) {
	v, ok = n.sees(path)
	if !ok {
		return v, false
	}
	n.clock.Observe(b.TS)
	if held := n.bar(&v.slot); b.Compare(held) < 0 {
		return vote{promised: held, after: v.after}, true
	} else if b == held {
		return v, true
	}
	if !v.slot.Exists() && !isConfigPath(path) { // perhaps nothing ever will: what is promised has to end as a tombstone does.
		n.ops = append(n.ops, n.tombstoneOp(path))
	}
	c := v.slot.Consensus.clone()
	c.Promised = b
	v.slot.Consensus = c
	v.record = EncodeSlot(path, &v.slot)
	v.after = n.writeRecord(path, v.record)
	return v, true
}

// dropPromise lets go of a slot that holds nothing but a promise, which a refused condition on a path without a value leaves behind. The
// fence keeps what was promised, for all paths: every ballot that the promise stood against is below the bar from now on, and what comes
// in as a copy below it is weak as before (merge). So nobody has to be asked. The promise is older than the grace time; ballots of rounds
// under way are above it, but for those of clocks that are far behind, which begin anew.
func (n *Node) dropPromise(path string, s *Slot) {
	n.raiseFence(s.Consensus.Promised.TS)
	n.erase(path)
	n.ops = append(n.ops, n.stampsOp()) // in the same persist.
}

// bar is the ballot below which a voter refuses on a path: what it promised, and the fence, at or below which it may have
// dropped tombstones, and with them what it had promised there.
func (n *Node) bar(s *Slot) Ballot {
	held, fence := s.Consensus.promised(), Ballot{Epoch: n.epoch(), TS: n.stamps.fence + 1}
	if n.stamps.fence != 0 && held.Compare(fence) < 0 {
		return fence
	}
	return held
}

// accept answers ACCEPT: what c holds is this voter's now, unless it has promised a higher ballot. c is shared and stays as it is.
func (n *Node) accept(path string, c *Consensus) (v vote, ok bool) {
	b := c.Ballot
	v, ok = n.sees(path)
	if !ok {
		return v, false
	}
	n.clock.Observe(b.TS)
	held := v.slot.Consensus
	switch {
	case b.Compare(n.bar(&v.slot)) < 0:
		return vote{promised: n.bar(&v.slot), after: v.after}, true
	case held.accepted() && held.Ballot == b && !held.Weak:
		return vote{ok: true, after: v.after}, true
	}
	fresh := !v.slot.Exists()
	v.slot.Consensus = c
	n.conflictChosen(path, &v.slot)
	after := n.write(path, EncodeSlot(path, &v.slot))
	if fresh && !c.Record.Tombstone && !isConfigPath(path) { // it is no mere promise any more.
		n.ops = append(n.ops, Op{Key: prefixTombstone + path})
	}
	return vote{ok: true, after: after}, true
}

// handlePrepare, handleLook and handleAccept pass on what another member's round asks.
func (n *Node) handlePrepare(from *peer, body []byte) error {
	m, err := decodePrepare(body)
	if err != nil || !n.takesPart(from, m.epoch) {
		return err
	}
	if v, ok := n.promise(m.path, m.ballot); ok {
		n.send(TransportFrame, from.addr, max(v.after, n.configAfter), n.encodePromised(m, &v))
	}
	return nil
}

func (n *Node) handleLook(from *peer, body []byte) error {
	m, err := decodePrepare(body)
	if err != nil || !n.takesPart(from, m.epoch) {
		return err
	}
	if v, ok := n.sees(m.path); ok {
		n.send(TransportFrame, from.addr, max(v.after, n.configAfter), n.encodePromised(m, &v))
	}
	return nil
}

func (n *Node) handleAccept(from *peer, body []byte) error {
	m, c, err := decodeAccept(body)
	if err != nil || !n.takesPart(from, m.epoch) {
		return err
	}
	n.clock.Observe(c.Record.TS)
	if v, ok := n.accept(m.path, c); ok {
		n.send(TransportFrame, from.addr, max(v.after, n.configAfter), n.encodeAccepted(m, &v))
	}
	return nil
}

// takesPart reports whether this member votes in a round of that epoch.
func (n *Node) takesPart(from *peer, epoch uint64) bool {
	return n.epochAgrees(from, epoch) && n.hasVoice()
}
