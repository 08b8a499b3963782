package quorum

import (
	"fmt"
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/wire"
)

// The quorum level. A write is stored here, sent to all other holders of the path, and answered once more than half of
// the voters have it on disk. A read asks the voters, takes a majority's slots, merges them into this member's own
// store, and answers from there; when the slots were not all the same, the merged one is on the disks of a majority
// before the answer (the write-back of Attiya, Bar-Noy and Dolev, "Sharing Memory Robustly in Message-Passing Systems",
// 1995, section 3). So a quorum read never returns an older version than an answered quorum write or read of the path.
//
// Voters are those of the configuration in force (node/configuration), and the epoch rule holds: a question is pinned
// to one epoch, a voter of a newer one refuses it, and an operation that learns of a newer one asks the voters of that
// epoch again. So two majorities of one epoch share a voter; majorities of successive epochs do as well, since one
// voter changes at a time; and a majority of a later epoch holds what catch-up fetched from voters that had sealed the
// epoch before (node/configuration/catchup.go).

// A write makes its version without having asked which ones there are. So an answered write of another member may
// have a higher one already, if this member has not heard of it and its clock is behind: this write would be hidden
// from its first moment on. Each voter that stores it says whether it holds a higher one. An answered write is on
// the disks of a majority, which share a voter with any other one: a majority of voters without a higher version
// shows that every write that was answered before this one began is below it. When that cannot be had, the write is
// stamped anew, once, above all that was heard of: higher versions that appear after that belong to writes that
// were under way at the same time.

// opsMax bounds the operations that wait for other members; more are refused as overloaded.
const opsMax = 4096

// timeout ends an operation whose request has no deadline.
const timeout = 10 * time.Second

// operation is a client operation that waits for other members.
type operation struct {
	id       uint64
	request  *contract.Request
	response contract.Response  // the answer, once a majority has answered.
	fetching bool               // a read that gathers slots; else it waits until the record is stored.
	record   []byte             // the record to store; nil: the path holds nothing.
	local    contract.PersistID // this member's own part; the operation waits for it.
	made     slot.Timestamp     // of the version of a write that may be stamped anew; else zero.
	covered  []slot.ID          // voters that hold a higher version than that, sorted.
	done     []slot.ID          // peers that did the part under way, sorted; of them only voters count.
	same     []slot.ID          // of a read: peers whose slot is the merged one as far as is known, sorted.
	sum      slot.Version       // of a read: the merged slot so far.
	differ   bool               // of a read: the slots were not all the same.
	retryAt  time.Duration
	delay    time.Duration
	deadline time.Duration
	answered bool // only stragglers are waited for, so that a copy in flight is not sent twice.
}

// have counts the voters that have answered the present phase.
func (m *Machine) have(o *operation) (count int) {
	for _, id := range m.InForce.Voters {
		if _, done := slices.BinarySearch(o.done, id); done {
			count++
		}
	}
	if m.InForce.Votes(m.Self) && (!o.fetching || m.owner.Complete() && m.HasVoice()) {
		count++ // otherwise this member's own data proves nothing yet.
	}
	return count
}

// begin makes an operation that waits for other members, or refuses it when it cannot succeed: nothing has happened
// then.
func (m *Machine) begin(r *contract.Request) *operation {
	// In a cluster of two, it would be a majority of the voters that it still counts.
	if detail := m.owner.Retirement(); detail != "" {
		m.Refuse(r, contract.CodeNoQuorum, detail)
		return nil
	}
	if detail := m.owner.NoQuorum(); detail != "" {
		m.Refuse(r, contract.CodeNoQuorum, detail)
		return nil
	}
	if m.open >= opsMax {
		m.Refuse(r, contract.CodeOverloaded, fmt.Sprintf("%d operations wait for other members already", opsMax))
		return nil
	}
	m.last++
	o := &operation{id: m.ExchangeID(m.last), request: r, delay: m.Tuning.AckTimeout, deadline: m.Now.Mono + timeout}
	if r.Deadline != 0 { // the answer that too few members took part comes before the client gives up.
		o.deadline = m.Now.Mono + (r.Deadline-m.Now.Mono)/10*9
	}
	m.ops = append(m.ops, o)
	m.open++
	return o
}

// writeQuorum stores a version here and waits until a majority has it.
func (m *Machine) writeQuorum(r *contract.Request) {
	o := m.begin(r)
	if o == nil {
		return
	}
	w, ok := m.makeVersion(r)
	if !ok {
		m.drop(o)
		return
	}
	o.response = contract.Response{ID: r.ID, Code: w.code, Level: contract.Quorum, Record: w.record}
	o.made = w.record.TS
	m.storeOnMajority(o, w.stored.Record, w.after)
}

