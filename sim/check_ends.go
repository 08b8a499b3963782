package sim

import (
	"fmt"
	"slices"

	"kvs/node"
	"kvs/scenarios"
)

// tombstonePrefix is that of the paths that a node lists as perhaps having a tombstone.
const tombstonePrefix = "g/"

// endCheck follows what replicas drop from their disks. Only a tombstone that shows may go, and only when every member has had
// it on its disk, or something newer. It knows what is on all disks, those of crashed replicas too, and so sees at once what
// would show much later as a value that is back, or not at all.
type endCheck struct {
	held    []map[string]node.Slot // by number of the replica and path: what its disk holds.
	ended   []map[string]node.Slot // likewise: the highest slot it has dropped.
	highest map[string]node.Timestamp
	agreed  map[string]agreement // by path.
	count   int
}

// agreement is who the members were when somebody decided for the first time to drop a tombstone. That is the moment in which all of
// them had it; the others drop it on the word of that one. Who has been met meanwhile, be it while the decision was on its way to the
// disk, has nothing, or something that is not older.
type agreement struct {
	ts      node.Timestamp
	members []node.ID
}

func newEndCheck(nodes int) endCheck {
	c := endCheck{highest: make(map[string]node.Timestamp), agreed: make(map[string]agreement)}
	for range nodes + 1 {
		c.held = append(c.held, make(map[string]node.Slot))
		c.ended = append(c.ended, make(map[string]node.Slot))
	}
	return c
}

func (c *endCheck) stored(n int, path string, s *node.Slot) { c.held[n][path] = *s }

func (c *endCheck) wiped(n int) {
	clear(c.held[n])
	clear(c.ended[n])
}

func (c *endCheck) swapped(a, b int) {
	c.held[a], c.held[b] = c.held[b], c.held[a]
	c.ended[a], c.ended[b] = c.ended[b], c.ended[a]
}

// hasEnded reports whether replica n has dropped a tombstone of at least this timestamp.
func (c *endCheck) hasEnded(n int, path string, ts node.Timestamp) bool {
	s, ok := c.ended[n][path]
	return ok && s.Top() >= ts
}

// decided takes note of who the members are when replica n decides to drop a path. It drops only what is on its disk.
func (c *endCheck) decided(n int, path string, members []node.ID) {
	if was, ok := c.held[n][path]; ok && c.agreed[path].ts < was.Top() {
		c.agreed[path] = agreement{was.Top(), members}
	}
}

// erased takes note of a path that r has dropped, for good.
func (c *endCheck) erased(r *replica, all []replica, path string) (out []Violation) {
	was, ok := c.held[r.number][path]
	bad := func(format string, args ...any) {
		out = append(out, Violation{Promise: promiseEnds, Node: r.number, Path: path, Detail: fmt.Sprintf(format, args...)})
	}
	if !ok {
		bad("drops what it does not hold")
		return out
	}
	if !was.Exists() { // a mere promise, which the node's fence keeps: no other member has to do with it.
		delete(c.held[r.number], path)
		return out
	}
	if shown := r.electorate.Visible(&was); !shown.Tombstone {
		bad("drops %s, which is no tombstone", describe(shown))
	}
	c.decided(r.number, path, r.electorate.Members()) // unless it has been.
	for n := 1; n < len(all); n++ {
		has, holds := c.held[n][path]
		if n == r.number || !holds && !slices.Contains(c.agreed[path].members, all[n].id) || !slices.Contains(r.electorate.Members(), all[n].id) {
			continue
		}
		if has.Top() < was.Top() && !c.hasEnded(n, path, was.Top()) {
			bad("drops the tombstone of %s, which n%d has not had: it holds %s", was.Top(), n, describe(all[n].electorate.Visible(&has)))
		}
	}
	delete(c.held[r.number], path)
	if before := c.ended[r.number][path]; before.Top() < was.Top() {
		c.ended[r.number][path] = was
	}
	c.highest[path] = max(c.highest[path], was.Top())
	c.count++
	return out
}

// noted counts the paths that replica n lists as perhaps having a tombstone, but for those where a tombstone lost a conflict: it
// ends with the value that won.
func (w *world) noted(n int) (count int) {
	r := &w.replicas[n]
	err := r.disk.store.Scan(tombstonePrefix, "", func(key string, _ []byte) bool {
		held := w.ends.held[n][key[len(tombstonePrefix):]]
		if !held.Conflict() || r.electorate.Visible(&held).Tombstone {
			count++
		}
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	return count
}

// promisesLeft counts the paths of which a node's disk holds nothing but a promise.
func (w *world) promisesLeft(n int) (count int) {
	err := w.replicas[n].disk.store.Scan(recordPrefix, "", func(key string, value []byte) bool {
		if slot, err := node.DecodeSlot(key[len(recordPrefix):], value); err == nil && !slot.Exists() {
			count++
		}
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	return count
}

// tombstonesLeft names a replica that still has some, or nothing.
func (w *world) tombstonesLeft() string {
	for n := 1; n <= w.nodes; n++ {
		if left := w.noted(n); left > 0 {
			return fmt.Sprintf("n%d still has %d paths with tombstones", n, left)
		}
	}
	return ""
}

// checkTombstonesEnd wants all to be gone, and the notes of them too.
func checkTombstonesEnd(e *Evidence) []Violation {
	var out []Violation
	for i := range e.Nodes {
		ne := &e.Nodes[i]
		if ne.noted > 0 {
			out = append(out, Violation{Promise: scenarios.TombstonesEnd.String(), Node: ne.Number,
				Detail: fmt.Sprintf("lists %d paths with tombstones", ne.noted)})
		}
		if ne.promises > 0 {
			out = append(out, Violation{Promise: scenarios.TombstonesEnd.String(), Node: ne.Number,
				Detail: fmt.Sprintf("holds %d paths with nothing but a promise", ne.promises)})
		}
		for _, r := range ne.Records {
			if r.Record.Tombstone {
				out = append(out, Violation{Promise: scenarios.TombstonesEnd.String(), Node: ne.Number, Path: r.Path,
					Detail: "still holds " + describe(r.Record)})
			}
		}
	}
	return out
}
