package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"kvs/node"
)

// overdueCheck wants values to end in time, as node/expiry.go promises: a member lets a value go when it has held it, while running,
// for as long as the value lives, and expiryPatience longer if another member made it. Each crash may cost it expiryClockInterval of
// its running time. How long a member has been running for certain is counted here, so whatever stood in its way is in its favour.
//
// It judges what a member can end alone: a value without rivals that no linearizable operation wrote. That the others end as well is
// what a run waits for: see expiringLeft.
type overdueCheck struct {
	members []heldValues // by number of the replica.
}

// heldValues are those on one disk.
type heldValues struct {
	ran    time.Duration // how long members on this disk have been able to work, at the least.
	starts int
	values map[string]heldValue // by path: those that end.
}

type heldValue struct {
	version node.Version
	life    time.Duration
	since   time.Duration // ran, when it came.
	starts  int           // the same.
}

// The terms of the promise: constants of the same names in node/expiry.go, and what looks and fsyncs may take.
const (
	overduePatience = 5 * time.Second
	overdueAtCrash  = 11 * time.Second // expiryClockInterval, and the second until the next look.
	overdueSlack    = 4 * time.Second
)

func newOverdueCheck(nodes int) overdueCheck {
	c := overdueCheck{members: make([]heldValues, nodes+1)}
	for n := range c.members {
		c.members[n].values = make(map[string]heldValue)
	}
	return c
}

// stored takes note of a slot that has become durable on replica n, which shows rec of it.
func (c *overdueCheck) stored(n int, path string, s *node.Slot, rec *node.Record) {
	m := &c.members[n]
	eventual := len(s.Candidates) == 1 && s.Candidates[0].UUID == rec.UUID && s.TS == rec.TS
	chosen := s.Consensus != nil && s.Consensus.Record.Version() == rec.Version() // by an operation that read it: it needs a majority to end.
	if !eventual || chosen || !rec.Live() || rec.Expires == 0 {
		delete(m.values, path)
		return
	}
	if m.values[path].version != rec.Version() {
		life := time.Duration(max(rec.Expires-rec.TS.Wall(), 1)) * time.Millisecond
		m.values[path] = heldValue{version: rec.Version(), life: life, since: m.ran, starts: m.starts}
	}
}

// forget is for a record that cannot be read any more, or is gone.
func (c *overdueCheck) forget(n int, path string) { delete(c.members[n].values, path) }

func (c *overdueCheck) started(n int) { c.members[n].starts++ }

func (c *overdueCheck) wiped(n int) { clear(c.members[n].values) }

func (c *overdueCheck) swapped(a, b int) { c.members[a], c.members[b] = c.members[b], c.members[a] }

// look counts the time since the last look for a replica that has been able to work, and finds what it should have ended.
func (c *overdueCheck) look(n int, since time.Duration) (out []Violation) {
	m := &c.members[n]
	m.ran += since
	for _, path := range slices.Sorted(maps.Keys(m.values)) {
		v := m.values[path]
		most := v.life + v.life/1000 + overduePatience + overdueSlack + time.Duration(m.starts-v.starts)*overdueAtCrash
		if held := m.ran - v.since; held > most {
			delete(m.values, path) // said once.
			out = append(out, Violation{Promise: promiseExpiry, Node: n, Path: path,
				Detail: fmt.Sprintf("shows %s, which lives for %s, after it has been running with it for %s and started %d times meanwhile", v.version.ETag(), v.life, held, m.starts-v.starts)})
		}
	}
	return out
}

// ableTo reports whether nothing that this world does keeps a replica from its work.
func (w *world) ableTo(r *replica) bool {
	if r.node == nil || r.paused || r.disk.broken || r.disk.slow > 0 {
		return false
	}
	mode := r.node.Mode()
	return mode == node.ModeNormal || mode == node.ModeReadOnly
}
