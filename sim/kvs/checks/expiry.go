package checks

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/ledger"
	"kvs/sim/kvs/world"
)

// expiryCheck checks the ends of values.
type expiryCheck struct{ check }

func newExpiryCheck(w *world.World) *expiryCheck {
	return &expiryCheck{check{w, promiseExpiry, sim.Events(world.SlotStored)}}
}

// Observe implements sim.Checker.
func (c *expiryCheck) Observe(e *sim.Event) {
	r, s := c.w.Of(e.Replica), e.Own.(*world.StoredSlot)
	c.ended(r, s.Path, &s.Slot)
	if !s.Rotten {
		c.hidesWrite(r, s)
	}
}

// Finish implements sim.Checker.
func (c *expiryCheck) Finish() {
	c.w.Violate(checkHidden(c.w.Evidence())...)
	c.w.Violate(checkLives(c.w.Evidence())...)
}

// ended checks a slot that replica r has made durable: if it is the end of a value, the value's time to live is over.
// The time is measured from the client's request, by the true time of this world, less the error of a monotonic clock.
//
// A run also waits for values to end: see world/settled.go.
func (c *expiryCheck) ended(r *world.Replica, path string, s *node.Slot) {
	w := c.w
	for i := range s.Candidates {
		if !world.IsEnding(s, i) {
			continue
		}
		end := node.Record{TS: s.TS, UUID: s.Candidates[i].UUID, Tombstone: true}
		for _, index := range w.Ledger.Of(path) {
			wr := &w.Ledger.Writes[index]
			if wr.Fate != ledger.Acknowledged || wr.Delete || !end.EndingOf(wr.Version) {
				continue
			}
			if wr.TTL == 0 {
				c.bad(r.Number, path, "ends %s, which lives for ever", wr.Version.ETag())
			} else if lived := w.Now() - wr.Begun; lived < wr.TTL-world.EndsEarly(wr.TTL) {
				c.bad(r.Number, path, "ends %s after %s of %s", wr.Version.ETag(), lived, wr.TTL)
			}
		}
	}
}

// hidesWrite checks a slot that replica r has made durable in place of another: the end of a value is below every write
// with its timestamp, and is neither beside one nor replaces it.
func (c *expiryCheck) hidesWrite(r *world.Replica, stored *world.StoredSlot) {
	path, s, before := stored.Path, &stored.Slot, &stored.Before
	for i := range s.Candidates {
		if !world.IsEnding(s, i) {
			continue
		}
		if len(s.Candidates) > 1 {
			c.bad(r.Number, path, "the end of a value is one of %d candidates at %s", len(s.Candidates), s.TS)
		}
		if stored.Held && before.TS == s.TS && len(before.Candidates) > 0 && !world.IsEnding(before, 0) {
			c.bad(r.Number, path, "the end of a value takes the place of %s, a write at %s",
				before.Candidates[0].UUID, s.TS)
		}
	}
}

// checkHidden looks for acknowledged writes that an end hides although it is not theirs: every write above the
// value that ended goes before the end, also one with the end's own timestamp.
func checkHidden(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for i := range e.Nodes {
		for _, r := range e.Nodes[i].Records {
			of, is := r.Record.Ending()
			if !is {
				continue
			}
			for _, index := range e.Ledger.Of(r.Path) {
				wr := &e.Ledger.Writes[index]
				found := wr.Version == r.Record.Version() // a delete whose answer has the end that it found.
				if wr.Fate == ledger.Acknowledged && !wr.Lost && !found && wr.Version.TS > of &&
					e.Scenario.Expects(scenarios.NoLostWrite) {
					out = append(out, sim.Violation{Promise: promiseExpiry, Node: e.Nodes[i].Number, Path: r.Path,
						Detail: fmt.Sprintf("the end of the value at %s hides version %s of client %d", of,
							wr.Version.ETag(), wr.Client)})
				}
			}
		}
	}
	return out
}

// checkLives looks for values whose time to live is not the one that their clients asked for.
func checkLives(e *world.Evidence) []sim.Violation {
	var out []sim.Violation
	for i := range e.Nodes {
		for _, r := range e.Nodes[i].Records {
			if !r.Record.Live() {
				continue
			}
			wr, wrong := e.Ledger.Source(r.Path, r.Record.Value)
			if wrong != "" {
				continue // the check of known values reports it.
			}
			life, want := time.Duration(0), wr.TTL
			if r.Record.Expires != 0 {
				life = time.Duration(r.Record.Expires-r.Record.TS.Wall()) * time.Millisecond
			}
			if want > 0 {
				want = max(want.Truncate(time.Millisecond), time.Millisecond)
			}
			if life != want {
				out = append(out, sim.Violation{Promise: promiseExpiry, Node: e.Nodes[i].Number, Path: r.Path,
					Detail: fmt.Sprintf("holds %s, which lives for %s, and client %d asked for %s",
						world.Text(r.Record), life, wr.Client, want)})
			}
		}
	}
	return out
}

