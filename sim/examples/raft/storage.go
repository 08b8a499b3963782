package raft

import (
	"errors"
	"fmt"

	"kvs/sim"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// The keys on the disk of a node.
//
//	hard          term, vote and commit index: a raftpb.HardState
//	snap          the latest snapshot: a raftpb.Snapshot, whose data is that of Machine.snapshot
//	base          index and term of the entry before the first one of the log, as two varints
//	log/INDEX     an entry, the index in twenty digits: a raftpb.Entry
const (
	keyHard = "hard"
	keySnap = "snap"
	keyBase = "base"
	keyLog  = "log/"
)

func keyEntry(index uint64) string { return fmt.Sprintf("%s%020d", keyLog, index) }

// entryID identifies an entry: in Raft there is one entry of a term at an index, and one log that leads to it.
type entryID struct{ index, term uint64 }

// storage is the library's view of what is durable. It follows the disk: a write shows here when it cannot be lost any
// more, and no earlier. The library has younger entries in its own memory.
type storage struct {
	hard *pb.HardState
	snap *pb.Snapshot
	base entryID     // the entry before the first of log.
	log  []*pb.Entry // entries base.index+1, base.index+2, ...

	// fresh makes a snapshot of the applied state, to be sent to another node. The one on the disk may be older than
	// the configuration with the other node, and then the library would refuse it there for ever.
	fresh func() *pb.Snapshot
}

var _ raft.Storage = (*storage)(nil)

// load reads a disk. Empty is set when nothing was ever written to it.
func load(d sim.Reader) (s *storage, empty bool, err error) {
	s = &storage{hard: &pb.HardState{}, snap: pb.EnsureSnapshot(nil)}
	empty = true
	for _, field := range []struct {
		key  string
		into func([]byte) error
	}{
		{keyHard, func(b []byte) error { return proto.Unmarshal(b, s.hard) }},
		{keySnap, func(b []byte) error { return proto.Unmarshal(b, s.snap) }},
		{keyBase, func(b []byte) (err error) { s.base, err = decodeBase(b); return err }},
	} {
		value, found, err := d.Get(field.key)
		if err == nil && found {
			empty = false
			err = field.into(value)
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading %q: %w", field.key, err)
		}
	}
	var broken error
	err = d.Scan(keyLog, "", func(key string, value []byte) bool {
		empty = false
		e := &pb.Entry{}
		if err := proto.Unmarshal(value, e); err != nil {
			broken = fmt.Errorf("reading %q: %w", key, err)
		} else if want := s.last() + 1; e.GetIndex() != want || key != keyEntry(want) {
			broken = fmt.Errorf("the log has entry %d at %q where %d is wanted", e.GetIndex(), key, want)
		}
		s.log = append(s.log, e)
		return broken == nil
	})
	return s, empty, errors.Join(broken, err)
}

func encodeBase(at entryID) []byte {
	var w writer
	w.number(at.index)
	w.number(at.term)
	return w.b
}

func decodeBase(b []byte) (entryID, error) {
	r := reader{b: b}
	at := entryID{r.number(), r.number()}
	return at, r.end("base of the log")
}

func (s *storage) last() uint64 { return s.base.index + uint64(len(s.log)) }

// take makes a write that is durable visible.
func (s *storage) take(w *write) {
	if w.hard != nil {
		s.hard = w.hard
	}
	switch {
	case w.snapshot != nil:
		s.restore(w.snapshot)
	case w.own != nil:
		s.compact(w.own, w.base)
	}
	s.append(w.entries)
}

// append replaces the end of the log from the first index of entries on.
func (s *storage) append(entries []*pb.Entry) {
	if len(entries) == 0 {
		return
	}
	at := entries[0].GetIndex() - s.base.index - 1
	s.log = append(s.log[:at], entries...) // Entries hands out copies.
}

// restore replaces the log by a snapshot.
func (s *storage) restore(snap *pb.Snapshot) {
	s.snap = snap
	s.base = snapshotID(snap)
	s.log = nil
}

// compact drops the entries up to and including base.
func (s *storage) compact(snap *pb.Snapshot, base entryID) {
	s.snap = snap
	if base.index > s.base.index {
		s.log = append([]*pb.Entry(nil), s.log[base.index-s.base.index:]...)
		s.base = base
	}
}

func snapshotID(s *pb.Snapshot) entryID {
	return entryID{s.GetMetadata().GetIndex(), s.GetMetadata().GetTerm()}
}

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	return s.hard, pb.EnsureConfState(s.snap.GetMetadata().GetConfState()), nil
}

// Entries implements raft.Storage.
func (s *storage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	switch {
	case lo <= s.base.index:
		return nil, raft.ErrCompacted
	case hi > s.last()+1:
		return nil, raft.ErrUnavailable
	}
	entries := s.log[lo-s.base.index-1 : hi-s.base.index-1]
	size := uint64(0)
	for i, e := range entries {
		if size += uint64(proto.Size(e)); size > maxSize && i > 0 {
			entries = entries[:i]
			break
		}
	}
	return append([]*pb.Entry(nil), entries...), nil // the library may append to what it is given.
}

// Term implements raft.Storage.
func (s *storage) Term(i uint64) (uint64, error) {
	switch {
	case i == s.base.index:
		return s.base.term, nil
	case i < s.base.index:
		return 0, raft.ErrCompacted
	case i > s.last():
		return 0, raft.ErrUnavailable
	}
	return s.log[i-s.base.index-1].GetTerm(), nil
}

// FirstIndex implements raft.Storage.
func (s *storage) FirstIndex() (uint64, error) { return s.base.index + 1, nil }

// LastIndex implements raft.Storage.
func (s *storage) LastIndex() (uint64, error) { return s.last(), nil }

// Snapshot implements raft.Storage.
func (s *storage) Snapshot() (*pb.Snapshot, error) {
	if snap := s.fresh(); snapshotID(snap).index > s.base.index {
		return snap, nil
	}
	if raft.IsEmptySnap(s.snap) {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return s.snap, nil
}