// stampAnew makes the version of a write once more, above all that was heard of. Answers about the former one do not
// count any more. A write that is above all that a majority held is not stamped again; one that is only above what
// this member holds may be.
func (m *Machine) stampAnew(o *operation, aboveMajority bool) {
	w, _, err := m.version(o.request)
	if err != nil {
		m.giveUp(o)
		return
	}
	m.Counters.Restamped++
	if i, ok := m.find(o.id); ok {
		m.ops = slices.Delete(m.ops, i, i+1)
	}
	m.last++
	o.id = m.ExchangeID(m.last)
	m.ops = append(m.ops, o)
	o.made, o.covered, o.same = w.record.TS, nil, nil
	if aboveMajority {
		o.made = 0
	}
	o.response.Record = w.record
	m.storeOnMajority(o, w.stored.Record, w.after)
}

// covers reports whether this member itself holds something higher than the version of a write: that is what it would
// send.
func (m *Machine) covers(o *operation) bool {
	_, held, err := m.CurrentSlot(o.request.Path)
	return err == nil && held.Top() > o.made
}

// hopes counts the voters that have stored the version of a write, with none above it, or may yet.
func (m *Machine) hopes(o *operation) int {
	count := m.have(o)
	for _, id := range m.InForce.Voters {
		_, done := slices.BinarySearch(o.done, id)
		_, covered := slices.BinarySearch(o.covered, id)
		if p := m.Peer(id); !done && !covered && p != nil && !p.Dead() {
			count++
		}
	}
	return count
}

// storeOnMajority begins the part of an operation in which members store a record.
func (m *Machine) storeOnMajority(o *operation, record []byte, local contract.PersistID) {
	o.fetching, o.record, o.local = false, record, local
	o.done = o.same
	o.delay = m.Tuning.AckTimeout
	m.ask(o)
}

// readQuorum gathers the slots of a majority.
func (m *Machine) readQuorum(r *contract.Request) {
	h, slot, err := m.CurrentSlot(r.Path)
	if err != nil {
		m.refuseRead(r, err)
		return
	}
	o := m.begin(r)
	if o == nil {
		return
	}
	o.fetching, o.local, o.sum = true, h.After, slot.Version()
	m.ask(o)
}

// ask sends the question of the present phase to every peer that has not answered it.
func (m *Machine) ask(o *operation) {
	o.retryAt = min(m.Now.Mono+o.delay, o.deadline)
	if m.wake == 0 || o.retryAt < m.wake {
		m.wake = o.retryAt
	}
	var frame []byte
	after := o.local
	for _, p := range m.Replicas(o.request.Path) {
		_, done := slices.BinarySearch(o.done, p.ID)
		_, covered := slices.BinarySearch(o.covered, p.ID)
		if done || covered || p.Dead() || o.fetching && !m.InForce.Votes(p.ID) {
			continue
		}
		if frame == nil {
			if frame, after = m.encodeQuestion(o); frame == nil {
				break
			}
		}
		m.Send(contract.TransportFrame, p.Addr, after, frame)
	}
	m.advance(o)
}

// askAgain asks those that have not answered in time.
func (m *Machine) askAgain(o *operation) {
	switch {
	case o.made == 0:
		m.ask(o)
	case len(o.covered) > 0 && m.have(o)+len(o.covered) >= m.InForce.Majority():
		m.stampAnew(o, true) // the answers have had their time: a majority has stored it or something higher.
	case m.covers(o):
		m.stampAnew(o, false)
	default:
		m.ask(o)
	}
}

// encodeQuestion returns the message to ask with, and the persist it waits for. What is to be stored is what this
// member holds by now, the record of the operation or a newer one. If that is nothing, the record was a tombstone, or
// older than one, that all members have held: everybody has done this part.
func (m *Machine) encodeQuestion(o *operation) ([]byte, contract.PersistID) {
	if o.fetching {
		ask := &wire.Fetch{Op: o.id, Epoch: m.Epoch(), Path: o.request.Path}
		return m.Frame(wire.KindFetch, ask), max(o.local, m.InForceAfter)
	}
	h, _, err := m.CurrentSlot(o.request.Path)
	switch {
	case err != nil:
		return nil, 0 // rotten, or unreadable at the moment: asked again later.
	case h.Record == nil:
		for _, p := range m.Replicas(o.request.Path) {
			o.done = slot.InsertID(o.done, p.ID)
		}
		return nil, 0
	}
	o.record = h.Record
	ask := &wire.Store{Op: o.id, Epoch: m.Epoch(), Entry: wire.Entry{Path: o.request.Path, Record: o.record}}
	return m.Frame(wire.KindStore, ask), max(o.local, h.After, m.InForceAfter)
}

