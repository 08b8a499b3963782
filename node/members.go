package node

import (
	"errors"
	"slices"

	"kvs/node/swim"
)

// datagram opens a gossip packet.
func (n *Node) datagram(in *Datagram) {
	kind, from, body, err := openEnvelope(in.Data, n.cluster)
	if err == nil && kind != msgGossip {
		err = ErrBadMessage
	}
	if err == nil && n.foreign(kind, from, in.Data) {
		n.counters.DatagramsIn++
		return
	}
	var m pulse
	if err == nil {
		m, body, err = decodePulse(body)
	}
	if err == nil {
		n.hearPulse(from, &m)
		n.watchClock()
		err = n.swim.Datagram(n.now.Mono, in.From, body, &n.swimOut)
	}
	n.counters.DatagramsIn++
	n.countBad(err, &n.counters.DatagramsBad)
}

// frame opens a message that came over a stream.
func (n *Node) frame(in *Frame) {
	n.counters.FramesIn++
	kind, from, body, err := openEnvelope(in.Data, n.cluster)
	if err == nil && n.foreign(kind, from, in.Data) {
		return
	}
	if err == nil && kind != msgMemberTable && n.tooLate(from, envelopeStamp(in.Data)) {
		n.counters.FramesLate++
		return
	}
	if err == nil {
		err = n.dispatch(kind, from, body)
	}
	n.countBad(err, &n.counters.FramesBad)
}

func (n *Node) countBad(err error, counter *uint64) {
	switch {
	case err == nil:
	case errors.Is(err, errOtherCluster):
		n.counters.OtherCluster++
	case errors.Is(err, errRead): // the frame is none the worse, and its sender tries again.
		n.log(LogError, "message not answered", "error", err.Error())
	default:
		*counter++
		n.log(LogDebug, "message dropped", "error", err.Error())
	}
}

func (n *Node) dispatch(kind msgKind, from ID, body []byte) error {
	if kind == msgMemberTable {
		return n.swim.Stream(n.now.Mono, body, &n.swimOut)
	}
	p := n.peer(from)
	if p == nil {
		return nil // not a member yet, or not any more: it tries again after the member table has reached us.
	}
	if n.bootstrap.quiet() && kind.compares() {
		return nil // the peer gives up: what this node holds is no answer yet.
	}
	switch kind {
	case msgReplicate:
		return n.handleReplicate(p, body)
	case msgReplicateAck:
		return n.handleReplicateAck(p, body)
	case msgTreeAsk:
		return n.handleTreeAsk(p, body)
	case msgTreeAnswer:
		return n.handleTreeAnswer(p, body)
	case msgLeafAsk:
		return n.handleLeafAsk(p, body)
	case msgLeafAnswer:
		return n.handleLeafAnswer(p, body)
	case msgSyncPull:
		return n.handleSyncPull(p, body)
	case msgStore:
		return n.handleStore(p, body)
	case msgStored:
		return n.handleStored(p, body)
	case msgFetch:
		return n.handleFetch(p, body)
	case msgFetched:
		return n.handleFetched(p, body)
	case msgConfigAsk:
		return n.handleConfigAsk(p, body)
	case msgConfigIs:
		return n.handleConfigIs(p, body)
	case msgPrepare:
		return n.handlePrepare(p, body)
	case msgLook:
		return n.handleLook(p, body)
	case msgPromised:
		return n.handlePromised(p, body)
	case msgAccept:
		return n.handleAccept(p, body)
	case msgAccepted:
		return n.handleAccepted(p, body)
	case msgEpoch:
		return n.handleEpoch(p, body)
	case msgPassedAsk:
		return n.handlePassedAsk(p, body)
	case msgPassedIs:
		return n.handlePassedIs(p, body)
	case msgAdoptedAsk:
		return n.handleAdoptedAsk(p, body)
	case msgAdoptedIs:
		return n.handleAdoptedIs(p, body)
	case msgWordAsk:
		return n.handleWordAsk(p, body)
	case msgWord:
		return n.handleWord(p, body)
	case msgWordBack:
		return n.handleWordBack(p, body)
	case msgCatchRange:
		return n.handleCatchRange(p, body)
	case msgCatchKeys:
		return n.handleCatchKeys(p, body)
	case msgCatchPull:
		return n.handleCatchPull(p, body)
	case msgCatchSlots:
		return n.handleCatchSlots(p, body)
	case msgHello:
		return n.handleHello(p, body)
	case msgPlanAsk:
		return n.handlePlanAsk(p, body)
	case msgPlan:
		return n.handlePlan(p, body)
	case msgPageAsk:
		return n.handlePageAsk(p, body)
	case msgPage:
		return n.handlePage(p, body)
	case msgGoneAsk:
		return n.handleGoneAsk(p, body)
	case msgGoneAnswer:
		return n.handleGoneAnswer(p, body)
	case msgGoneWord:
		return n.handleGoneWord(p, body)
	}
	return ErrBadMessage
}

func (n *Node) peer(id ID) *peer {
	i, ok := n.peerIndex(id)
	if !ok {
		return nil
	}
	return n.peers[i]
}

