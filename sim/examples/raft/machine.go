package raft

import (
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/sim"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// Options of New.
type Options struct {
	ID     uint64 // of this node, from 1 on.
	Boot   uint64 // a number that no earlier start on this disk had.
	Rand   *rand.Rand
	Disk   sim.Reader
	Tuning Tuning

	Address func(id uint64) string // of a node.
}

// Machine is one node: the library's RawNode, its log and snapshots on a disk, and the registers that the log makes.
// It is stepped by one goroutine and does no I/O: see Step.
type Machine struct {
	id     uint64
	boot   uint64
	rng    *rand.Rand
	tuning Tuning

	address func(id uint64) string

	node    *raft.RawNode
	storage *storage
	journal journal
	timer   timer

	registers *registers
	applied   entryID
	hash      uint64        // over everything applied, in order.
	conf      *pb.ConfState // as applied.
	snapshot  uint64        // index of the latest snapshot.

	requests  []request
	reads     uint64      // how many reads this boot has asked for.
	snapshots []delivery  // snapshots in flight to other nodes.
	pending   *raft.Ready // handed out and not advanced: without Async there is at most one.
	// overtaking is the latest snapshot that came meanwhile. The library would use its configuration at once, and then
	// apply the older changes in the Ready to that configuration.
	overtaking *pb.Message
	broken     bool // the disk failed: the node does nothing any more.

	elected, committed uint64 // what the checkers have been told: the last term won, and the highest index committed.
	led                uint64 // the last term of which they got the leader's log.
	said               state  // the role that was logged last.

	now time.Duration // of the present step,
	eff *sim.Effects  // and its effects.
}

// delivery is a snapshot that was sent to a node and has to be reported as lost if it is not confirmed.
type delivery struct {
	to    uint64
	until time.Duration
}

// New starts a node on its disk. It fails if the disk cannot be read.
func New(now sim.Time, o Options, eff *sim.Effects) (*Machine, error) {
	if err := o.Tuning.validate(); err != nil {
		return nil, err
	}
	s, empty, err := load(o.Disk)
	if err != nil {
		return nil, fmt.Errorf("starting node %d: %w", o.ID, err)
	}
	m := &Machine{
		id: o.ID, boot: o.Boot, rng: o.Rand, tuning: o.Tuning, storage: s, registers: newRegisters(), hash: hashSeed,
		conf: &pb.ConfState{}, address: o.Address,
		now: now.Mono, eff: eff,
	}
	s.fresh = m.makeSnapshot
	if empty && o.ID <= uint64(o.Tuning.Voters) {
		m.found()
	}
	m.journal = newJournal(s)
	if empty && !raft.IsEmptySnap(s.snap) {
		m.journal.putMessage(keyHard, s.hard)
		m.journal.putMessage(keySnap, s.snap)
		m.journal.put(keyBase, encodeBase(s.base))
	}
	if !raft.IsEmptySnap(s.snap) {
		if err := m.restore(s.snap); err != nil {
			return nil, fmt.Errorf("starting node %d: %w", o.ID, err)
		}
	}
	m.node, err = raft.NewRawNode(&raft.Config{
		ID: o.ID, ElectionTick: o.Tuning.ElectionTicks, HeartbeatTick: o.Tuning.HeartbeatTicks, Storage: s,
		Applied:            m.applied.index,
		AsyncStorageWrites: o.Tuning.Async, MaxSizePerMsg: uint64(o.Tuning.EntriesBytes), MaxInflightMsgs: inflightMax,
		MaxUncommittedEntriesSize: uncommittedBytesMax, CheckQuorum: o.Tuning.CheckQuorum, PreVote: o.Tuning.PreVote,
		ReadOnlyOption: o.Tuning.reads(), StepDownOnRemoval: true, Logger: silent{},
	})
	if err != nil {
		return nil, fmt.Errorf("starting node %d: %w", o.ID, err)
	}
	m.committed = s.hard.GetCommit()
	m.timer = newTimer(m)
	m.timer.next = m.now + m.tuning.Tick
	m.work()
	return m, nil
}

// Bounds of the library's queues, and of the requests that a node holds.
const (
	inflightMax         = 16
	uncommittedBytesMax = 1 << 20
	requestsMax         = 256
)

func (t *Tuning) reads() raft.ReadOnlyOption {
	if t.LeaseReads {
		return raft.ReadOnlyLeaseBased
	}
	return raft.ReadOnlySafe
}

// found makes the first configuration, the same on every node that belongs to it: a snapshot of nothing at index 1, as
// the comment of raft.NewRawNode recommends.
func (m *Machine) found() {
	conf := pb.EnsureConfState(nil)
	for id := uint64(1); id <= uint64(m.tuning.Voters); id++ {
		conf.Voters = append(conf.Voters, id)
	}
	m.conf, m.applied = conf, entryID{1, 1}
	m.storage.restore(m.makeSnapshot())
	m.storage.hard = &pb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))}
}

// Step gives the node one input. Times are monotonic: the library counts ticks, and reads no wall clock.
//
// Data that is damaged, or for another node, is dropped. When a disk fails the node sends nothing until it is started
// again.
func (m *Machine) Step(now sim.Time, in *sim.Input, eff *sim.Effects) {
	if m.broken {
		return
	}
	m.eff, m.now = eff, now.Mono
	switch in.Kind {
	case sim.InputTick:
		m.timer.tick()
		m.expire()
	case sim.InputDatagram, sim.InputFrame:
		m.receive(in.Data)
	case sim.InputPersisted:
		if in.Err != nil {
			m.broken = true
			return
		}
		m.settle(in.UpTo)
	case sim.InputRequest:
		m.request(in)
	case sim.InputControl:
		m.control(in.Body.(*Control))
	}
	m.work()
}

