package world

import (
	"bytes"
	"fmt"
	"time"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/watch"
	"kvs/sim"
	"kvs/sim/kvs/member"
)

// Replica is the world's state of a member and of its disk.
type Replica struct {
	*sim.Replica
	Node       *node.Node // nil: the process is down.
	ID         node.ID    // of the latest run; zero after a wipe.
	former     []node.ID  // of the disk that lost its tail, and of earlier ones that did.
	identified bool       // that identity is on its disk.
	Older      bool       // its disk is an older copy of what it was: it must serve no client.
	View       *node.View
	Hub        *watch.Hub // the watchers of the present run.

	// Electorate is the last one in the node's effects.
	Electorate *node.Electorate

	scratch node.Slot // memory that ShowsAt uses again.

	digest   uint64 // what digest last found,
	digestAt uint64 // and after how many changes of the store, plus one.

	Rotten map[string]bool // by path: records on its disk that fail their checksums.
	Config *node.Config    // of the latest run, after its end.

	Since  time.Duration // when its process went up or down.
	Booted bool          // a persist of the present run is durable: the first one is its start.
}

// Of returns the world's state of a replica.
func (w *World) Of(r *sim.Replica) *Replica { return &w.Replicas[r.Number] }

// Events of kvs' own.
const (
	SlotStored   = sim.EventOwn + iota // a slot has become durable: *storedSlot.
	PathErased                         // a path has been dropped from a disk, for good: *erasedPath.
	MemberLooked                       // every half second of each running member: *look.
	VersionShown                       // a client is shown what one disk holds: *shownVersion.
	ListShown                          // or a listing: *shownList.
	WatchedPath                        // or a watcher is: *WatchShown.
)

// StoredSlot is the content of SlotStored.
type StoredSlot struct {
	Path   string
	Slot   node.Slot
	Before node.Slot // the former slot on the disk,
	Held   bool      // if it did,
	Rotten bool      // and whether that was rotten.
}

// ErasedPath is the content of PathErased.
type ErasedPath struct{ Path string } // it is still in disks.

// Look is the content of MemberLooked.
type Look struct{ Status node.Status }

// ShownVersion is the content of VersionShown.
type ShownVersion struct {
	Path   string
	Record *node.Record
	Read   bool // by an eventual read beside the loop.
}

// Events are those from which the world updates its state.
func (w *World) Events() sim.EventSet {
	return sim.Events(sim.EventStarted, sim.EventNoted, sim.EventDurable, sim.EventReplied,
		sim.EventCrashed, sim.EventWiped, sim.EventPutBack, sim.EventSwapped,
		sim.EventRotten, sim.EventWatch)
}

// Observe updates the state of the world, and raises its own events for the simulator's.
func (w *World) Observe(e *sim.Event) {
	switch e.Kind {
	case sim.EventStarted:
		w.started(w.Of(e.Replica))
	case sim.EventNoted:
		w.heard(w.Of(e.Replica), e)
	case sim.EventDurable:
		w.durable(w.Of(e.Replica), e.Persist)
	case sim.EventReplied:
		w.replied(w.Of(e.Replica), e.Call.State.(*Call), &e.Reply.Body.(*member.Answered).Response)
	case sim.EventCrashed:
		r := w.Of(e.Replica)
		r.Config = r.KnownConfig()
		r.Node, r.Since = nil, w.Now()
	case sim.EventWiped:
		w.wiped(w.Of(e.Replica))
	case sim.EventPutBack:
		w.putBack(w.Of(e.Replica))
	case sim.EventSwapped:
		w.swapped(w.Of(e.Replica), w.Of(e.Other))
	case sim.EventRotten:
		w.rot(w.Of(e.Replica), e.Key)
	case sim.EventWatch:
		w.watch()
	}
}

// started begins a new run.
func (w *World) started(r *Replica) {
	r.Since, r.Booted = w.Now(), false
	for _, m := range r.Node.Status().Members {
		if m.ID == r.ID {
			w.Born[r.ID] = m.Born
		}
	}
}

// heard takes the new electorate.
func (w *World) heard(r *Replica, e *sim.Event) {
	switch note := e.Note.(type) {
	case *node.Electorate:
		r.Electorate, r.View = note, node.NewView(r.Reader(), note)
	case *node.Changed:
		r.Hub.Take(note)
	case *node.ConflictRecord:
		if w.Recording() {
			w.Mark(r.Number, sim.MarkDecision, fmt.Sprintf("%q at %s: %s wins by %s, settled %t", note.Path,
				note.Slot.TS, note.Decision.Winner, note.Decision.Rule, note.Decision.Final))
		}
	}
}

