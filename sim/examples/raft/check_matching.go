package raft

import "fmt"

// logMatching: if two logs have an entry with the same index and term, they are the same up to and including it. That
// holds if an index and a term name one entry, and the one entry before it: the rest follows by induction (Ongaro and
// Ousterhout 2014, section 5.3).
type logMatching struct{ entries map[entryID]matched }

type matched struct {
	before entryID
	hash   uint64
	node   uint64
}

func newLogMatching() *logMatching { return &logMatching{make(map[entryID]matched)} }

func (c *logMatching) note(n *Note) string {
	if n.Kind != NoteLog {
		return ""
	}
	before := n.Before
	for _, e := range n.Entries {
		first, known := c.entries[e.At]
		switch {
		case !known:
			c.entries[e.At] = matched{before, e.Hash, n.By.Node}
		case first.hash != e.Hash:
			return fmt.Sprintf("entry %d of term %d is one thing in the log of n%d and another in that of n%d",
				e.At.index, e.At.term, first.node, n.By.Node)
		case first.before != before:
			return fmt.Sprintf("entry %d of term %d follows an entry of term %d in the log of n%d, "+
				"and one of term %d in that of n%d",
				e.At.index, e.At.term, first.before.term, first.node, before.term, n.By.Node)
		}
		before = e.At
	}
	return ""
}
