package comparison

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/merkle"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/wire"
)

// Two members compare everything they hold, by their hash trees, and pull what differs, in both directions. This
// repairs what the queues did not deliver: entries dropped from a full queue, a queue lost in a crash, a member that
// was away.
//
// A asks B for the sums below the nodes that differ, level by level (tree-ask, tree-answer), then for the versions in
// the leaves that differ (leaf-ask, leaf-answer); A pulls what is newer at B (sync-pull, answered by replicate) and
// queues for B what is newer here. The cost grows with the difference, not with the data. Writes that move the trees
// meanwhile do no harm: at the worst a comparison finds too little or too much.
//
// It compares durable data, so its messages wait for no persist. A record that fails its checksum is taken out of the
// index when it is found (index.go), and so is replaced by the peer's good copy; it is never sent.
//
// Throttled: one comparison at a time, one question under way, SyncPullBytes in answer to one pull.

// likeness records when a peer was seen to hold the same as this member, or not.
type likeness struct {
	compared time.Duration // when the last comparison with it ended, completed or not.
	equal    time.Duration // when it was last seen to hold the same as this member; zero: never.
	differs  time.Duration // since when its digest has been different; zero: it is equal.
}

// session is the comparison under way, and the time of the next one.
type session struct {
	next     time.Duration // when the next comparison begins.
	id       uint64
	peer     slot.ID       // zero: none under way.
	level    int           // of the nodes under way: merkle.Leaves when they are leaves.
	frontier []uint32      // nodes of this level still to ask about, in rising order;
	asked    int           // the first so many are under way.
	below    []uint32      // nodes of the next level that differ.
	giveUp   time.Duration // when the comparison is given up if the peer is silent.
	differs  bool          // the comparison under way has found a difference.
	delay    time.Duration // between comparisons: grows while all peers turn out equal.
	equal    int           // comparisons in a row that found nothing.
}

// due is the time of the session's next timer.
func (s *session) due() time.Duration {
	if s.peer != 0 {
		return s.giveUp
	}
	return s.next
}

// Soon makes the next comparison begin in half a second: a change has happened that queues do not cover. The delay lets
// a burst of changes pass.
func (m *Machine) Soon() {
	m.session.delay, m.session.equal = m.Tuning.SyncInterval, 0
	m.session.next = min(m.session.next, m.Now.Mono+500*time.Millisecond)
}

// QueueDropped makes the next comparison begin within an interval: a queue has dropped records.
func (m *Machine) QueueDropped() {
	m.session.delay, m.session.equal = m.Tuning.SyncInterval, 0
	m.session.next = min(m.session.next, m.Now.Mono+m.Tuning.SyncInterval)
}

func (m *Machine) tickSession() {
	s := &m.session
	if m.Now.Mono < s.due() {
		return
	}
	if s.peer != 0 {
		m.Log(contract.LogDebug, "comparison given up: the peer is silent", "peer", s.peer.String())
		s.differs = true // as far as is known.
		m.end(false)
		return
	}
	m.plan()
	if m.owner.Quiet() {
		return
	}
	if p := m.longestUncompared(); p != nil {
		m.Compare(p)
	}
}

// Compare begins a comparison with a peer. There is none under way.
func (m *Machine) Compare(p *step.Peer) {
	s := &m.session
	s.peer, s.differs = p.ID, false
	s.level, s.frontier, s.below = 0, []uint32{0}, nil
	m.askTree()
}

// longestUncompared picks the living peer whose last comparison is the longest ago, so that every difference is found
// within as many comparisons as there are peers; among equals it draws.
func (m *Machine) longestUncompared() *step.Peer {
	var best *step.Peer
	ties := 0
	for _, p := range m.Peers {
		switch {
		case p.State != swim.Alive || m.owner.Absent(p):
		case best == nil || m.likeness.Of(p).compared < m.likeness.Of(best).compared:
			best, ties = p, 1
		case m.likeness.Of(p).compared == m.likeness.Of(best).compared:
			if ties++; m.Rand.IntN(ties) == 0 {
				best = p
			}
		}
	}
	return best
}

// plan sets the time of the next comparison, give or take a quarter so that members do not fall into step.
func (m *Machine) plan() {
	interval := max(m.session.delay, m.Tuning.SyncInterval)
	m.session.next = m.Now.Mono + interval - interval/4 + time.Duration(m.Rand.Int64N(int64(interval/2)+1))
}

