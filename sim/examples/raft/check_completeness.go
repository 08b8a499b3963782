package raft

import "fmt"

// leaderCompleteness: an entry committed in a term is in the logs of the leaders of all later terms. Entries that a
// leader has only in a snapshot are left to stateMachineSafety.
type leaderCompleteness struct {
	leaders   []leaderLog
	committed map[uint64]commitment
	last      uint64 // the highest committed index.
}

type leaderLog struct {
	node  uint64
	term  uint64
	base  entryID
	terms []uint64
}

// commitment is an entry known as committed: its term, and the earliest term in which a node knew it.
type commitment struct {
	term, in uint64
	node     uint64
}

func newLeaderCompleteness() *leaderCompleteness {
	return &leaderCompleteness{committed: make(map[uint64]commitment)}
}

func (c *leaderCompleteness) note(n *Note) string {
	switch n.Kind {
	case NoteLeader:
		l := leaderLog{n.By.Node, n.Term, n.Base, n.Terms}
		c.leaders = append(c.leaders, l)
		for index := c.last; index > 0 && index >= n.Base.index; index-- {
			if known, ok := c.committed[index]; ok && known.in < l.term {
				if missing := l.misses(index, &known); missing != "" {
					return missing
				}
			}
		}
	case NoteCommitted:
		return c.commit(n)
	}
	return ""
}

func (c *leaderCompleteness) commit(n *Note) string {
	known, ok := c.committed[n.At.index]
	if ok && known.term != n.At.term {
		return fmt.Sprintf("entry %d is committed with term %d at n%d and with term %d at n%d", n.At.index,
			known.term, known.node, n.At.term, n.By.Node)
	}
	if ok && known.in <= n.Term {
		return ""
	}
	known = commitment{n.At.term, n.Term, n.By.Node}
	c.committed[n.At.index], c.last = known, max(c.last, n.At.index)
	for i := range c.leaders {
		if l := &c.leaders[i]; l.term > n.Term {
			if missing := l.misses(n.At.index, &known); missing != "" {
				return missing
			}
		}
	}
	return ""
}

// misses describes a committed entry that the leader did not have when it began to lead; empty: it had the entry, or
// that can no longer be found out.
func (l *leaderLog) misses(index uint64, c *commitment) string {
	last := l.base.index + uint64(len(l.terms))
	var has uint64
	switch {
	case index < l.base.index:
		return ""
	case index == l.base.index:
		has = l.base.term
	case index <= last:
		has = l.terms[index-l.base.index-1]
	}
	switch has {
	case c.term:
		return ""
	case 0:
		return fmt.Sprintf("n%d leads in term %d with a log to %d, without entry %d of term %d, "+
			"which n%d knew as committed in term %d",
			l.node, l.term, last, index, c.term, c.node, c.in)
	}
	return fmt.Sprintf("n%d leads in term %d, its entry %[4]d is of term %[3]d, "+
		"and n%[5]d knew one of term %[6]d as committed in term %[7]d",
		l.node, l.term, has, index, c.node, c.term, c.in)
}
