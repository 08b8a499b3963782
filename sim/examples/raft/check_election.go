package raft

import "fmt"

// Raft's own invariants, as figure 3 of Ongaro and Ousterhout (2014) has them, one file each. Every check takes the
// notes of all nodes in the order in which they were made, and returns what is wrong; it is independent of the library.

// electionSafety: at most one leader is elected in a term. A node that crashes and wins the same term again counts as
// two leaders: others may have entries that it appended first, and that its own log has lost.
type electionSafety struct{ leaders map[uint64]Start }

func newElectionSafety() *electionSafety { return &electionSafety{make(map[uint64]Start)} }

func (c *electionSafety) note(n *Note) string {
	if n.Kind != NoteElected {
		return ""
	}
	if first, known := c.leaders[n.Term]; known && first != n.By {
		return fmt.Sprintf("term %d has two leaders: %s, and now %s", n.Term, first, n.By)
	}
	c.leaders[n.Term] = n.By
	return ""
}
