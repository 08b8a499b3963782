package sim

import (
	"fmt"

	"kvs/node"
)

// persistCheck is "persist, then speak" between members: a write that somebody else has on disk is on the disk of the node
// that made it, or was until that disk was lost. A message that left too early shows without any crash, whenever the disk of
// its receiver is the faster one.
type persistCheck struct {
	made       map[node.UUID]bool // writes that were durable at their own node.
	violations []Violation
}

func newPersistCheck() persistCheck { return persistCheck{made: make(map[node.UUID]bool)} }

// stored takes note of a slot that replica n, of identity id, has made durable.
func (c *persistCheck) stored(n int, id node.ID, path string, s *node.Slot) {
	for i := range s.Candidates {
		w := &s.Candidates[i]
		switch {
		case isEnding(s, i): // all make the same when the time has come.
		case w.Origin == id:
			c.made[w.UUID] = true
		case !c.made[w.UUID] && len(c.violations) < 10:
			c.violations = append(c.violations, Violation{Promise: promisePersist, Node: n, Path: path,
				Detail: fmt.Sprintf("stores write %x of member %s, which does not have it on disk itself", w.UUID[:], w.Origin)})
		}
	}
}
