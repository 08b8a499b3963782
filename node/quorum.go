package node

import (
	"fmt"
	"slices"
	"time"
)

// The quorum level. A write is stored here, sent to all other holders of the path, and answered once more than half of the
// voters have it on disk. A read asks the voters, takes a majority's slots, merges them into this member's own store, and
// answers from there; when the slots were not all the same, the merged one is on the disks of a majority before the answer
// (the write-back of Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems", 1995, section 3). So a
// quorum read never goes back behind an answered quorum write or read of the path.
//
// Voters are those of the configuration in force (epoch.go), and the epoch rule holds: a question is pinned to one epoch, a voter
// of a newer one refuses it, and an operation that learns of a newer one asks again, in that epoch, those who vote there. So two
// majorities of one epoch share a voter; those of epochs that follow each other do as well, since one voter changes at a time;
// and a later one holds what catch-up brought it from voters that had sealed the epoch before (catchup.go).

// quorumOpsMax bounds the operations that wait for other members; more are refused as overloaded.
const quorumOpsMax = 4096

// quorumTimeout ends an operation whose request has no deadline.
const quorumTimeout = 10 * time.Second

// quorumOp is a client operation that waits for other members.
type quorumOp struct {
	id       uint64
	request  *Request
	response Response  // the answer, once a majority has done its part.
	fetching bool      // a read that gathers slots; else it waits until the record is stored.
	record   []byte    // what is to be stored; nil: the path holds nothing.
	local    PersistID // this member's own part; the operation waits for it.
	done     []ID      // peers that did the part under way, sorted; those that do not vote among them, which do not count.
	same     []ID      // of a read: peers whose slot is the merged one as far as is known, sorted.
	sum      Version   // of a read: the merged slot so far.
	differ   bool      // of a read: the slots were not all the same.
	retryAt  time.Duration
	delay    time.Duration
	deadline time.Duration
	answered bool // only stragglers are waited for: a copy that is under way need not be sent twice.
}

// quorumOps holds the operations under way, sorted by id.
type quorumOps struct {
	ops  []*quorumOp
	open int // of them, those that are not answered.
	last uint64
	wake time.Duration // no timer of any of them is due before it; zero: there is none.
}

func (q *quorumOps) find(id uint64) (int, bool) {
	return slices.BinarySearchFunc(q.ops, id, func(o *quorumOp, id uint64) int { return compareID(ID(o.id), ID(id)) })
}

// have counts the voters that have done the part under way.
func (n *Node) have(o *quorumOp) (count int) {
	for _, id := range n.config.Voters {
		if _, done := slices.BinarySearch(o.done, id); done {
			count++
		}
	}
	if n.config.Votes(n.id) && (!o.fetching || n.bootstrap.complete() && n.hasVoice()) { // else what this member holds proves nothing yet.
		count++
	}
	return count
}

// beginQuorum makes an operation that waits for other members, or refuses it when that is hopeless: nothing has happened
// then.
func (n *Node) beginQuorum(r *Request) *quorumOp {
	if n.gone() { // of a cluster of two, it would be a majority of those that it still counts.
		n.refuse(r, CodeNoQuorum, n.retirement())
		return nil
	}
	if detail := n.noQuorum(); detail != "" {
		n.refuse(r, CodeNoQuorum, detail)
		return nil
	}
	if n.quorum.open >= quorumOpsMax {
		n.refuse(r, CodeOverloaded, fmt.Sprintf("%d operations wait for other members already", quorumOpsMax))
		return nil
	}
	n.quorum.last++
	o := &quorumOp{id: n.exchangeID(n.quorum.last), request: r, delay: n.tuning.AckTimeout, deadline: n.now.Mono + quorumTimeout}
	if r.Deadline != 0 { // the answer that too few took part shall come before nobody waits for it any more.
		o.deadline = n.now.Mono + (r.Deadline-n.now.Mono)/10*9
	}
	n.quorum.ops = append(n.quorum.ops, o)
	n.quorum.open++
	return o
}

// writeQuorum stores a version here and waits until a majority has it.
func (n *Node) writeQuorum(r *Request) {
	o := n.beginQuorum(r)
	if o == nil {
		return
	}
	w, ok := n.makeVersion(r)
	if !ok {
		n.dropQuorum(o)
		return
	}
	o.response = Response{ID: r.ID, Code: w.code, Level: Quorum, Record: w.record}
	n.storeOnMajority(o, w.encoded, w.after)
}

// storeOnMajority begins the part of an operation in which members store a record.
func (n *Node) storeOnMajority(o *quorumOp, record []byte, local PersistID) {
	o.fetching, o.record, o.local = false, record, local
	o.done = o.same
	o.delay = n.tuning.AckTimeout
	n.askQuorum(o)
}