func (m *Machine) receive(data []byte) {
	msg, err := DecodeMessage(data)
	if err != nil || msg.GetTo() != m.id {
		return
	}
	if msg.GetType() == pb.MsgSnap && m.pending != nil && !m.tuning.EarlySnapshots {
		m.overtaking = msg
		return
	}
	m.take(msg)
}

// take hands a message to the library.
func (m *Machine) take(msg *pb.Message) {
	before := m.timer.look()
	if err := m.node.Step(msg); err == nil {
		m.timer.stepped(before, msg)
	}
}

// work carries out what the library has ready, until it has nothing left, and closes the step.
func (m *Machine) work() {
	m.noteElected()
	for m.pending == nil && m.node.HasReady() {
		rd := m.node.Ready()
		if m.tuning.Async {
			m.handleAsync(&rd)
		} else {
			m.handle(&rd)
		}
		m.settle(m.journal.durable)
		m.noteElected()
	}
	m.compact()
	m.noteProgress()
	m.say()
	m.eff.Persist = m.journal.take()
	m.eff.Wake = m.timer.next
}

// handle carries out a Ready by the rules of the package comment of raft, "Usage": persist, then send, apply and
// advance.
func (m *Machine) handle(rd *raft.Ready) {
	w := m.journal.store(rd.HardState, rd.Snapshot, rd.Entries)
	m.noteLog(rd.Entries)
	m.readStates(rd.ReadStates)
	after := m.journal.after()
	for _, msg := range rd.Messages {
		m.send(after, msg)
	}
	w.ready = rd
	m.pending = rd
	m.journal.wait(w)
}

// handleAsync carries out a Ready by the rules of raft.Config.AsyncStorageWrites: messages leave at once, except the
// responses of a write to the disk. One rule is added: a request for votes waits for the disk as well. The library lets
// it leave at once, and then a candidate may win with the votes of others before its own term is durable, crash, and
// win the same term a second time, with another log.
func (m *Machine) handleAsync(rd *raft.Ready) {
	m.readStates(rd.ReadStates)
	for _, msg := range rd.Messages {
		if msg.GetTo() == raft.LocalAppendThread {
			m.appendAsync(rd, msg)
		}
	}
	for _, msg := range rd.Messages {
		switch {
		case msg.GetTo() == raft.LocalAppendThread:
		case msg.GetTo() == raft.LocalApplyThread:
			m.apply(msg.GetEntries())
			m.respond(msg.GetResponses())
		case msg.GetType() == pb.MsgVote && !m.tuning.EarlyVotes:
			m.send(m.journal.after(), msg)
		default:
			m.send(0, msg)
		}
	}
}

func (m *Machine) appendAsync(rd *raft.Ready, msg *pb.Message) {
	w := m.journal.store(rd.HardState, msg.GetSnapshot(), msg.GetEntries())
	m.noteLog(msg.GetEntries())
	after := m.journal.after()
	for _, r := range msg.GetResponses() {
		if r.GetTo() == m.id {
			w.responses = append(w.responses, r)
		} else {
			m.send(after, r)
		}
	}
	m.journal.wait(w)
}

// settle completes the writes of persists up to a number.
func (m *Machine) settle(upTo sim.PersistID) {
	for _, w := range m.journal.ended(upTo) {
		m.storage.take(&w)
		if w.snapshot != nil {
			if err := m.restore(w.snapshot); err != nil {
				panic(fmt.Sprintf("raft: node %d: %v", m.id, err))
			}
		}
		m.respond(w.responses)
		if w.ready != nil {
			m.apply(w.ready.CommittedEntries)
			before := m.timer.look()
			m.node.Advance(*w.ready)
			m.timer.changed(before)
			m.pending = nil
			if msg := m.overtaking; msg != nil {
				m.overtaking = nil
				m.take(msg)
			}
		}
	}
}

// respond hands the library its own responses.
func (m *Machine) respond(list []*pb.Message) {
	for _, msg := range list {
		before := m.timer.look()
		_ = m.node.Step(msg) // it refuses responses that it no longer needs.
		m.timer.changed(before)
	}
}

// send lets a message go when the persist after is durable.
func (m *Machine) send(after sim.PersistID, msg *pb.Message) {
	if msg.GetType() == pb.MsgSnap {
		m.snapshots = append(m.snapshots, delivery{msg.GetTo(),
			m.now + time.Duration(2*m.tuning.ElectionTicks)*m.tuning.Tick})
	}
	data := EncodeMessage(msg)
	transport := sim.TransportDatagram // the library tolerates loss, duplicates and any order.
	if len(data) > sim.DatagramBytesMax {
		transport = sim.TransportFrame
	}
	m.eff.Sends = append(m.eff.Sends, sim.Send{After: after, Transport: transport, To: m.address(msg.GetTo()),
		Data: data})
}

// expire reports unconfirmed snapshots, and answers requests that have waited long enough. Reporting a snapshot that
// did arrive is harmless: the library has gone on by then.
func (m *Machine) expire() {
	kept := m.snapshots[:0]
	for _, d := range m.snapshots {
		if m.now < d.until {
			kept = append(kept, d)
			continue
		}
		m.node.ReportSnapshot(d.to, raft.SnapshotFailure)
	}
	m.snapshots = kept
	m.expireRequests()
}
