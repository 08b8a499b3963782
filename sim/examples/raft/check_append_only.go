package raft

import "fmt"

// leaderAppendOnly: a leader never overwrites or deletes entries of its own log.
type leaderAppendOnly struct{ leading map[uint64]ownLog }

type ownLog struct{ term, last uint64 }

func newLeaderAppendOnly() *leaderAppendOnly { return &leaderAppendOnly{make(map[uint64]ownLog)} }

func (c *leaderAppendOnly) note(n *Note) string {
	switch n.Kind {
	case NoteLeader:
		c.leading[n.By.Node] = ownLog{n.Term, n.Base.index + uint64(len(n.Terms))}
	case NoteLog:
		own, leads := c.leading[n.By.Node]
		if !leads || own.term != n.Term {
			return ""
		}
		last := n.Entries[len(n.Entries)-1].At.index
		if n.Before.index < own.last {
			return fmt.Sprintf("n%d leads in term %d, its log reaches to %d, and it writes entry %d anew", n.By.Node,
				n.Term, own.last, n.Before.index+1)
		}
		c.leading[n.By.Node] = ownLog{n.Term, last}
	case NoteRestored:
		delete(c.leading, n.By.Node)
	}
	return ""
}