// readQuorum gathers the slots of a majority.
func (n *Node) readQuorum(r *Request) {
	h, slot, err := n.currentSlot(r.Path)
	if err != nil {
		n.refuseRead(r, err)
		return
	}
	o := n.beginQuorum(r)
	if o == nil {
		return
	}
	o.fetching, o.local, o.sum = true, h.after, slot.version()
	n.askQuorum(o)
}

// askQuorum sends the question of the part under way to every peer that has not answered it.
func (n *Node) askQuorum(o *quorumOp) {
	o.retryAt = min(n.now.Mono+o.delay, o.deadline)
	if n.quorum.wake == 0 || o.retryAt < n.quorum.wake {
		n.quorum.wake = o.retryAt
	}
	var frame []byte
	after := o.local
	for _, p := range n.replicas(o.request.Path) {
		if _, done := slices.BinarySearch(o.done, p.id); done || p.dead() || o.fetching && !n.config.Votes(p.id) {
			continue
		}
		if frame == nil {
			if frame, after = n.encodeQuestion(o); frame == nil {
				break
			}
		}
		n.send(TransportFrame, p.addr, after, frame)
	}
	n.advanceQuorum(o)
}

// encodeQuestion returns the message to ask with, and the persist it waits for. What is to be stored is what this member holds
// by now, the record of the operation or a newer one. If that is nothing, the record was a tombstone, or older than one, that
// all members have held: everybody has done this part.
func (n *Node) encodeQuestion(o *quorumOp) ([]byte, PersistID) {
	if o.fetching {
		return n.encodeFetch(&fetchMessage{o.id, n.epoch(), o.request.Path}), max(o.local, n.configAfter)
	}
	h, _, err := n.currentSlot(o.request.Path)
	switch {
	case err != nil:
		return nil, 0 // rotten, or not to be read now: asked again later.
	case h.record == nil:
		for _, p := range n.replicas(o.request.Path) {
			o.done = insertID(o.done, p.id)
		}
		return nil, 0
	}
	o.record = h.record
	return n.encodeStore(&storeMessage{o.id, n.epoch(), entry{o.request.Path, o.record}}), max(o.local, h.after, n.configAfter)
}

// advanceQuorum goes on with an operation whose part is done by a majority of the voters.
func (n *Node) advanceQuorum(o *quorumOp) {
	if o.answered {
		if n.stragglers(o) == 0 {
			n.dropQuorum(o)
		}
		return
	}
	if n.have(o) < n.config.Majority() {
		return
	}
	if !o.fetching {
		n.endQuorum(o, o.local, o.response)
		return
	}
	h, slot, err := n.currentSlot(o.request.Path)
	if err != nil {
		n.dropQuorum(o)
		n.refuseRead(o.request, err)
		return
	}
	rec := n.electorate.Visible(&slot)
	o.response = Response{ID: o.request.ID, Code: CodeNotFound, Level: Quorum, Record: rec}
	if rec.Live() {
		o.response.Code = CodeOK
	}
	if !o.differ || !slot.Exists() {
		n.endQuorum(o, h.after, o.response)
		return
	}
	n.storeOnMajority(o, h.record, h.after)
}

// endQuorum answers. Those that have not stored the record yet have a while to do so; then it is left to the background to
// bring it to them.
func (n *Node) endQuorum(o *quorumOp, after PersistID, resp Response) {
	n.reply(after, resp)
	n.dropQuorum(o)
	if o.fetching || n.stragglers(o) == 0 {
		return
	}
	if len(n.quorum.ops) >= 2*quorumOpsMax {
		n.handOver(o)
		return
	}
	o.answered, o.retryAt = true, n.now.Mono+n.tuning.AckTimeout
	i, _ := n.quorum.find(o.id)
	n.quorum.ops = slices.Insert(n.quorum.ops, i, o)
	if n.quorum.wake == 0 || o.retryAt < n.quorum.wake {
		n.quorum.wake = o.retryAt
	}
}

// stragglers counts the holders that have not stored the record of an operation.
func (n *Node) stragglers(o *quorumOp) int {
	count := 0
	for _, p := range n.replicas(o.request.Path) {
		if _, done := slices.BinarySearch(o.done, p.id); !done {
			count++
		}
	}
	return count
}

// handOver queues the record of an operation for those that have not stored it.
func (n *Node) handOver(o *quorumOp) {
	if o.fetching || o.record == nil {
		return
	}
	for _, p := range n.replicas(o.request.Path) {
		if _, done := slices.BinarySearch(o.done, p.id); !done {
			n.enqueue(p, entry{o.request.Path, o.record})
		}
	}
}

func (n *Node) dropQuorum(o *quorumOp) {
	if i, ok := n.quorum.find(o.id); ok {
		n.quorum.ops = slices.Delete(n.quorum.ops, i, i+1)
		if !o.answered {
			n.quorum.open--
		}
	}
}

