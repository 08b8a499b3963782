// Package watch hands the changes of a member to those who watch paths: which watcher a change concerns, what a watcher
// has seen already, and a snapshot for a watcher whose token cannot be gone on from.
//
// It is pure, and knows no connections: node/host/watching has those, and the simulator has its own. Begin with Hub,
// then watcher.go.
package watch

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
)

// Options of NewHub. All are required.
type Options struct {
	Self      slot.ID // the member.
	QueueMax  int     // paths that wait for one watcher; with more it goes on from the log.
	QueuedMax int     // that wait for all watchers together.
	ScanMax   int     // changes of the log that one call looks at.
}

// DefaultOptions are what production runs with.
func DefaultOptions(self slot.ID) Options {
	return Options{Self: self, QueueMax: 1024, QueuedMax: 1 << 20, ScanMax: 4096}
}

// Hub has the log of changes of a member, and its watchers. It is not safe for concurrent use.
//
// A watcher that is up to date gets each change that concerns it into a short queue. One that is slow, or has come back
// with a token, goes on from the log, without a queue, until it is up to date. One that the log does not reach back to
// any more is cut off: it comes back for a snapshot.
type Hub struct {
	o      Options
	log    uint64 // zero: there is none.
	first  uint64 // position of paths[0].
	paths  []string
	queued int // in all queues.

	all      []*Watcher
	byTarget map[string][]*Watcher
}

// NewHub returns a hub without a log: it takes no watchers yet.
func NewHub(o Options) *Hub {
	return &Hub{o: o, byTarget: make(map[string][]*Watcher), first: 1}
}

// Open reports whether there is a log, so that watchers may come.
func (h *Hub) Open() bool { return h.log != 0 }

// Count is the number of watchers.
func (h *Hub) Count() int { return len(h.all) }

// Queued is how many paths wait for watchers.
func (h *Hub) Queued() int { return h.queued }

// Changes is how many changes the log holds.
func (h *Hub) Changes() int { return len(h.paths) }

// last is the position of the latest change.
func (h *Hub) last() uint64 { return h.first + uint64(len(h.paths)) - 1 }

// Take takes in a part of the log, and wakes the watchers that it concerns.
func (h *Hub) Take(c *contract.Changed) {
	if c.Log != h.log {
		h.log, h.paths, h.first = c.Log, nil, max(c.First, 1)
		for _, w := range h.all {
			w.cut = true
			w.wakeUp()
		}
	}
	if h.log == 0 {
		return
	}
	for i, path := range c.Paths {
		h.paths = append(h.paths, path)
		h.dispatch(c.First+uint64(i), path)
	}
	if c.Oldest > h.first {
		n := min(c.Oldest-h.first, uint64(len(h.paths)))
		clear(h.paths[:n])
		h.paths = h.paths[n:]
		h.first += n
	}
}

// dispatch offers a change to the watchers of the path, and of each directory above it.
func (h *Hub) dispatch(at uint64, path string) {
	if len(h.all) == 0 {
		return
	}
	h.offer("", at, path)
	for i := range len(path) {
		if path[i] == '/' {
			h.offer(path[:i+1], at, path)
		}
	}
	h.offer(path, at, path)
}

func (h *Hub) offer(target string, at uint64, path string) {
	for _, w := range h.byTarget[target] {
		w.push(at, path)
	}
}

// Watch lets a watcher in: of a directory, which ends in a slash, "" for everything, or of one path. With a token of
// this log it goes on from there, otherwise it begins with a snapshot. Wake is called, as a part of Take, when there is
// something for a watcher that had nothing; it may be nil. The hub must be open.
func (h *Hub) Watch(target string, since *Token, wake func()) *Watcher {
	w := &Watcher{hub: h, target: target, wake: wake, log: h.log, position: h.last()}
	if since != nil && h.reaches(since) && since.Target == targetHash(target) {
		w.position, w.behind = since.Position, since.Position < h.last()
		w.within, w.begun, w.after = since.Within, true, since.After
	} else {
		w.within = true
	}
	w.start = w.position
	w.index = len(h.all)
	h.all = append(h.all, w)
	h.byTarget[target] = append(h.byTarget[target], w)
	return w
}

// reaches reports whether the log has everything after a token.
func (h *Hub) reaches(t *Token) bool {
	return t.Member == h.o.Self && t.Log == h.log && t.Position+1 >= h.first && t.Position <= h.last()
}

// Leave lets a watcher go.
func (h *Hub) Leave(w *Watcher) {
	if w.index < 0 {
		return
	}
	h.queued -= len(w.queue)
	w.queue = nil
	moved := h.all[len(h.all)-1]
	h.all[w.index], moved.index = moved, w.index
	h.all[len(h.all)-1] = nil
	h.all = h.all[:len(h.all)-1]
	w.index = -1
	same := slices.DeleteFunc(h.byTarget[w.target], func(other *Watcher) bool { return other == w })
	if h.byTarget[w.target] = same; len(same) == 0 {
		delete(h.byTarget, w.target)
	}
}

// WakeAll wakes all watchers, for instance because rights have changed.
func (h *Hub) WakeAll() {
	for _, w := range h.all {
		w.wakeUp()
	}
}
