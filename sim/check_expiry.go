package sim

import (
	"fmt"
	"time"

	"kvs/node"
	"kvs/scenarios"
)

// ended takes note of a slot that replica r has made durable: when it is the end of a value, the value has lived its time. It is
// measured from when the client asked, by the true time of this world, less what a monotonic clock may go wrong.
//
// That values do end is part of what a run waits for: see expiringLeft.
func (w *world) ended(r *replica, path string, s *node.Slot) {
	for i := range s.Candidates {
		if !isEnding(s, i) {
			continue
		}
		end := node.Record{TS: s.TS, UUID: s.Candidates[i].UUID, Tombstone: true}
		for _, index := range w.ledger.of(path) {
			wr := &w.ledger.writes[index]
			if wr.fate != fateAcknowledged || wr.delete || !end.EndingOf(wr.version) {
				continue
			}
			if wr.ttl == 0 {
				w.violate(Violation{Promise: promiseExpiry, Node: r.number, Path: path, Detail: fmt.Sprintf("ends %s, which lives for ever", wr.version.ETag())})
			} else if lived := w.now - wr.begun; lived < wr.ttl-endsEarly(wr.ttl) {
				w.violate(Violation{Promise: promiseExpiry, Node: r.number, Path: path,
					Detail: fmt.Sprintf("ends %s after %s of %s", wr.version.ETag(), lived, wr.ttl)})
			}
		}
	}
}

// endsEarly is by how much a value may end early: what a monotonic clock may go wrong, and what is lost to whole milliseconds.
func endsEarly(ttl time.Duration) time.Duration { return min(ttl/1000+time.Millisecond, ttl) }

// hidesWrite takes note of a slot that replica r has made durable in place of what it held: the end of a value stands below every
// write with its timestamp, and neither stands beside one nor takes its place.
func (w *world) hidesWrite(r *replica, path string, s *node.Slot) {
	before, held := w.ends.held[r.number][path]
	for i := range s.Candidates {
		if !isEnding(s, i) {
			continue
		}
		if len(s.Candidates) > 1 {
			w.violate(Violation{Promise: promiseExpiry, Node: r.number, Path: path,
				Detail: fmt.Sprintf("the end of a value is one of %d candidates at %s", len(s.Candidates), s.TS)})
		}
		if held && before.TS == s.TS && len(before.Candidates) > 0 && !isEnding(&before, 0) {
			w.violate(Violation{Promise: promiseExpiry, Node: r.number, Path: path,
				Detail: fmt.Sprintf("the end of a value takes the place of %s, a write at %s", before.Candidates[0].UUID, s.TS)})
		}
	}
}

// checkHidden looks for acknowledged writes that an end hides although it is not theirs: every write above the value that ended goes before the
// end, also one with the end's own timestamp.
func checkHidden(e *Evidence) []Violation {
	var out []Violation
	for i := range e.Nodes {
		for _, r := range e.Nodes[i].Records {
			of, is := r.Record.Ending()
			if !is {
				continue
			}
			for _, index := range e.ledger.of(r.Path) {
				wr := &e.ledger.writes[index]
				found := wr.version == r.Record.Version() // it is a delete that was told of the end that it found.
				if wr.fate == fateAcknowledged && !wr.lost && !found && wr.version.TS > of && e.Scenario.Expects(scenarios.NoLostWrite) {
					out = append(out, Violation{Promise: promiseExpiry, Node: e.Nodes[i].Number, Path: r.Path,
						Detail: fmt.Sprintf("the end of the value at %s hides version %s of client %d", of, wr.version.ETag(), wr.client)})
				}
			}
		}
	}
	return out
}

// checkLives looks for values that live otherwise than their clients asked for.
func checkLives(e *Evidence) []Violation {
	var out []Violation
	for i := range e.Nodes {
		for _, r := range e.Nodes[i].Records {
			if !r.Record.Live() {
				continue
			}
			wr, wrong := e.ledger.source(r.Path, r.Record.Value)
			if wrong != "" {
				continue // checkKnownValues says so.
			}
			life, want := time.Duration(0), wr.ttl
			if r.Record.Expires != 0 {
				life = time.Duration(r.Record.Expires-r.Record.TS.Wall()) * time.Millisecond
			}
			if want > 0 {
				want = max(want.Truncate(time.Millisecond), time.Millisecond)
			}
			if life != want {
				out = append(out, Violation{Promise: promiseExpiry, Node: e.Nodes[i].Number, Path: r.Path,
					Detail: fmt.Sprintf("holds %s, which lives for %s, and client %d asked for %s", describe(r.Record), life, wr.client, want)})
			}
		}
	}
	return out
}

// isEnding reports whether a candidate is the tombstone of a value that expired.
func isEnding(s *node.Slot, i int) bool {
	c := &s.Candidates[i]
	rec := node.Record{TS: s.TS, UUID: c.UUID, Tombstone: c.Tombstone}
	_, is := rec.Ending()
	return is
}

// mayEnd reports whether the value of a timestamp can have expired.
func (l *ledger) mayEnd(path string, of node.Timestamp) bool {
	for _, index := range l.of(path) {
		wr := &l.writes[index]
		if !wr.delete && wr.ttl > 0 && (wr.fate == fateUnknown || wr.fate == fateOpen || wr.fate == fateAcknowledged && wr.version.TS == of) {
			return true
		}
	}
	return false
}

// open reports whether a conflict at a path is not settled, because votes are missing that may still come: of its candidates none ends
// before. A member whose disk is lost holds that up until it is removed.
func (w *world) open(r *replica, path string) bool {
	slot, ok := w.copyOf(r.number, path)
	return ok && slot.Conflict() && !r.electorate.Winner(&slot).Final
}

// decidable reports whether linearizable operations can be had on a path: a majority of the voters knows what it promised there. A member that
// was blind on a path before it became a voter may leave too few; then a value that such an operation wrote does not end.
func (w *world) decidable(path string) bool {
	if slot, ok := w.copyOf(1, path); !ok || slot.Consensus == nil {
		return true // no such operation has been here: a member ends the value by itself.
	}
	c := w.configInForce()
	if c == nil {
		return false
	}
	speak := 0
	for n := 1; n <= w.nodes; n++ {
		if r := &w.replicas[n]; c.Votes(r.id) && w.speaksFor(r, path) {
			speak++
		}
	}
	return speak >= c.Majority()
}

// expiringLeft names a value that should have ended by now, or will.
func (w *world) expiringLeft() string {
	if w.sc.Workload.TTLMax == 0 {
		return ""
	}
	left := ""
	var listed []string
	err := w.replicas[1].disk.store.Scan("x/", "", func(key string, _ []byte) bool {
		listed = append(listed, key[len("x/"):])
		return true
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	for _, path := range listed {
		if !w.open(&w.replicas[1], path) && w.decidable(path) {
			return fmt.Sprintf("n1 waits for the end of %q", path)
		}
	}
	r := &w.replicas[1] // it lists all that will end, and everything that shows and ends is on the list.
	err = r.disk.store.Scan(recordPrefix, "", func(key string, value []byte) bool {
		path, _ := cutRecordPrefix(key)
		if slot, err := node.DecodeSlot(path, value); err == nil {
			if rec := r.electorate.Visible(&slot); rec.Live() && rec.Expires != 0 && !w.open(r, path) && w.decidable(path) {
				left = fmt.Sprintf("n1 shows %s at %q, which ends, and does not wait for it", describe(rec), path)
			}
		}
		return left == ""
	})
	if err != nil {
		panic("sim: the memory store cannot be scanned: " + err.Error())
	}
	return left
}