// tickQuorum asks again, and gives up what has run out of time.
func (n *Node) tickQuorum() {
	q := &n.quorum
	if q.wake == 0 || n.now.Mono < q.wake {
		return
	}
	q.wake = 0
	for _, o := range slices.Clone(q.ops) {
		switch {
		case o.answered && n.now.Mono >= o.retryAt:
			n.dropQuorum(o)
			n.handOver(o)
		case !o.answered && n.now.Mono >= o.deadline:
			n.giveUpQuorum(o)
		case n.now.Mono >= o.retryAt:
			o.delay = min(2*o.delay, n.tuning.RetryDelayMax)
			n.askQuorum(o)
		case q.wake == 0 || o.retryAt < q.wake:
			q.wake = o.retryAt
		}
	}
}

// giveUpQuorum answers that too few members took part. A write is stored here and spreads in the background: it may have
// happened, or happen yet.
func (n *Node) giveUpQuorum(o *quorumOp) {
	n.dropQuorum(o)
	resp := Response{
		ID: o.request.ID, Code: CodeNoQuorum, Level: Quorum, RetryAfter: retryAfter,
		Detail: fmt.Sprintf("%d of %d voters answered in time, %d are needed", n.have(o), len(n.config.Voters), n.config.Majority()),
	}
	if o.request.Op != OpGet {
		resp.Outcome = OutcomeUnknown
	}
	n.reply(0, resp)
	n.handOver(o)
}

// restartQuorum asks everybody again: the configuration has changed, and what was said in its predecessor's epoch counts no more.
func (n *Node) restartQuorum() {
	for _, o := range slices.Clone(n.quorum.ops) {
		if o.answered {
			continue // copies are copies.
		}
		o.done, o.same, o.delay = nil, nil, n.tuning.AckTimeout
		n.askQuorum(o)
	}
}

// handleStore stores what a coordinator sends, and says so once it, or something newer, is durable.
func (n *Node) handleStore(from *peer, body []byte) error {
	m, err := decodeStore(body)
	if err != nil || !n.epochAgrees(from, m.epoch) {
		return err
	}
	after, err := n.merge(from, m.path, m.record)
	if err != nil {
		return err
	}
	n.send(TransportFrame, from.addr, max(after, n.configAfter), n.encodeStored(m.op, m.epoch))
	return nil
}

// handleStored counts a peer's part, once.
func (n *Node) handleStored(from *peer, body []byte) error {
	op, epoch, err := decodeStored(body)
	if err != nil || epoch != n.epoch() {
		return err
	}
	if i, ok := n.quorum.find(op); ok && !n.quorum.ops[i].fetching {
		o := n.quorum.ops[i]
		o.done = insertID(o.done, from.id)
		n.advanceQuorum(o)
	}
	return nil
}

// handleFetch answers with what this member holds, once that is durable.
func (n *Node) handleFetch(from *peer, body []byte) error {
	m, err := decodeFetch(body)
	if err != nil || !n.takesPart(from, m.epoch) {
		return err
	}
	if !n.bootstrap.complete() {
		return nil // it may be the successor of a member that acknowledged what it does not hold yet.
	}
	h, _, err := n.currentSlot(m.path)
	if err != nil {
		n.log(LogError, "record not sent", "path", m.path, "error", err.Error())
		return nil // rot or a broken disk: no answer is better than "nothing", and the peer's frame is none the worse.
	}
	n.send(TransportFrame, from.addr, max(h.after, n.configAfter), n.encodeFetched(&storeMessage{m.op, m.epoch, entry{m.path, h.record}}))
	return nil
}

// handleFetched merges a peer's slot into this member's own store: an old answer can never bring back what has been
// superseded meanwhile.
func (n *Node) handleFetched(from *peer, body []byte) error {
	m, err := decodeFetched(body)
	if err != nil || m.epoch != n.epoch() || !n.config.Votes(from.id) {
		return err
	}
	i, ok := n.quorum.find(m.op)
	if !ok || !n.quorum.ops[i].fetching || n.quorum.ops[i].request.Path != m.path {
		return nil
	}
	o := n.quorum.ops[i]
	if _, twice := slices.BinarySearch(o.done, from.id); twice {
		return nil
	}
	theirs := Version{}
	if m.record != nil {
		in, err := DecodeSlot(m.path, m.record)
		if err != nil {
			return err
		}
		theirs = in.version()
		if _, err := n.merge(from, m.path, m.record); err != nil {
			return err
		}
	}
	_, slot, err := n.currentSlot(m.path)
	if err != nil {
		return err
	}
	if merged := slot.version(); merged != o.sum || merged != theirs {
		o.differ = true
		if merged != o.sum {
			o.sum, o.same = merged, nil
		}
	}
	if theirs == o.sum {
		o.same = insertID(slices.Clone(o.same), from.id)
	}
	o.done = insertID(o.done, from.id)
	n.advanceQuorum(o)
	return nil
}

func insertID(ids []ID, id ID) []ID {
	i, known := slices.BinarySearch(ids, id)
	if known {
		return ids
	}
	return slices.Insert(ids, i, id)
}