// A cluster at rest compares ever more rarely: once as many comparisons in a row as there are peers have found nothing,
// the distance doubles, up to a bound. A difference, a dropped queue entry or a member that returns resets it.
func (m *Machine) end(whole bool) {
	s := &m.session
	with := s.peer
	if p := m.Peer(s.peer); p != nil {
		m.likeness.Of(p).compared = m.Now.Mono
	}
	s.peer = 0
	if s.differs {
		s.delay, s.equal = m.Tuning.SyncInterval, 0
	} else if s.equal++; s.equal >= len(m.Peers) {
		s.delay, s.equal = min(2*max(s.delay, m.Tuning.SyncInterval), m.Tuning.SyncIntervalMax), 0
	}
	if m.session.next <= m.Now.Mono {
		m.plan()
	}
	m.owner.Compared(with, whole, s.differs)
}

// askTree asks about the next nodes whose sums differed one level higher.
func (m *Machine) askTree() {
	s := &m.session
	p := m.Peer(s.peer)
	if p == nil || p.State == swim.Dead {
		m.end(false)
		return
	}
	s.id++
	s.giveUp = m.Now.Mono + m.Tuning.SyncTimeout
	s.asked = min(len(s.frontier), wire.TreeNodesMax)
	if s.level == merkle.Leaves {
		ask := wire.LeafAsk{Session: s.id, Leaves: s.frontier[:s.asked]}
		m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindLeafAsk, &ask))
		return
	}
	ask := wire.TreeAsk{Session: s.id, Level: s.level, Digest: m.digest, Nodes: s.frontier[:s.asked]}
	m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindTreeAsk, &ask))
}

// HandleTreeAsk answers with the sums of the children of those nodes, and with no sums when everything is equal.
func (m *Machine) HandleTreeAsk(from *step.Peer, in *wire.TreeAsk) error {
	reply := wire.TreeAnswer{Session: in.Session, Level: in.Level, Digest: m.digest}
	if in.Digest != m.digest {
		reply.Nodes = in.Nodes
		for _, node := range in.Nodes {
			reply.Children = append(reply.Children, m.index.tree.Children(in.Level, node))
		}
	} else {
		m.equalTo(from)
	}
	m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindTreeAnswer, &reply))
	return nil
}

// HandleTreeAnswer collects the children that differ, and asks about them.
func (m *Machine) HandleTreeAnswer(from *step.Peer, in *wire.TreeAnswer) error {
	s := &m.session
	if s.peer != from.ID || s.id != in.Session || in.Level != s.level {
		return nil // an answer to a question that was given up.
	}
	if in.Digest == m.digest {
		m.equalTo(from)
		m.Counters.SyncRounds++
		m.end(true)
		return nil
	}
	if !slices.Equal(in.Nodes, s.frontier[:s.asked]) {
		m.end(false) // the trees were equal when it was asked, and are not any more; or the other way round.
		return nil
	}
	for i, node := range in.Nodes {
		ours := m.index.tree.Children(in.Level, node)
		for k := range ours {
			if ours[k] != in.Children[i][k] {
				s.below = append(s.below, node*merkle.FanOut+uint32(k))
			}
		}
	}
	m.goOn(s.asked)
	return nil
}

// goOn asks about the rest of the level, or about the next level.
func (m *Machine) goOn(done int) {
	s := &m.session
	s.frontier = s.frontier[done:]
	if len(s.frontier) == 0 && s.level < merkle.Leaves {
		s.level, s.frontier, s.below = s.level+1, s.below, nil
	}
	if len(s.frontier) == 0 {
		m.Counters.SyncRounds++
		m.end(true)
		return
	}
	m.askTree()
}

// HandleLeafAsk lists what is held in leaves: as many of them as fit, but one at least.
func (m *Machine) HandleLeafAsk(from *step.Peer, in *wire.LeafAsk) error {
	reply := wire.LeafAnswer{Session: in.Session}
	for _, leaf := range in.Leaves {
		before := len(reply.Keys)
		if !m.listLeaf(leaf, func(path string, v slot.Version) {
			reply.Keys = append(reply.Keys, wire.HeldVersion{Path: path, Version: v})
		}) {
			return nil // an incomplete list would claim that the rest is not here.
		}
		if reply.Leaves > 0 && len(reply.Keys) > contract.SyncKeysMax {
			reply.Keys = reply.Keys[:before]
			break
		}
		reply.Leaves++
	}
	m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindLeafAnswer, &reply))
	return nil
}

