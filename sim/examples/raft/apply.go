package raft

import (
	"fmt"
	"strings"

	"kvs/sim"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// apply carries out committed entries, in order.
func (m *Machine) apply(entries []*pb.Entry) {
	for _, e := range entries {
		if e.GetIndex() <= m.applied.index {
			continue // a snapshot has it.
		}
		if e.GetIndex() != m.applied.index+1 {
			panic(fmt.Sprintf("raft: node %d is to apply entry %d after %d", m.id, e.GetIndex(), m.applied.index))
		}
		m.applied = entryID{e.GetIndex(), e.GetTerm()}
		h := hashEntry(e)
		m.hash = hashNumber(hashNumber(m.hash, h), e.GetTerm())
		switch e.GetType() {
		case pb.EntryNormal:
			m.applyCommand(e.GetData())
		case pb.EntryConfChange, pb.EntryConfChangeV2:
			m.applyChange(e)
		}
		m.tell(Note{Kind: NoteApplied, At: m.applied, Entry: h, State: m.hash})
	}
	m.answerReads()
}

func hashEntry(e *pb.Entry) uint64 {
	return hashBytes(hashNumber(hashSeed, uint64(e.GetType())), e.GetData())
}

func (m *Machine) applyCommand(data []byte) {
	if len(data) == 0 {
		return // a new leader's first entry, or a change of the configuration that came too early.
	}
	c, err := DecodeCommand(data)
	if err != nil {
		panic(fmt.Sprintf("raft: node %d: the log holds something else than commands: %v", m.id, err))
	}
	m.answerCommand(&c, m.registers.apply(&c))
}

func (m *Machine) applyChange(e *pb.Entry) {
	var change pb.ConfChangeI
	var err error
	if e.GetType() == pb.EntryConfChange {
		c := &pb.ConfChange{}
		err, change = proto.Unmarshal(e.GetData(), c), c
	} else {
		c := &pb.ConfChangeV2{}
		err, change = proto.Unmarshal(e.GetData(), c), c
	}
	if err != nil {
		panic(fmt.Sprintf("raft: node %d: entry %d is no change of the configuration: %v", m.id, e.GetIndex(), err))
	}
	if !allowed(m.conf, change.AsV2()) {
		return // the library panics over a change that is invalid by the time it is applied.
	}
	before := m.timer.look()
	m.conf = m.node.ApplyConfChange(change)
	m.timer.changed(before)
	m.tell(Note{Kind: NoteConfig, At: m.applied, Members: membersOf(m.conf),
		Joint: len(m.conf.GetVotersOutgoing()) > 0})
}

// restore loads a snapshot.
func (m *Machine) restore(s *pb.Snapshot) error {
	r := reader{b: s.GetData()}
	r.version()
	hash := r.number()
	registers := decodeRegisters(&r)
	if err := r.end("snapshot"); err != nil {
		return err
	}
	m.registers, m.hash, m.applied, m.conf = registers, hash, snapshotID(s), s.GetMetadata().GetConfState()
	m.snapshot = m.applied.index
	m.tell(Note{Kind: NoteRestored, At: m.applied, State: m.hash})
	return nil
}

func (m *Machine) makeSnapshot() *pb.Snapshot {
	var w writer
	w.number(encodingVersion)
	w.number(m.hash)
	m.registers.encode(&w)
	return &pb.Snapshot{Data: w.b, Metadata: &pb.SnapshotMetadata{
		ConfState: proto.Clone(m.conf).(*pb.ConfState), Index: new(m.applied.index), Term: new(m.applied.term),
	}}
}

// compact makes a snapshot when enough was applied since the last one, and shortens the log. While a snapshot of
// another node is in flight to the disk there is nothing to compact.
func (m *Machine) compact() {
	if m.applied.index < m.snapshot+uint64(m.tuning.SnapshotEvery) || m.applied.index < m.journal.base.index {
		return
	}
	m.snapshot = m.applied.index
	base := m.journal.at(max(m.applied.index-uint64(m.tuning.KeepEntries), m.journal.base.index))
	m.journal.compact(m.makeSnapshot(), base)
}

// tell leaves a note for the checkers.
func (m *Machine) tell(n Note) {
	n.By, n.Term = Start{m.id, m.boot}, m.noteTerm()
	m.eff.Notes = append(m.eff.Notes, &n)
}

func (m *Machine) noteTerm() uint64 {
	if m.node == nil {
		return m.storage.hard.GetTerm() // the node is being started.
	}
	return m.node.BasicStatus().GetTerm()
}

// say logs a change of the node's role or term.
func (m *Machine) say() {
	now := m.timer.look()
	if now.role == m.said.role && now.term == m.said.term && now.lead == m.said.lead {
		return
	}
	m.said = now
	m.eff.Logs = append(m.eff.Logs, sim.Log{Level: sim.LogInfo, Msg: strings.TrimPrefix(now.role.String(), "State"),
		Attrs: []any{"term", now.term, "leader", nodeName(now.lead)}})
}

// noteElected tells the checkers of an election that the node has won.
func (m *Machine) noteElected() {
	now := m.timer.look()
	if now.role == raft.StateLeader && m.elected != now.term {
		m.elected = now.term
		m.tell(Note{Kind: NoteElected})
	}
}

// noteProgress tells the checkers the leader's log, and the committed entries that the node knows, once its journal
// holds the library's log.
func (m *Machine) noteProgress() {
	now := m.timer.look()
	if now.role == raft.StateLeader && m.led != now.term && m.journal.last().term == now.term {
		m.led = now.term
		m.tell(Note{Kind: NoteLeader, Base: m.journal.base, Terms: append([]uint64(nil), m.journal.terms...)})
	}
	if now.commit > m.committed && !m.node.HasReady() {
		m.committed = now.commit
		m.tell(Note{Kind: NoteCommitted, At: m.journal.at(now.commit)})
	}
}

// noteLog tells the checkers what the node's log has got.
func (m *Machine) noteLog(entries []*pb.Entry) {
	if len(entries) == 0 {
		return
	}
	n := Note{Kind: NoteLog, Before: m.journal.at(entries[0].GetIndex() - 1)}
	for _, e := range entries {
		n.Entries = append(n.Entries, Entry{entryID{e.GetIndex(), e.GetTerm()}, hashEntry(e)})
	}
	m.tell(n)
}