// advance continues an operation whose present phase a majority of the voters has answered.
func (m *Machine) advance(o *operation) {
	if o.answered {
		if m.stragglers(o) == 0 {
			m.drop(o)
		}
		return
	}
	if m.have(o) < m.InForce.Majority() {
		if len(o.covered) > 0 && m.hopes(o) < m.InForce.Majority() {
			m.stampAnew(o, true)
		}
		return
	}
	if !o.fetching {
		for _, id := range o.covered {
			o.done = slot.InsertID(o.done, id)
		}
		o.covered = nil
		m.end(o, o.local, o.response)
		return
	}
	h, slot, err := m.CurrentSlot(o.request.Path)
	if err != nil {
		m.drop(o)
		m.refuseRead(o.request, err)
		return
	}
	rec := m.Electorate.Visible(&slot)
	o.response = contract.Response{ID: o.request.ID, Code: contract.CodeNotFound, Level: contract.Quorum, Record: rec}
	if rec.Live() {
		o.response.Code = contract.CodeOK
	}
	if !o.differ || !slot.Exists() {
		m.end(o, h.After, o.response)
		return
	}
	m.storeOnMajority(o, h.Record, h.After)
}

// end answers the client. Holders that have not stored the record yet have a while to do so; after that the replication
// queues bring it to them.
func (m *Machine) end(o *operation, after contract.PersistID, resp contract.Response) {
	m.Reply(after, resp)
	m.drop(o)
	if o.fetching || m.stragglers(o) == 0 {
		return
	}
	if len(m.ops) >= 2*opsMax {
		m.handOver(o)
		return
	}
	o.answered, o.retryAt = true, m.Now.Mono+m.Tuning.AckTimeout
	i, _ := m.find(o.id)
	m.ops = slices.Insert(m.ops, i, o)
	if m.wake == 0 || o.retryAt < m.wake {
		m.wake = o.retryAt
	}
}

// stragglers counts the holders that have not stored the record of an operation.
func (m *Machine) stragglers(o *operation) int {
	count := 0
	for _, p := range m.Replicas(o.request.Path) {
		if _, done := slices.BinarySearch(o.done, p.ID); !done {
			count++
		}
	}
	return count
}

// handOver queues the record of an operation for the holders that have not stored it.
func (m *Machine) handOver(o *operation) {
	if o.fetching || o.record == nil {
		return
	}
	for _, p := range m.Replicas(o.request.Path) {
		if _, done := slices.BinarySearch(o.done, p.ID); !done {
			m.owner.Enqueue(p, wire.Entry{Path: o.request.Path, Record: o.record})
		}
	}
}

func (m *Machine) drop(o *operation) {
	if i, ok := m.find(o.id); ok {
		m.ops = slices.Delete(m.ops, i, i+1)
		if !o.answered {
			m.open--
		}
	}
}

// Tick repeats questions, and gives up operations that have run out of time.
func (m *Machine) Tick() {
	if m.wake == 0 || m.Now.Mono < m.wake {
		return
	}
	m.wake = 0
	for _, o := range slices.Clone(m.ops) {
		switch {
		case o.answered && m.Now.Mono >= o.retryAt:
			m.drop(o)
			m.handOver(o)
		case !o.answered && m.Now.Mono >= o.deadline:
			m.giveUp(o)
		case m.Now.Mono >= o.retryAt:
			o.delay = min(2*o.delay, m.Tuning.RetryDelayMax)
			m.askAgain(o)
		case m.wake == 0 || o.retryAt < m.wake:
			m.wake = o.retryAt
		}
	}
}

// giveUp answers that too few members took part. A write is stored here and spreads in the background: it may have
// happened, or happen yet.
func (m *Machine) giveUp(o *operation) {
	m.drop(o)
	resp := contract.Response{
		ID: o.request.ID, Code: contract.CodeNoQuorum, Level: contract.Quorum, RetryAfter: contract.RetryAfter,
		Detail: fmt.Sprintf("%d of %d voters answered in time, %d are needed",
			m.have(o), len(m.InForce.Voters), m.InForce.Majority()),
	}
	if o.request.Op != contract.OpGet {
		resp.Outcome = contract.OutcomeUnknown
	}
	m.Reply(0, resp)
	m.handOver(o)
}

// Restart asks all voters again: the configuration has changed, and answers of the former epoch no longer count.
func (m *Machine) Restart() {
	for _, o := range slices.Clone(m.ops) {
		if o.answered {
			continue // copies need no new answers.
		}
		o.done, o.same, o.covered, o.delay = nil, nil, nil, m.Tuning.AckTimeout
		m.askAgain(o)
	}
}
