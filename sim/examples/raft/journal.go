package raft

import (
	"fmt"

	"kvs/sim"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// journal turns the library's writes into changes of the disk. It has the log as it will be when all pending writes are
// durable, and the writes for which the library waits.
type journal struct {
	next    sim.PersistID // number of the next persist.
	durable sim.PersistID // number of the last durable one.
	changes []sim.Change  // of the persist of the present step.

	base  entryID  // the entry before the first of the log as handed to the disk,
	terms []uint64 // and the terms of those that follow.

	waiting []write
}

// write is a part of a persist that is reported to the library.
type write struct {
	persist   sim.PersistID
	hard      *pb.HardState
	snapshot  *pb.Snapshot // a snapshot of another node that replaces the log, or
	own       *pb.Snapshot // one that this node made, after which its log begins behind base.
	base      entryID
	entries   []*pb.Entry
	responses []*pb.Message // the library's, to itself.
	ready     *raft.Ready   // to be applied and advanced.
}

func newJournal(s *storage) journal {
	j := journal{next: 1, base: s.base}
	for _, e := range s.log {
		j.terms = append(j.terms, e.GetTerm())
	}
	return j
}

func (j *journal) last() entryID {
	if n := len(j.terms); n > 0 {
		return entryID{j.base.index + uint64(n), j.terms[n-1]}
	}
	return j.base
}

// at names the entry at an index that the log covers.
func (j *journal) at(index uint64) entryID {
	switch {
	case index == j.base.index:
		return j.base
	case index > j.base.index && index <= j.last().index:
		return entryID{index, j.terms[index-j.base.index-1]}
	}
	panic(fmt.Sprintf("raft: entry %d is outside the log from %d to %d", index, j.base.index, j.last().index))
}

// after is the persist that an effect depending on all writes so far has to wait for; zero: none.
func (j *journal) after() sim.PersistID {
	last := j.next - 1
	if len(j.changes) > 0 {
		last = j.next
	}
	if last <= j.durable {
		return 0
	}
	return last
}

func (j *journal) put(key string, value []byte) {
	j.changes = append(j.changes, sim.Change{Key: key, Value: value})
}

func (j *journal) putMessage(key string, m proto.Message) {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("raft: %s cannot be encoded: %v", key, err))
	}
	j.put(key, b)
}

// store hands the library's writes to the disk.
func (j *journal) store(hard *pb.HardState, snapshot *pb.Snapshot, entries []*pb.Entry) write {
	w := write{entries: entries}
	if !raft.IsEmptySnap(snapshot) {
		w.snapshot = snapshot
		j.replace(snapshot)
	}
	if len(entries) > 0 {
		j.append(entries)
	}
	if !raft.IsEmptyHardState(hard) {
		w.hard = hard
		j.putMessage(keyHard, hard)
	}
	return w
}

// wait reports w to the library when it is durable.
func (j *journal) wait(w write) {
	w.persist = j.after()
	j.waiting = append(j.waiting, w)
}

func (j *journal) append(entries []*pb.Entry) {
	first, last := entries[0].GetIndex(), j.last().index
	if first <= j.base.index || first > last+1 {
		panic(fmt.Sprintf("raft: the library stores entry %d in a log from %d to %d", first, j.base.index, last))
	}
	j.terms = j.terms[:first-j.base.index-1]
	for i, e := range entries {
		if e.GetIndex() != first+uint64(i) {
			panic(fmt.Sprintf("raft: the library stores entry %d in the place of %d", e.GetIndex(), first+uint64(i)))
		}
		j.putMessage(keyEntry(e.GetIndex()), e)
		j.terms = append(j.terms, e.GetTerm())
	}
	for index := j.last().index + 1; index <= last; index++ {
		j.put(keyEntry(index), nil)
	}
}

// replace puts a snapshot in the place of the whole log.
func (j *journal) replace(snapshot *pb.Snapshot) {
	for index := j.base.index + 1; index <= j.last().index; index++ {
		j.put(keyEntry(index), nil)
	}
	j.base, j.terms = snapshotID(snapshot), nil
	j.putMessage(keySnap, snapshot)
	j.put(keyBase, encodeBase(j.base))
}

// compact stores a snapshot that this node made, and drops the entries up to base.
func (j *journal) compact(snapshot *pb.Snapshot, base entryID) {
	for index := j.base.index + 1; index <= base.index; index++ {
		j.put(keyEntry(index), nil)
	}
	j.terms = append([]uint64(nil), j.terms[base.index-j.base.index:]...)
	j.base = base
	j.putMessage(keySnap, snapshot)
	j.put(keyBase, encodeBase(base))
	j.wait(write{own: snapshot, base: base})
}

// take returns the changes of this step as one persist; one without a number when there are none.
func (j *journal) take() sim.Persist {
	if len(j.changes) == 0 {
		return sim.Persist{}
	}
	p := sim.Persist{ID: j.next, Changes: j.changes}
	j.next++
	j.changes = nil
	return p
}

// ended returns the writes that are durable now, in order.
func (j *journal) ended(upTo sim.PersistID) []write {
	j.durable = upTo
	n := 0
	for n < len(j.waiting) && j.waiting[n].persist <= upTo {
		n++
	}
	done := j.waiting[:n:n]
	j.waiting = j.waiting[n:]
	return done
}
