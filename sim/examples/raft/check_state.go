package raft

import "fmt"

// stateMachineSafety: if a node has applied an entry at an index, no other node ever applies a different one there; and
// a snapshot holds the state that the log made.
type stateMachineSafety struct{ applied map[uint64]appliedEntry }

type appliedEntry struct {
	term, entry, state uint64
	node               uint64
	snapshot           bool // entry is not known.
}

func newStateMachineSafety() *stateMachineSafety {
	return &stateMachineSafety{make(map[uint64]appliedEntry)}
}

func (c *stateMachineSafety) note(n *Note) string {
	if n.Kind != NoteApplied && n.Kind != NoteRestored {
		return ""
	}
	now := appliedEntry{n.At.term, n.Entry, n.State, n.By.Node, n.Kind == NoteRestored}
	first, known := c.applied[n.At.index]
	if !known || first.snapshot && !now.snapshot {
		c.applied[n.At.index] = now
	}
	switch {
	case !known:
	case first.term != now.term || !first.snapshot && !now.snapshot && first.entry != now.entry:
		return fmt.Sprintf("n%d applied an entry of term %d at %d, and n%d another one, of term %d", first.node,
			first.term, n.At.index, n.By.Node, now.term)
	case first.state != now.state:
		return fmt.Sprintf("n%d and n%d have applied different entries before %d", first.node, n.By.Node, n.At.index)
	}
	return ""
}