// overdueCheck requires that values end in time, as node/expiry promises: a member ends a value when it has held it,
// while running, for its time to live, and expiry.Patience longer if another member made it. Each crash may cost
// expiry.ClockInterval of its running time. The check counts only time in which the member was certainly able to work.
//
// A member ends alone what no linearizable operation wrote, if the value has no rivals or has won for good. What such
// an operation wrote it ends by another one, and needs a majority for that: the check counts how long the member could
// have had one since the value was due, without a break. A run waits for all to end as well: see world/settled.go.
type overdueCheck struct {
	check
	members []heldValues // by number of the replica.
}

// heldValues are those on one disk.
type heldValues struct {
	ran    time.Duration // how long members on this disk have been able to work, at the least.
	starts int
	breaks int                  // looks at which it was not able to.
	values map[string]heldValue // by path: those that end.
}

type heldValue struct {
	version node.Version
	life    time.Duration
	since   time.Duration // ran, when it came.
	starts  int           // the same.
	chosen  bool          // it ends by a linearizable operation.
	agreed  time.Duration // since it was due: for how long the member could have had such an operation, until now.
	epoch   uint64        // of that time,
	breaks  int           // with the starts and breaks until then.
}

// The bounds of the promise: the constants of node/expiry, repeated here, and the time for scans and fsyncs.
const (
	overduePatience = 5 * time.Second
	overdueAtCrash  = 11 * time.Second // expiry.ClockInterval, and the second until the next look.
	overdueSlack    = 4 * time.Second
	overdueAgreed   = 13 * time.Second // a linearizable operation that is given up, and a part of the next one.
)

func newOverdueCheck(w *world.World) *overdueCheck {
	c := &overdueCheck{
		check: check{w, promiseExpiry, sim.Events(sim.EventStarted, sim.EventWiped, sim.EventSwapped,
			sim.EventRotten, world.SlotStored, world.PathErased, world.MemberLooked)},
		members: make([]heldValues, w.Nodes()+1),
	}
	for n := range c.members {
		c.members[n].values = make(map[string]heldValue)
	}
	return c
}

// Observe implements sim.Checker.
func (c *overdueCheck) Observe(e *sim.Event) {
	r := c.w.Of(e.Replica)
	switch e.Kind {
	case sim.EventStarted:
		c.started(r.Number)
	case sim.EventWiped:
		c.wiped(r.Number)
	case sim.EventSwapped:
		c.swapped(r.Number, e.Other.Number)
	case sim.EventRotten:
		path, _ := world.CutRecordPrefix(e.Key)
		c.forget(r.Number, path)
	case world.SlotStored:
		s := e.Own.(*world.StoredSlot)
		if len(c.members[r.Number].values) == 0 && !expires(&s.Slot) {
			return // nothing to enter, and nothing to forget.
		}
		shown := r.Electorate.Visible(&s.Slot)
		settled := !s.Slot.Conflict() || r.Electorate.Winner(&s.Slot).Final
		c.stored(r.Number, s.Path, &s.Slot, &shown, settled)
	case world.PathErased:
		c.forget(r.Number, e.Own.(*world.ErasedPath).Path)
	case world.MemberLooked:
		if c.w.AbleTo(r) {
			members := e.Own.(*world.Look).Status.Members
			c.w.Violate(c.look(r.Number, sim.WatchEvery, shown{
				version: func(path string) node.Version { return c.shows(r, path) },
				agrees:  func(path string) uint64 { return c.mayAgree(r, members, path) },
			})...)
		} else {
			c.members[r.Number].breaks++
		}
	}
}

// expires reports whether one of the versions in a slot has an end.
func expires(s *node.Slot) bool {
	for i := range s.Candidates {
		if s.Candidates[i].Expires != 0 {
			return true
		}
	}
	return s.Consensus != nil && s.Consensus.Record.Expires != 0
}

