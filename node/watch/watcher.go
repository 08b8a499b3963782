package watch

import (
	"strings"

	"kvs/node/slot"
	"kvs/node/view"
)

// Watcher is one who watches. Its hub guards the fields of the first group; those of the second belong to the one who
// calls Page and Show.
type Watcher struct {
	hub      *Hub
	target   string
	wake     func()
	index    int      // in hub.all; below zero: it has left.
	position uint64   // everything up to it has been taken, or does not concern it.
	queue    []change // that concern it, after the position. Empty while it is behind.
	behind   bool     // it goes on from the log.
	cut      bool     // the log does not reach back to it.
	woken    bool     // there is something, and it has been told.

	log    uint64
	start  uint64 // where the snapshot began.
	within bool   // of the snapshot.
	begun  bool   // the snapshot has been announced.
	after  string // what of the snapshot has been shown.
}

// change is a path that has changed, and the position of that.
type change struct {
	at   uint64
	path string
}

// recentChanges is how many waiting changes are searched for the path of another one.
const recentChanges = 32

// push adds a change to what waits.
func (w *Watcher) push(at uint64, path string) {
	defer w.wakeUp()
	if w.behind || w.cut {
		return
	}
	if waits(w.queue, path) {
		return
	}
	if len(w.queue) == 0 {
		w.position = at - 1
	}
	if len(w.queue) >= w.hub.o.QueueMax || w.hub.queued >= w.hub.o.QueuedMax {
		w.hub.queued -= len(w.queue)
		w.queue, w.behind = nil, true
		return
	}
	w.queue = append(w.queue, change{at, path})
	w.hub.queued++
}

// waits reports whether a path is among the last changes that wait: it will be read when that change is shown.
func waits(changes []change, path string) bool {
	for i := len(changes) - 1; i >= max(0, len(changes)-recentChanges); i-- {
		if changes[i].path == path {
			return true
		}
	}
	return false
}

func (w *Watcher) wakeUp() {
	if !w.woken && w.wake != nil {
		w.woken = true
		w.wake()
	}
}

// Work is what a watcher is to be shown next.
type Work struct {
	changes []change
	through uint64 // everything up to it is in changes, or does not concern the watcher.
	Cut     bool   // the log does not reach back to the watcher: it has to come again.
	More    bool   // there is more, at once.
}

// Empty reports whether there is nothing to show.
func (w *Work) Empty() bool { return len(w.changes) == 0 }

// Work takes up to changesMax changes. While the watcher is within its snapshot it takes nothing.
func (w *Watcher) Work(changesMax int) Work {
	w.woken = false
	switch {
	case w.cut || w.behind && w.position+1 < w.hub.first:
		w.cut = true
		return Work{Cut: true}
	case w.within:
		return Work{More: true}
	case w.behind:
		return w.scan(changesMax)
	}
	n := min(changesMax, len(w.queue))
	out := Work{changes: w.queue[:n:n]}
	w.queue = w.queue[n:]
	w.hub.queued -= n
	if out.More = len(w.queue) > 0; out.More {
		w.position = w.queue[0].at - 1
	} else {
		w.position, w.queue = w.hub.last(), nil
	}
	out.through = w.position
	return out
}

// scan goes on from the log.
func (w *Watcher) scan(changesMax int) (out Work) {
	h := w.hub
	for range h.o.ScanMax {
		if w.position == h.last() {
			w.behind = false
			break
		}
		w.position++
		if path := h.paths[w.position-h.first]; w.concerns(path) && !waits(out.changes, path) {
			out.changes = append(out.changes, change{w.position, path})
		}
		if len(out.changes) == changesMax {
			break
		}
	}
	out.through, out.More = w.position, w.behind
	return out
}

func (w *Watcher) concerns(path string) bool {
	return path == w.target || w.directory() && strings.HasPrefix(path, w.target)
}

func (w *Watcher) directory() bool { return w.target == "" || strings.HasSuffix(w.target, "/") }

// Token is how far the watcher has got when it has been shown all its work.
func (w *Watcher) Token() Token {
	t := Token{Member: w.hub.o.Self, Log: w.log, Target: targetHash(w.target), Position: w.start,
		Within: w.within, After: w.after}
	if !w.begun {
		t.Log = 0 // nothing has been shown: it has to begin with a snapshot.
	}
	return t
}