// HandleLeafAnswer pulls what is newer at the peer, and queues for it what is newer here.
func (m *Machine) HandleLeafAnswer(from *step.Peer, in *wire.LeafAnswer) error {
	s := &m.session
	if s.peer != from.ID || s.id != in.Session || s.level != merkle.Leaves || in.Leaves > s.asked {
		return nil
	}
	m.reconcile(from, s.frontier[:in.Leaves], in.Keys)
	m.goOn(in.Leaves)
	return nil
}

// reconcile compares what two members hold in some leaves.
func (m *Machine) reconcile(from *step.Peer, leaves []uint32, theirs []wire.HeldVersion) {
	var pull, push []string
	for _, leaf := range leaves {
		end := 0
		for end < len(theirs) && merkle.Leaf(merkle.Hash(theirs[end].Path)) == leaf {
			end++
		}
		list := theirs[:end]
		theirs = theirs[end:]
		m.listLeaf(leaf, func(path string, v slot.Version) {
			for len(list) > 0 && list[0].Path < path {
				pull = append(pull, list[0].Path)
				list = list[1:]
			}
			if len(list) == 0 || list[0].Path != path {
				push = append(push, path)
				return
			}
			w := list[0].Version
			list = list[1:]
			if v == w {
				return
			}
			if v.TS > w.TS || slot.BothWays(v, w) {
				push = append(push, path)
			}
			if v.TS < w.TS || slot.BothWays(v, w) {
				pull = append(pull, path)
			}
		})
		for _, k := range list {
			pull = append(pull, k.Path)
		}
	}
	m.session.differs = m.session.differs || len(pull)+len(push) > 0
	for part := range slices.Chunk(pull, wire.SyncPullMax) {
		m.Counters.SyncPulled += uint64(len(part))
		m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindSyncPull, &wire.SyncPull{Paths: part}))
	}
	for _, path := range push {
		if e, ok, _ := m.DurableEntry(path); ok {
			m.Counters.SyncPushed++
			m.owner.Enqueue(from, e)
		} else {
			m.scrubKey(schema.RecordKey(path), IndexKey(path))
		}
	}
}

// equalTo records that a peer holds the same.
func (m *Machine) equalTo(p *step.Peer) {
	m.likeness.Of(p).equal, m.likeness.Of(p).differs = m.Now.Mono, 0
}

// DigestHeard compares the digest in a peer's pulse with this member's. Digests differ for moments all the time, while
// writes are in flight; a difference that stays, with nothing queued for the peer, makes a comparison begin soon.
func (m *Machine) DigestHeard(p *step.Peer, digest uint64) {
	switch {
	case digest == 0:
	case digest == m.digest:
		m.equalTo(p)
	case m.likeness.Of(p).differs == 0:
		m.likeness.Of(p).differs = m.Now.Mono
	case m.Now.Mono-m.likeness.Of(p).differs > m.Tuning.SyncPatience && !m.owner.Waits(p) && m.session.peer == 0:
		m.likeness.Of(p).differs = m.Now.Mono // once for each time that the difference lasted so long.
		m.likeness.Of(p).compared = 0
		m.Soon()
	}
}

// DurableEntry reads a record to send, unless it fails its checksum, or cannot be read now.
func (m *Machine) DurableEntry(path string) (wire.Entry, bool, error) {
	b, ok, err := m.Store.Get(schema.PrefixRecord + path)
	if err == nil && ok {
		_, err = slot.Decode(path, b)
	}
	if err != nil {
		m.Log(contract.LogError, "record not sent", "path", path, "error", err.Error())
		return wire.Entry{}, false, err
	}
	return wire.Entry{Path: path, Record: b}, ok, nil
}

// HandleSyncPull sends the requested records, as many as the bound allows; the next comparison brings the rest.
func (m *Machine) HandleSyncPull(from *step.Peer, ask *wire.SyncPull) error {
	var out wire.Replicate
	batchBytes, bytes := 0, 0
	flush := func() {
		if len(out.Entries) > 0 {
			m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindReplicate, &out))
		}
		out.Entries, batchBytes = out.Entries[:0], 0
	}
	for _, path := range ask.Paths {
		e, ok, _ := m.DurableEntry(path)
		if !ok {
			continue
		}
		size := e.WireBytes()
		if bytes > 0 && bytes+size > m.Tuning.SyncPullBytes {
			break
		}
		if len(out.Entries) == wire.ReplicateEntriesMax || batchBytes+size > m.Tuning.BatchBytesMax {
			flush()
		}
		out.Entries = append(out.Entries, e)
		batchBytes, bytes = batchBytes+size, bytes+size
	}
	flush()
	return nil
}