func (n *Node) peerIndex(id ID) (int, bool) {
	return slices.BinarySearchFunc(n.peers, id, func(p *peer, id ID) int {
		switch {
		case p.id < id:
			return -1
		case p.id > id:
			return 1
		}
		return 0
	})
}

// drainSwim passes on what the membership machine wants said and heeds what it found out.
func (n *Node) drainSwim() {
	for _, e := range n.swimOut.Events {
		n.memberChanged(&e)
	}
	if n.eff.Electorate != nil {
		n.decideAnew()
	}
	for _, s := range n.swimOut.Sends {
		if s.Stream {
			b := append(n.beginEnvelope(msgMemberTable, len(s.Data)), s.Data...)
			n.send(TransportFrame, s.To, 0, sealEnvelope(b))
			continue
		}
		m := n.makePulse(s.To)
		b := appendPulse(n.beginEnvelope(msgGossip, pulseBytes+len(s.Data)), &m)
		n.send(TransportDatagram, s.To, 0, sealEnvelope(append(b, s.Data...)))
	}
	clear(n.swimOut.Sends)
	clear(n.swimOut.Events)
	n.swimOut.Sends, n.swimOut.Events = n.swimOut.Sends[:0], n.swimOut.Events[:0]
}

func (n *Node) memberChanged(e *swim.Event) {
	m := e.Member
	if m.ID == n.id { // others say that its membership has ended.
		n.retire()
		return
	}
	level := LogInfo
	if m.State == swim.Suspect {
		level = LogDebug
	}
	n.log(level, "member "+m.State.String(), "member", m.Name, "id", m.ID.String(), "addr", m.Addr, "was", e.Was.String(), "new", e.New)
	if m.State.Gone() {
		n.booksDirty = true
		n.strike(m.ID)
		n.forgetPeer(m.ID)
		return
	}
	n.enroll(m.ID, Timestamp(m.Born))
	i, known := n.peerIndex(m.ID)
	switch {
	case n.gone():
		n.booksDirty = n.booksDirty || e.New
	case !known:
		p := &peer{id: m.ID, addr: m.Addr, state: m.State, diedAt: n.now.Mono}
		n.peers = slices.Insert(n.peers, i, p)
		n.booksDirty = true
		n.syncSoon()
		n.peerStands(p)
		n.wantConfig(p)
	default:
		p := n.peers[i]
		n.booksDirty = n.booksDirty || p.addr != m.Addr || e.Was == m.State // with the same state, it is the name or the address.
		back := p.state == swim.Dead && m.State == swim.Alive
		if p.state != swim.Dead && m.State == swim.Dead {
			p.diedAt = n.now.Mono
		}
		p.addr, p.state = m.Addr, m.State
		if back {
			n.peerBack(p)
			n.wantConfig(p)
		}
		n.peerStands(p)
	}
}

// peerBack lets a returned peer have at once what waited for it.
func (n *Node) peerBack(p *peer) {
	if p.inflight.frame != nil {
		p.inflight.delay = n.tuning.AckTimeout
		p.inflight.retryAt = n.now.Mono
		n.retryBatch(p)
	}
	n.pump(p)
	n.syncSoon()
}

// rosterEntry is a member as far as conflicts are concerned.
type rosterEntry struct {
	id   ID
	born Timestamp
}

func (n *Node) rosterIndex(id ID) (int, bool) {
	return slices.BinarySearchFunc(n.roster, id, func(r rosterEntry, id ID) int { return compareID(r.id, id) })
}

// enroll makes a member a voter. Dead members stay voters; those that left stay voters of what is older.
func (n *Node) enroll(id ID, born Timestamp) {
	i, known := n.rosterIndex(id)
	switch {
	case !known:
		n.roster = slices.Insert(n.roster, i, rosterEntry{id, born})
	case n.roster[i].born != born:
		n.roster[i].born = born
	default:
		return
	}
	n.electorateChanged()
}

// strike takes a member that is gone off the roster, if it was on it.
func (n *Node) strike(id ID) {
	if i, known := n.rosterIndex(id); known {
		n.roster = slices.Delete(n.roster, i, i+1)
	}
	n.electorateChanged()
}

// electorateChanged gives seats to all on the roster and to the gone. When all that the step has heard of members is known, drainSwim
// decides anew.
func (n *Node) electorateChanged() {
	var seats []Seat
	for _, r := range n.roster {
		seats = append(seats, Seat{Member: r.id, Born: r.born})
	}
	if n.swim != nil {
		n.former = formerMembers(n.swim.Members())
	}
	n.electorate = NewElectorateOf(append(seats, n.former...))
	n.eff.Electorate = n.electorate
}

// formerMembers are the seats of those in a member table that are gone. What the table forgets is forgotten here.
func formerMembers(table []swim.Member) (former []Seat) {
	for i := range table {
		if m := &table[i]; m.State.Gone() {
			former = append(former, Seat{Member: m.ID, Born: Timestamp(m.Born), Gone: m.GoneAt})
		}
	}
	return former
}
