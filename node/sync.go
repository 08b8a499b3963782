package node

import (
	"slices"
	"time"

	"kvs/node/merkle"
	"kvs/node/swim"
)

// Two members compare everything they hold, by their hash trees, and pull what differs, in both directions. It repairs whatever
// the queues did not deliver: entries dropped from a full queue, a queue lost in a crash, a member that was away.
//
// A asks B for the sums below the nodes that differ, level by level (tree-ask, tree-answer), then for the versions in the
// leaves that differ (leaf-ask, leaf-answer); A pulls what is newer at B (sync-pull, answered by replicate) and queues for B
// what is newer here. The cost grows with the difference, not with the data. Writes that move the trees meanwhile do no harm:
// at the worst a comparison finds too little or too much.
//
// It compares what is durable, so nothing it says has to wait. A record that fails its checksum is taken out of the index when
// it is found (index.go), and so is replaced by the peer's good copy; it is never sent.
//
// Throttled: one comparison at a time, one question under way, SyncPullBytes in answer to one pull.
type syncSession struct {
	next     time.Duration // when the next comparison begins.
	id       uint64
	peer     ID            // zero: none under way.
	level    int           // of the nodes under way: merkle.Leaves when they are leaves.
	frontier []uint32      // nodes of this level still to be asked about, in rising order;
	asked    int           // the first so many are under way.
	below    []uint32      // nodes of the next level that differ.
	giveUp   time.Duration // when a silent peer is given up.
	differs  bool          // the comparison under way has found a difference.
	delay    time.Duration // between comparisons: grows while all peers turn out equal.
	equal    int           // comparisons in a row that found nothing.
}

// due is the time of the session's next timer.
func (s *syncSession) due() time.Duration {
	if s.peer != 0 {
		return s.giveUp
	}
	return s.next
}

// syncSoon brings the next comparison near: something has happened that queues do not cover. Half a second lets a burst of
// changes pass.
func (n *Node) syncSoon() {
	n.sync.delay, n.sync.equal = n.tuning.SyncInterval, 0
	n.sync.next = min(n.sync.next, n.now.Mono+500*time.Millisecond)
}

func (n *Node) tickSync() {
	s := &n.sync
	if n.now.Mono < s.due() {
		return
	}
	if s.peer != 0 {
		n.log(LogDebug, "comparison given up: the peer is silent", "peer", s.peer.String())
		s.differs = true // for all we know.
		n.endSync(false)
		return
	}
	n.planSync()
	if n.bootstrap.quiet() {
		return
	}
	if p := n.longestUncompared(); p != nil {
		n.compareWith(p)
	}
}

func (n *Node) compareWith(p *peer) {
	s := &n.sync
	s.peer, s.differs = p.id, false
	s.level, s.frontier, s.below = 0, []uint32{0}, nil
	n.askTree()
}

// longestUncompared picks the living peer whose last comparison is the longest ago, so that every difference is found within
// as many comparisons as there are peers; among equals it draws.
func (n *Node) longestUncompared() *peer {
	var best *peer
	ties := 0
	for _, p := range n.peers {
		switch {
		case p.state != swim.Alive || p.standing.absent():
		case best == nil || p.compared < best.compared:
			best, ties = p, 1
		case p.compared == best.compared:
			if ties++; n.rng.IntN(ties) == 0 {
				best = p
			}
		}
	}
	return best
}

// planSync sets the time of the next comparison, give or take a quarter so that members do not fall into step.
func (n *Node) planSync() {
	interval := max(n.sync.delay, n.tuning.SyncInterval)
	n.sync.next = n.now.Mono + interval - interval/4 + time.Duration(n.rng.Int64N(int64(interval/2)+1))
}

// A cluster at rest compares ever more rarely: once as many comparisons in a row as there are peers have found nothing, the
// distance doubles, up to a bound. A difference, a dropped queue entry or a member that returns brings it back.
func (n *Node) endSync(whole bool) {
	s := &n.sync
	with := s.peer
	if p := n.peer(s.peer); p != nil {
		p.compared = n.now.Mono
	}
	s.peer = 0
	if s.differs {
		s.delay, s.equal = n.tuning.SyncInterval, 0
	} else if s.equal++; s.equal >= len(n.peers) {
		s.delay, s.equal = min(2*max(s.delay, n.tuning.SyncInterval), n.tuning.SyncIntervalMax), 0
	}
	if n.sync.next <= n.now.Mono {
		n.planSync()
	}
	n.bootstrapCompared(with, whole, s.differs)
}