// shows is what a replica shows at a path, if it has settled what that is.
func (c *overdueCheck) shows(r *world.Replica, path string) (v node.Version) {
	s, held := c.w.Disks.At(r.Number, path)
	if !held || !s.ConsensusShows() && s.Conflict() && !r.Electorate.Winner(&s).Final {
		return v
	}
	rec := r.Electorate.Visible(&s)
	return rec.Version()
}

// mayAgree is the epoch in which a replica can have linearizable operations on a path now; zero: perhaps it cannot. A
// majority of the voters reach it and know what they had there, and it takes them for alive.
func (c *overdueCheck) mayAgree(r *world.Replica, members []swim.Member, path string) (epoch uint64) {
	config := r.Node.Config()
	if config == nil || r.Node.Mode() != node.ModeNormal {
		return 0
	}
	ready := 0
	for n := 1; n <= c.w.Nodes(); n++ {
		v := &c.w.Replicas[n]
		if !config.Votes(v.ID) || !c.w.AbleTo(v) {
			continue
		}
		state, known := world.StateOf(members, world.NodeEvidence{ID: v.ID})
		epoch := v.Node.Config()
		if v == r || known && state == swim.Alive && c.clear(r.Number, n) && c.clear(n, r.Number) &&
			epoch != nil && epoch.Epoch == config.Epoch && c.w.SpeaksFor(v, path) {
			ready++
		}
	}
	if ready < config.Majority() {
		return 0
	}
	return config.Epoch
}

// clear reports whether messages from one replica to another arrive, nearly all and soon.
func (c *overdueCheck) clear(from, to int) bool {
	links := c.w.Links()
	link := links.Link(from, to)
	return !links.Blocked(from, to) && !links.Clogged(from, to) && link.Loss <= clearLossMax &&
		link.DelayMax <= clearDelayMax
}

// What a link may do to messages and still be clear.
const (
	clearLossMax  = 150_000 // parts per million.
	clearDelayMax = 250 * time.Millisecond
)

// stored records a slot that has become durable on replica n, which shows rec of it, settled: for good.
func (c *overdueCheck) stored(n int, path string, s *node.Slot, rec *node.Record, settled bool) {
	m := &c.members[n]
	chosen := s.ConsensusShows()
	if !chosen && !settled || !rec.Live() || rec.Expires == 0 {
		delete(m.values, path)
		return
	}
	v := m.values[path]
	if v.version != rec.Version() {
		life := time.Duration(max(rec.Expires-rec.TS.Wall(), 1)) * time.Millisecond
		v = heldValue{version: rec.Version(), life: life, since: m.ran, starts: m.starts}
	}
	v.chosen = chosen
	m.values[path] = v
}

// forget drops a record that cannot be read any more, or is gone.
func (c *overdueCheck) forget(n int, path string) { delete(c.members[n].values, path) }
func (c *overdueCheck) started(n int)             { c.members[n].starts++ }
func (c *overdueCheck) wiped(n int)               { clear(c.members[n].values) }
func (c *overdueCheck) swapped(a, b int)          { c.members[a], c.members[b] = c.members[b], c.members[a] }

// shown is what a replica shows now, and what it can do about it.
type shown struct {
	version func(path string) node.Version
	agrees  func(path string) (epoch uint64) // see mayAgree.
}

// look counts the time since the last look for a replica that has been able to work, and finds values that it should
// have ended. Members that come and go may change the winner of a conflict: the time runs for what the path shows.
func (c *overdueCheck) look(n int, since time.Duration, now shown) (out []sim.Violation) {
	m := &c.members[n]
	m.ran += since
	for _, path := range slices.Sorted(maps.Keys(m.values)) {
		v := m.values[path]
		if now.version(path) != v.version {
			delete(m.values, path)
			continue
		}
		most := v.life + v.life/1000 + overduePatience + overdueSlack + time.Duration(m.starts-v.starts)*overdueAtCrash
		held := m.ran - v.since
		if held <= most {
			continue
		}
		if v.chosen {
			if epoch := now.agrees(path); epoch == 0 || epoch != v.epoch || v.breaks != m.breaks+m.starts {
				v.agreed, v.epoch, v.breaks = 0, epoch, m.breaks+m.starts
			} else {
				v.agreed += since
			}
			m.values[path] = v
			if v.agreed < overdueAgreed {
				continue
			}
		}
		delete(m.values, path) // reported once.
		out = append(out, sim.Violation{Promise: promiseExpiry, Node: n, Path: path,
			Detail: fmt.Sprintf("shows %s, which lives for %s, after it has been running with it for %s "+
				"and started %d times meanwhile", v.version.ETag(), v.life, held, m.starts-v.starts)})
	}
	return out
}
