package node

import (
	"fmt"
	"slices"
	"time"

	"kvs/node/swim"
)

// The quorum level. A write is stored here, sent to all other holders of the path, and answered once more than half of all
// voters have it on disk. A read asks the voters, takes a majority's slots, merges them into this member's own store, and
// answers from there; when the slots were not all the same, the merged one is on the disks of a majority before the answer
// (the write-back of Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems", 1995, section 3). So a
// quorum read never goes back behind an answered quorum write or read of the path.
//
// Voters are all members that have not left, the dead included: two halves of a cluster must not both be a majority. Until
// members have met, Options.ExpectedMembers stands in for those not heard of. The promise needs members to agree on who they
// are, but for one joining at a time: config epochs, which settle that for good, are not built yet.

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
	done     []ID      // peers that did the part under way, sorted.
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

// voters is the number of members that count, and majority how many of them are enough.
// Members that left or were removed are not expected any more.
func (n *Node) voters() int {
	gone := n.swim.Count(swim.Left) + n.swim.Count(swim.Removed)
	return max(len(n.roster), n.opts.ExpectedMembers-gone, 1)
}

func (n *Node) majority() int { return n.voters()/2 + 1 }

// beginQuorum makes an operation that waits for other members, or refuses it when that is hopeless: nothing has happened
// then.
func (n *Node) beginQuorum(r *Request) *quorumOp {
	if n.gone() { // of a cluster of two, it would be a majority of those that it still counts.
		n.refuse(r, CodeNoQuorum, n.retirement())
		return nil
	}
	if n.reachable() < n.majority() {
		n.refuse(r, CodeNoQuorum, fmt.Sprintf("%d of %d members can be reached, %d are needed: try again later, or use consistency=eventual",
			n.reachable(), n.voters(), n.majority()))
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

// reachable counts this member and the peers that are not known to be dead.
func (n *Node) reachable() int {
	count := 1
	for _, p := range n.peers {
		if !p.dead() {
			count++
		}
	}
	return count
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
		if _, done := slices.BinarySearch(o.done, p.id); done || p.dead() {
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
		return n.encodeFetch(o.id, o.request.Path), o.local
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
	return n.encodeStore(&storeMessage{op: o.id, entry: entry{o.request.Path, o.record}}), max(o.local, h.after)
}

// advanceQuorum goes on with an operation whose part is done by a majority, this member included.
func (n *Node) advanceQuorum(o *quorumOp) {
	if o.answered {
		if n.stragglers(o) == 0 {
			n.dropQuorum(o)
		}
		return
	}
	own := 1
	if o.fetching && !n.bootstrap.complete() {
		own = 0 // what this member holds proves nothing yet.
	}
	if len(o.done)+own < n.majority() {
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
		Detail: fmt.Sprintf("%d of %d members answered in time, %d are needed", len(o.done)+1, n.voters(), n.majority()),
	}
	if o.request.Op != OpGet {
		resp.Outcome = OutcomeUnknown
	}
	n.reply(0, resp)
	n.handOver(o)
}

// handleStore stores what a coordinator sends, and says so once it, or something newer, is durable.
func (n *Node) handleStore(from *peer, body []byte) error {
	m, err := decodeStore(body)
	if err != nil {
		return err
	}
	after, err := n.merge(from, m.path, m.record)
	if err != nil {
		return err
	}
	n.send(TransportFrame, from.addr, after, n.encodeStored(m.op))
	return nil
}

// handleStored counts a peer's part, once.
func (n *Node) handleStored(from *peer, body []byte) error {
	op, err := decodeStored(body)
	if err != nil {
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
	op, path, err := decodeFetch(body)
	if err != nil {
		return err
	}
	if !n.bootstrap.complete() {
		return nil // it may be the successor of a member that acknowledged what it does not hold yet.
	}
	h, _, err := n.currentSlot(path)
	if err != nil {
		n.log(LogError, "record not sent", "path", path, "error", err.Error())
		return nil // rot or a broken disk: no answer is better than "nothing", and the peer's frame is none the worse.
	}
	n.send(TransportFrame, from.addr, h.after, n.encodeFetched(&storeMessage{op: op, entry: entry{path, h.record}}))
	return nil
}

// handleFetched merges a peer's slot into this member's own store: an old answer can never bring back what has been
// superseded meanwhile.
func (n *Node) handleFetched(from *peer, body []byte) error {
	m, err := decodeFetched(body)
	if err != nil {
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
