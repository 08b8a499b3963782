package raft

import "fmt"

// NoteKind is the kind of a note.
type NoteKind uint8

// The kinds of note, and the fields that each has beside Term, the node's own term.
const (
	NoteElected   NoteKind = iota + 1 // the node won the election of Term.
	NoteLeader                        // its log, once it leads in Term, is Base and Terms.
	NoteLog                           // its log has got Entries, behind the entry Before.
	NoteCommitted                     // it knows that all entries up to At are committed; At.term is that of the entry.
	NoteApplied                       // it has applied entry At, of the hash Entry; its state has the hash State.
	NoteRestored                      // it has loaded the snapshot At; its state has the hash State.
	NoteConfig                        // it has applied the configuration Members, by entry At.
)

var noteNames = [...]string{"", "elected", "leader", "log", "committed", "applied", "restored", "config"}

func (k NoteKind) String() string {
	if int(k) < len(noteNames) {
		return noteNames[k]
	}
	return fmt.Sprintf("note(%d)", uint8(k))
}

// Note is a node's note to the checkers. The machine does not depend on it.
type Note struct {
	Kind    NoteKind
	By      Start
	Term    uint64
	At      entryID
	Before  entryID  // of NoteLog.
	Entries []Entry  // of NoteLog, in order.
	Entry   uint64   // hash of an entry's type and data.
	State   uint64   // hash of everything that was applied up to At, in order.
	Base    entryID  // of NoteLeader: the entry before the first of its log,
	Terms   []uint64 // and the terms of those that follow.
	Members []Member // of NoteConfig.
	Joint   bool     // the configuration is joint.
}

// Start is one start of one node.
type Start struct{ Node, Boot uint64 }

func (s Start) String() string { return fmt.Sprintf("n%d in its run %d", s.Node, s.Boot) }

// Entry is one entry of a log: its index and term, and the hash of its type and data.
type Entry struct {
	At   entryID
	Hash uint64
}

// Hashes are FNV-1a, 64 bits.
const (
	hashSeed  = 14695981039346656037
	hashPrime = 1099511628211
)

func hashBytes(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * hashPrime
	}
	return h
}

func hashNumber(h, n uint64) uint64 {
	for range 8 {
		h = (h ^ n&0xff) * hashPrime
		n >>= 8
	}
	return h
}