// askTree asks about the next nodes whose sums differed one level higher.
func (n *Node) askTree() {
	s := &n.sync
	p := n.peer(s.peer)
	if p == nil || p.state == swim.Dead {
		n.endSync(false)
		return
	}
	s.id++
	s.giveUp = n.now.Mono + n.tuning.SyncTimeout
	s.asked = min(len(s.frontier), treeNodesMax)
	if s.level == merkle.Leaves {
		n.send(TransportFrame, p.addr, 0, n.encodeLeafAsk(s.id, s.frontier[:s.asked]))
		return
	}
	n.send(TransportFrame, p.addr, 0, n.encodeTreeAsk(&treeAsk{session: s.id, level: s.level, digest: n.digest, nodes: s.frontier[:s.asked]}))
}

// handleTreeAsk answers with the sums of the children of the nodes asked about; with none when everything is equal.
func (n *Node) handleTreeAsk(from *peer, body []byte) error {
	m, err := decodeTreeAsk(body)
	if err != nil {
		return err
	}
	reply := treeAnswer{session: m.session, level: m.level, digest: n.digest}
	if m.digest != n.digest {
		reply.nodes = m.nodes
		for _, node := range m.nodes {
			reply.children = append(reply.children, n.index.tree.Children(m.level, node))
		}
	} else {
		n.equalTo(from)
	}
	n.send(TransportFrame, from.addr, 0, n.encodeTreeAnswer(&reply))
	return nil
}

// handleTreeAnswer takes note of the children that differ, and asks on.
func (n *Node) handleTreeAnswer(from *peer, body []byte) error {
	m, err := decodeTreeAnswer(body)
	if err != nil {
		return err
	}
	s := &n.sync
	if s.peer != from.id || s.id != m.session || m.level != s.level {
		return nil // an answer to a question that was given up.
	}
	if m.digest == n.digest {
		n.equalTo(from)
		n.counters.SyncRounds++
		n.endSync(true)
		return nil
	}
	if !slices.Equal(m.nodes, s.frontier[:s.asked]) {
		n.endSync(false) // equal when it was asked, and not any more; or the other way round.
		return nil
	}
	for i, node := range m.nodes {
		ours := n.index.tree.Children(m.level, node)
		for k := range ours {
			if ours[k] != m.children[i][k] {
				s.below = append(s.below, node*merkle.FanOut+uint32(k))
			}
		}
	}
	n.goOn(s.asked)
	return nil
}

// goOn asks about what is left of the level, or of the next one.
func (n *Node) goOn(done int) {
	s := &n.sync
	s.frontier = s.frontier[done:]
	if len(s.frontier) == 0 && s.level < merkle.Leaves {
		s.level, s.frontier, s.below = s.level+1, s.below, nil
	}
	if len(s.frontier) == 0 {
		n.counters.SyncRounds++
		n.endSync(true)
		return
	}
	n.askTree()
}

// handleLeafAsk lists what is held in leaves: as many of them as fit, but one at least.
func (n *Node) handleLeafAsk(from *peer, body []byte) error {
	session, leaves, err := decodeLeafAsk(body)
	if err != nil {
		return err
	}
	reply := leafAnswer{session: session}
	for _, leaf := range leaves {
		before := len(reply.keys)
		if !n.listLeaf(leaf, func(path string, v Version) { reply.keys = append(reply.keys, heldVersion{path, v}) }) {
			return nil // to leave something out would say that it is not here.
		}
		if reply.leaves > 0 && len(reply.keys) > syncKeysMax {
			reply.keys = reply.keys[:before]
			break
		}
		reply.leaves++
	}
	n.send(TransportFrame, from.addr, 0, n.encodeLeafAnswer(&reply))
	return nil
}