// Within reports whether the watcher is within its snapshot, so that Page is what comes next.
func (w *Watcher) Within() bool { return w.within }

// Kind is the kind of an event.
type Kind uint8

// The kinds of events. What is not between SnapshotBegin and SnapshotEnd is not there.
const (
	Put Kind = iota
	Delete
	Bookmark // nothing has happened: it has a token alone.
	SnapshotBegin
	SnapshotEnd
)

var kindNames = [...]string{"put", "delete", "bookmark", "snapshot-begin", "snapshot-end"}

// String is the word of the API.
func (k Kind) String() string { return kindNames[k] }

// Event is something to show to a watcher.
type Event struct {
	Kind   Kind
	Path   string
	Token  Token       // to come back with, once this event has been taken.
	Record slot.Record // what is there now; zero: nothing. Its Value is missing unless it is asked for.
	Bytes  int         // of the value.
}

// Source is what a watcher may see of a member. Get and List are those of view.View; a List shows nothing that Shows
// does not.
type Source interface {
	Get(path string) (slot.Record, error)
	List(view.ListRequest) (view.Listing, error)
	Shows(path string) bool
}

// Page emits the next part of the snapshot, of at most limit values. It ends with the first error, which is emit's or
// the source's: the watcher then has to come again with the last token that it has emitted.
func (w *Watcher) Page(src Source, limit int, values bool, emit func(*Event) error) error {
	if !w.begun {
		w.begun = true
		if err := emit(&Event{Kind: SnapshotBegin, Token: w.Token()}); err != nil {
			return err
		}
	}
	if !w.directory() {
		return w.pageOfOne(src, values, emit)
	}
	page, err := src.List(view.ListRequest{Directory: w.target, Recursive: true, Limit: limit, After: w.after})
	if err != nil {
		return err
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		w.after = e.Path
		ev := Event{Kind: Put, Path: e.Path, Bytes: e.Bytes}
		ev.Record.TS, ev.Record.UUID, ev.Record.ContentType = e.Version.TS, e.Version.UUID, e.ContentType
		if values {
			if ev.Record, err = src.Get(e.Path); err != nil {
				return err
			}
			if ev.Bytes = len(ev.Record.Value); !ev.Record.Live() {
				continue // it has gone since: the log has that.
			}
		}
		ev.Token = w.Token()
		if err := emit(&ev); err != nil {
			return err
		}
	}
	if w.after = page.Next; page.More {
		return nil
	}
	return w.endSnapshot(emit)
}

// pageOfOne is the snapshot of one path.
func (w *Watcher) pageOfOne(src Source, values bool, emit func(*Event) error) error {
	if src.Shows(w.target) {
		rec, err := src.Get(w.target)
		if err != nil {
			return err
		}
		if rec.Live() {
			if err := w.show(rec, w.target, w.Token(), values, emit); err != nil {
				return err
			}
		}
	}
	return w.endSnapshot(emit)
}

func (w *Watcher) endSnapshot(emit func(*Event) error) error {
	w.within, w.after = false, ""
	return emit(&Event{Kind: SnapshotEnd, Token: w.Token()})
}

// Show emits what the paths of the work show now. Errors are as those of Page.
func (w *Watcher) Show(src Source, work *Work, values bool, emit func(*Event) error) error {
	for i, c := range work.changes {
		t := w.Token()
		if t.Position = c.at; i == len(work.changes)-1 {
			t.Position = work.through
		}
		if src.Shows(c.path) {
			rec, err := src.Get(c.path)
			if err != nil {
				return err
			}
			if err := w.show(rec, c.path, t, values, emit); err != nil {
				return err
			}
		}
		w.start = t.Position
	}
	w.start = max(w.start, work.through)
	return nil
}

func (w *Watcher) show(rec slot.Record, path string, t Token, values bool, emit func(*Event) error) error {
	ev := Event{Kind: Put, Path: path, Token: t, Record: rec, Bytes: len(rec.Value)}
	if !rec.Live() {
		ev.Kind = Delete
	}
	if !values {
		ev.Record.Value = nil
	}
	return emit(&ev)
}