// durable raises events for the records that a persist changes.
func (w *World) durable(r *Replica, p *sim.Persist) {
	r.Booted = true
	for i := range p.Changes {
		change := &p.Changes[i]
		r.identified = r.identified || change.Key == schema.KeyIdentity
		path, isRecord := CutRecordPrefix(change.Key)
		if !isRecord {
			continue
		}
		rotten := len(r.Rotten) > 0 && r.Rotten[path]
		if rotten {
			delete(r.Rotten, path)
		}
		if change.Value == nil {
			w.dropped(r, path)
			continue
		}
		s, err := w.decode(path, change.Value)
		if err != nil {
			w.Violate(sim.Violation{Promise: sim.PromiseWorks, Node: r.Number, Path: path,
				Detail: "it stores a record that cannot be read: " + err.Error()})
			continue
		}
		if was, held := w.Disks.At(r.Number, path); held && was.Exists() && !s.Exists() {
			w.dropped(r, path) // a mark is left: the member is blind there.
		}
		w.slot.Path, w.slot.Slot, w.slot.Rotten = path, s, rotten
		w.slot.Before, w.slot.Held = w.Disks.Stored(r.Number, path, &s)
		w.descends(path, &s)
		w.Tell(SlotStored, r.Replica, &w.slot)
	}
}

// dropped handles a path whose version is no longer on a disk.
func (w *World) dropped(r *Replica, path string) {
	w.erased.Path = path
	w.Tell(PathErased, r.Replica, &w.erased)
	w.Disks.Erased(r.Number, path)
}

// decode decodes a slot that is being stored. Most are stored by several members with the same bytes, one after the
// other, and decoded slots are never written to.
func (w *World) decode(path string, encoded []byte) (node.Slot, error) {
	last := w.decoded[path]
	if last != nil && bytes.Equal(last.encoded, encoded) {
		return last.slot, nil
	}
	s := node.Slot{Candidates: w.candidates.Take(1)} // nearly all have one.
	if err := s.Decode(path, encoded); err != nil {
		return s, err
	}
	if last == nil {
		last = w.decodings.New()
		w.decoded[path] = last
	}
	*last = decodedSlot{encoded, s}
	return s, nil
}

// decodedSlot is the slot that was stored under a path last, by any member.
type decodedSlot struct {
	encoded []byte
	slot    node.Slot
}

// replied handles a member's answer when it may reach a client.
func (w *World) replied(r *Replica, c *Call, resp *node.Response) {
	if c.Acknowledged(resp) {
		w.Ledger.Acknowledge(c.Write, resp.Record.Version(), r.ID)
	}
	if c.Shows(resp) {
		w.shown.Path, w.shown.Record, w.shown.Read = c.Request.Path, &resp.Record, false
		w.Tell(VersionShown, r.Replica, &w.shown)
	}
}

// wiped handles a disk that is about to be lost.
func (w *World) wiped(r *Replica) {
	w.forgetDisk(r)
	switch {
	case !r.LostTail():
		r.former = nil
	case r.identified:
		r.former = append(r.former, r.ID)
	}
	r.ID, r.identified, r.Config, r.Older = 0, false, nil, false
	clear(r.Rotten)
	w.Disks.Wiped(r.Number)
}

// putBack takes in what is on a disk that is an older copy.
func (w *World) putBack(r *Replica) {
	r.Older, r.digestAt = true, 0
	scan(r, schema.PrefixRecord, func(key string, value []byte) bool {
		path, _ := CutRecordPrefix(key)
		if s, err := slot.Decode(path, value); err == nil {
			w.Disks.Stored(r.Number, path, &s)
		}
		return true
	})
}

// swapped takes note that two members have got each other's data folders. An identity is there, and all that goes
// with it.
func (w *World) swapped(a, b *Replica) {
	a.ID, b.ID = b.ID, a.ID
	a.former, b.former = b.former, a.former
	a.identified, b.identified = b.identified, a.identified
	a.digest, b.digest = b.digest, a.digest
	a.digestAt, b.digestAt = b.digestAt, a.digestAt
	a.Rotten, b.Rotten = b.Rotten, a.Rotten
	a.Older, b.Older = b.Older, a.Older
	a.Config, b.Config = b.Config, a.Config
	w.Disks.swapped(a.Number, b.Number)
	switch w.departing.number {
	case a.Number:
		w.departing.number = b.Number
	case b.Number:
		w.departing.number = a.Number
	}
}

// rot handles a record that is about to rot.
func (w *World) rot(r *Replica, key string) {
	path, _ := CutRecordPrefix(key)
	w.damaged(r, path)
	r.Rotten[path] = true
}

// watch raises an event for each running member.
func (w *World) watch() {
	for n := 1; n <= w.Nodes(); n++ {
		if r := &w.Replicas[n]; r.Node != nil {
			r.Node.StatusInto(&w.look.Status)
			w.Tell(MemberLooked, r.Replica, &w.look)
		}
	}
}

// CutRecordPrefix returns the path of a record's key; ok is false for other keys.
func CutRecordPrefix(key string) (path string, ok bool) {
	if len(key) > len(schema.PrefixRecord) && key[:len(schema.PrefixRecord)] == schema.PrefixRecord {
		return key[len(schema.PrefixRecord):], true
	}
	return "", false
}

// AbleTo reports whether no fault of this world keeps a replica from working.
func (w *World) AbleTo(r *Replica) bool {
	if d := r.DiskState(); r.Node == nil || r.Paused() || d.Broken || d.Slow > 0 {
		return false
	}
	mode := r.Node.Mode()
	return mode == node.ModeNormal || mode == node.ModeReadOnly
}