// handleLeafAnswer pulls what is newer at the peer, and queues for it what is newer here.
func (n *Node) handleLeafAnswer(from *peer, body []byte) error {
	m, err := decodeLeafAnswer(body)
	if err != nil {
		return err
	}
	s := &n.sync
	if s.peer != from.id || s.id != m.session || s.level != merkle.Leaves || m.leaves > s.asked {
		return nil
	}
	n.reconcile(from, s.frontier[:m.leaves], m.keys)
	n.goOn(m.leaves)
	return nil
}

// reconcile compares what two members hold in some leaves.
func (n *Node) reconcile(from *peer, leaves []uint32, theirs []heldVersion) {
	var pull, push []string
	for _, leaf := range leaves {
		end := 0
		for end < len(theirs) && merkle.Leaf(merkle.Hash(theirs[end].path)) == leaf {
			end++
		}
		list := theirs[:end]
		theirs = theirs[end:]
		n.listLeaf(leaf, func(path string, v Version) {
			for len(list) > 0 && list[0].path < path {
				pull = append(pull, list[0].path)
				list = list[1:]
			}
			if len(list) == 0 || list[0].path != path {
				push = append(push, path)
				return
			}
			w := list[0].Version
			list = list[1:]
			if v == w {
				return
			}
			if v.TS > w.TS || bothWays(v, w) {
				push = append(push, path)
			}
			if v.TS < w.TS || bothWays(v, w) {
				pull = append(pull, path)
			}
		})
		for _, k := range list {
			pull = append(pull, k.path)
		}
	}
	n.sync.differs = n.sync.differs || len(pull)+len(push) > 0
	for part := range slices.Chunk(pull, syncPullMax) {
		n.counters.SyncPulled += uint64(len(part))
		n.send(TransportFrame, from.addr, 0, n.encodeSyncPull(part))
	}
	for _, path := range push {
		if e, ok, _ := n.durableEntry(path); ok {
			n.counters.SyncPushed++
			n.enqueue(from, e)
		} else {
			n.scrubPath(path)
		}
	}
}

// equalTo takes note that a peer holds the same.
func (n *Node) equalTo(p *peer) { p.equal, p.differs = n.now.Mono, 0 }

// digestHeard compares what a peer's pulse says it holds with what is held here. Members differ for moments all the time, while
// writes are on their way; a difference that stays, with nothing queued for the peer, brings the next comparison near.
func (n *Node) digestHeard(p *peer) {
	switch {
	case p.pulse.digest == 0:
	case p.pulse.digest == n.digest:
		n.equalTo(p)
	case p.differs == 0:
		p.differs = n.now.Mono
	case n.now.Mono-p.differs > n.tuning.SyncPatience && p.inflight.frame == nil && p.queue.len() == 0 && n.sync.peer == 0:
		p.differs = n.now.Mono // once for each time that it lasted so long.
		p.compared = 0
		n.syncSoon()
	}
}

// durableEntry reads a record to send, unless it fails its checksum, or cannot be read now.
func (n *Node) durableEntry(path string) (entry, bool, error) {
	b, ok, err := n.store.Get(prefixRecord + path)
	if err == nil && ok {
		_, err = DecodeSlot(path, b)
	}
	if err != nil {
		n.log(LogError, "record not sent", "path", path, "error", err.Error())
		return entry{}, false, err
	}
	return entry{path, b}, ok, nil
}

// handleSyncPull sends the records asked for, as many as the bound allows; the rest comes at the next comparison.
func (n *Node) handleSyncPull(from *peer, body []byte) error {
	paths, err := decodeSyncPull(body)
	if err != nil {
		return err
	}
	var m replicate
	batchBytes, bytes := 0, 0
	flush := func() {
		if len(m.entries) > 0 {
			n.send(TransportFrame, from.addr, 0, n.encodeReplicate(&m))
		}
		m.entries, batchBytes = m.entries[:0], 0
	}
	for _, path := range paths {
		e, ok, _ := n.durableEntry(path)
		if !ok {
			continue
		}
		size := e.wireBytes()
		if bytes > 0 && bytes+size > n.tuning.SyncPullBytes {
			break
		}
		if len(m.entries) == replicateEntriesMax || batchBytes+size > n.tuning.BatchBytesMax {
			flush()
		}
		m.entries = append(m.entries, e)
		batchBytes, bytes = batchBytes+size, bytes+size
	}
	flush()
	return nil
}
