package world

import (
	"fmt"
	"slices"

	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
)

// Unsettled implements sim.Cluster.
func (w *World) Unsettled(nodes []int) string {
	if w.Phase() == sim.PhaseCore {
		return w.coreUnsettled(nodes)
	}
	w.settling = w.membersInto(w.settling)
	if v := Disagreements(w.settling); len(v) > 0 {
		return v[0].String()
	}
	first := w.digest(1)
	for n := 2; n <= w.Nodes(); n++ {
		if w.digest(n) != first {
			return fmt.Sprintf("n1 and n%d hold different records", n)
		}
	}
	if detail := w.digestsDiffer(); detail != "" {
		return detail
	}
	if left := w.expiringLeft(1); left != "" {
		return left
	}
	if w.Scenario().Expects(scenarios.TombstonesEnd) {
		return w.tombstonesLeft()
	}
	return ""
}

// digestsDiffer compares the digests of the members' hash trees, once they hold the same.
func (w *World) digestsDiffer() string {
	for n := 1; n <= w.Nodes(); n++ {
		if len(w.Replicas[n].Rotten) > 0 {
			return "" // a record that has rotted for good is not in the tree of its member.
		}
	}
	first := w.settling[0].Status.Digest
	for n := 2; n <= w.Nodes(); n++ {
		if d := w.settling[n-1].Status.Digest; d != first {
			return fmt.Sprintf("n1 and n%d hold the same, and show the digests %016x and %016x", n, first, d)
		}
	}
	return ""
}

// coreUnsettled describes what the core still has to do; empty: nothing.
func (w *World) coreUnsettled(members []int) string {
	for _, n := range members {
		r := &w.Replicas[n]
		if w.digest(n) != w.digest(members[0]) {
			return fmt.Sprintf("n%d and n%d hold different records", members[0], n)
		}
		alive := 0
		for _, m := range r.Node.Status().Members {
			if m.State == swim.Alive && slices.ContainsFunc(members,
				func(n int) bool { return w.Replicas[n].ID == m.ID }) {
				alive++
			}
		}
		if alive < len(members) {
			return fmt.Sprintf("n%d takes %d of the %d for alive", n, alive, len(members))
		}
	}
	return w.expiringLeft(members[0]) // all hold the same.
}

// tombstonesNoted counts the paths that replica n lists as perhaps having a tombstone, except those where a tombstone
// lost a conflict: it ends with the winning value.
func (w *World) tombstonesNoted(n int) (count int) {
	r := &w.Replicas[n]
	err := r.Store().Scan(schema.PrefixTombstone, "", func(key string, _ []byte) bool {
		held, _ := w.Disks.At(n, key[len(schema.PrefixTombstone):])
		if !held.Conflict() || r.Electorate.Visible(&held).Tombstone {
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
func (w *World) promisesLeft(n int) (count int) {
	var slot slot.Slot // memory that is used again.
	err := w.Replicas[n].Store().Scan(schema.PrefixRecord, "", func(key string, value []byte) bool {
		if err := slot.Decode(key[len(schema.PrefixRecord):], value); err == nil && !slot.Exists() {
			count++
		}
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	return count
}

// tombstonesLeft names a replica that still has tombstones; empty: none has.
func (w *World) tombstonesLeft() string {
	for n := 1; n <= w.Nodes(); n++ {
		if left := w.tombstonesNoted(n); left > 0 {
			return fmt.Sprintf("n%d still has %d paths with tombstones", n, left)
		}
	}
	return ""
}

// open reports whether a path shows a candidate of a conflict that is not settled, because votes may still come: none
// of its candidates ends before. A member whose disk is lost delays that until it is removed. What a linearizable
// operation wrote over it, or chose of it, ends all the same.
func (w *World) open(r *Replica, path string) bool {
	slot, ok := w.copyOf(r.Number, path)
	return ok && slot.Conflict() && !slot.ConsensusShows() && !r.Electorate.Winner(&slot).Final
}

// decidable reports whether linearizable operations can be had on a path: a majority of the voters can be asked, and
// enough of them know what they had there. A member that was blind on a path before it became a voter may leave too
// few; then a value that such an operation wrote does not end. n is a replica that holds the path.
func (w *World) decidable(n int, path string) bool {
	if slot, ok := w.copyOf(n, path); !ok || slot.Consensus == nil {
		return true // no such operation has been here: a member ends the value by itself.
	}
	c := w.configInForce()
	if c == nil {
		return false
	}
	asked, see, core := 0, 0, w.Core()
	for n := 1; n <= w.Nodes(); n++ {
		r := &w.Replicas[n]
		if !c.Votes(r.ID) || core != nil && !slices.Contains(core, n) {
			continue
		}
		asked++
		if w.SpeaksFor(r, path) {
			see++
		}
	}
	return asked >= c.Majority() && see >= seers(len(c.Voters))
}

// expiringLeft names a value that replica n should have ended by now, or will. It lists all that will end, and
// everything that shows and ends is on the list.
func (w *World) expiringLeft(n int) string {
	if w.Own.Workload.TTLMax == 0 {
		return ""
	}
	r, left := &w.Replicas[n], ""
	scan(r, schema.PrefixExpiry, func(key string, _ []byte) bool {
		if path := key[len(schema.PrefixExpiry):]; !w.open(r, path) && w.decidable(n, path) {
			left = fmt.Sprintf("n%d waits for the end of %q", n, path)
		}
		return left == ""
	})
	if left != "" {
		return left
	}
	var slot slot.Slot // memory that is used again.
	scan(r, schema.PrefixRecord, func(key string, value []byte) bool {
		path, _ := CutRecordPrefix(key)
		if err := slot.Decode(path, value); err == nil {
			if rec := r.Electorate.Visible(&slot); rec.Live() && rec.Expires != 0 && !w.open(r, path) &&
				w.decidable(n, path) {
				left = fmt.Sprintf("n%d shows %s at %q, which ends, and does not wait for it", n, Text(rec), path)
			}
		}
		return left == ""
	})
	return left
}
