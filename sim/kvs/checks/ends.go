package checks

import (
	"fmt"
	"slices"

	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// endCheck follows what replicas drop from their disks. Only a tombstone that shows may be dropped, and only when every
// member has had it, or a newer version, on its disk. The check reads all disks, those of crashed replicas too. So it
// finds an error at once that would show only much later as a resurrected value, or not at all.
type endCheck struct {
	check
	agreed map[string]agreement // by path.
	count  int
}

// agreement is the members at the time when a replica first decided to drop a tombstone. At that moment all of them had
// it; the others drop it because of that decision. A member that was met later, even while the decision was in flight
// to the disk, holds nothing there, or a version that is not older.
type agreement struct {
	ts      node.Timestamp
	members []node.ID
}

func newEndCheck(w *world.World) *endCheck {
	return &endCheck{check: check{w, promiseEnds, sim.Events(sim.EventStepped, world.PathErased)},
		agreed: make(map[string]agreement)}
}

// Observe implements sim.Checker.
func (c *endCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case sim.EventStepped:
		for i := range e.Effects.Persist.Changes {
			change := &e.Effects.Persist.Changes[i]
			path, isRecord := world.CutRecordPrefix(change.Key)
			if isRecord && change.Value == nil && r.Electorate != nil {
				c.decided(r.Number, path, r.Electorate.Members()) // of the electorate at the beginning of the step.
			}
		}
	case world.PathErased:
		c.w.Violate(c.erased(r, c.w.Replicas, e.Own.(*world.ErasedPath).Path)...)
	}
}

// Finish implements sim.Checker.
func (c *endCheck) Finish() {
	if c.w.Scenario().Expects(scenarios.TombstonesEnd) {
		c.w.Violate(checkTombstonesEnd(c.w.Evidence())...)
	}
}

// decided records the members when replica n decides to drop a path. It drops only versions that are on its disk.
func (c *endCheck) decided(n int, path string, members []node.ID) {
	if was, ok := c.w.Disks.At(n, path); ok && c.agreed[path].ts < was.Top() {
		c.agreed[path] = agreement{was.Top(), members}
	}
}

// erased judges that r drops a path for good. The world's record of its disk still has the path.
func (c *endCheck) erased(r *world.Replica, all []world.Replica, path string) (out []sim.Violation) {
	was, ok := c.w.Disks.At(r.Number, path)
	bad := func(format string, args ...any) {
		out = append(out, sim.Violation{Promise: promiseEnds, Node: r.Number, Path: path,
			Detail: fmt.Sprintf(format, args...)})
	}
	if !ok {
		bad("drops what it does not hold")
		return out
	}
	if !was.Exists() { // a mere promise, which the node's fence keeps: other members are not concerned.
		return out
	}
	if shown := r.Electorate.Visible(&was); !shown.Tombstone {
		bad("drops %s, which is no tombstone", world.Text(shown))
	}
	c.decided(r.Number, path, r.Electorate.Members()) // if that is not recorded yet.
	for n := 1; n < len(all); n++ {
		has, holds := c.w.Disks.At(n, path)
		if n == r.Number || !holds && !slices.Contains(c.agreed[path].members, all[n].ID) ||
			!slices.Contains(r.Electorate.Members(), all[n].ID) {
			continue
		}
		if has.Top() < was.Top() && !c.w.Disks.HasEnded(n, path, was.Top()) {
			bad("drops the tombstone of %s, which n%d has not had: it holds %s", was.Top(), n,
				world.Text(all[n].Electorate.Visible(&has)))
		}
	}
	c.count++
	return out
}

// checkTombstonesEnd requires that all tombstones are gone, and their index entries too.
func checkTombstonesEnd(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for i := range e.Nodes {
		ne := &e.Nodes[i]
		if ne.Noted > 0 {
			out = append(out, sim.Violation{Promise: scenarios.TombstonesEnd.String(), Node: ne.Number,
				Detail: fmt.Sprintf("lists %d paths with tombstones", ne.Noted)})
		}
		if ne.Promises > 0 {
			out = append(out, sim.Violation{Promise: scenarios.TombstonesEnd.String(), Node: ne.Number,
				Detail: fmt.Sprintf("holds %d paths with nothing but a promise", ne.Promises)})
		}
		for _, r := range ne.Records {
			if r.Record.Tombstone {
				out = append(out, sim.Violation{Promise: scenarios.TombstonesEnd.String(), Node: ne.Number,
					Path:   r.Path,
					Detail: "still holds " + world.Text(r.Record)})
			}
		}
	}
	return out
}
