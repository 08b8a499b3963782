// Package watching lets clients watch paths at a node: it hands the changes that the loop reports to the streams that
// are open, bounds them, and ends them when the node stops.
//
// What a watcher is shown is decided by node/watch. Requests and rights are the matter of node/host/rest. Begin with
// Watchers, then stream.go.
package watching

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kvs/node"
	"kvs/node/watch"
)

// Options of New. All are required.
type Options struct {
	Max    int           // streams that may be open at once.
	Linger time.Duration // how long the node keeps its log of changes after the last stream has ended.

	// Ask tells the core whether there are watchers.
	Ask func(ctx context.Context, on bool) error
}

// LingerDefault is what production runs with: a client that was away for so long finds its log, if the log is long
// enough.
const LingerDefault = time.Hour

// rightsSettle is how long a change of the table of tokens takes until every reading has it, see host/tokens.go.
const rightsSettle = 300 * time.Millisecond

// Watchers are the streams of a node. It is safe for concurrent use.
type Watchers struct {
	o        Options
	stop     chan struct{} // closed when all streams have to end.
	stopOnce sync.Once

	events, snapshots, resumed, refused, behind, slow atomic.Uint64

	mu     sync.Mutex
	hub    *watch.Hub    // nil: the node has not started.
	opened chan struct{} // closed while the log is open.
	isOpen bool
	idle   time.Time // since when there is no stream.
	count  int       // of streams, those that are about to begin included.
	ended  chan struct{}
}

// Errors of Open.
var (
	ErrFull     = errors.New("too many watchers")
	ErrStopping = errors.New("the node is shutting down")
)

// New returns Watchers of a node that has not started: call Begin.
func New(o Options) *Watchers {
	return &Watchers{o: o, stop: make(chan struct{}), opened: make(chan struct{}), ended: make(chan struct{}, 1)}
}

// Begin says which member this is, before the first Take.
func (s *Watchers) Begin(self node.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hub, s.idle = watch.NewHub(watch.DefaultOptions(self)), time.Now()
}

// Take takes in what has become durable. A change of the rights table makes all streams check their rights.
func (s *Watchers) Take(parts []node.Changed, rights string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	check := false
	for i := range parts {
		s.hub.Take(&parts[i])
		for _, path := range parts[i].Paths {
			check = check || path == rights
		}
	}
	switch open := s.hub.Open(); {
	case open && !s.isOpen:
		close(s.opened)
	case !open && s.isOpen:
		s.opened = make(chan struct{})
	}
	s.isOpen = s.hub.Open()
	if check && s.hub.Count() > 0 {
		time.AfterFunc(rightsSettle, s.wakeAll)
	}
}

func (s *Watchers) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hub.WakeAll()
}

// Open begins a stream of a directory, or of one path. since is where it goes on; nil: it begins with a snapshot.
func (s *Watchers) Open(ctx context.Context, target string, since *watch.Token) (*Stream, error) {
	opened, err := s.enter()
	if err != nil {
		return nil, err
	}
	st := &Stream{all: s, wake: make(chan struct{}, 1)}
	for {
		select {
		case <-opened:
		default:
			if err := s.o.Ask(ctx, true); err != nil {
				s.leave(nil)
				return nil, err
			}
		}
		select {
		case <-opened:
		case <-s.stop:
			s.leave(nil)
			return nil, ErrStopping
		case <-ctx.Done():
			s.leave(nil)
			return nil, fmt.Errorf("the log of changes was not begun in time: %w", ctx.Err())
		}
		s.mu.Lock()
		if s.isOpen {
			break
		}
		opened = s.opened // it has just been closed.
		s.mu.Unlock()
	}
	st.w = s.hub.Watch(target, since, st.wakeUp)
	s.mu.Unlock()
	if st.w.Within() {
		s.snapshots.Add(1)
	} else {
		s.resumed.Add(1)
	}
	return st, nil
}

// enter takes a place.
func (s *Watchers) enter() (opened chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		return nil, ErrStopping
	default:
	}
	switch {
	case s.hub == nil:
		return nil, ErrStopping
	case s.count >= s.o.Max:
		s.refused.Add(1)
		return nil, fmt.Errorf("%w: %d are watching, which is the limit (limits.watchers)", ErrFull, s.count)
	}
	s.count++
	return s.opened, nil
}

// leave gives a place back.
func (s *Watchers) leave(w *watch.Watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w != nil {
		s.hub.Leave(w)
	}
	if s.count--; s.count == 0 {
		s.idle = time.Now()
		select {
		case s.ended <- struct{}{}:
		default:
		}
	}
}

// Run ends the log of changes when there has been no stream for long, until ctx ends.
func (s *Watchers) Run(ctx context.Context) {
	tick := time.NewTicker(max(s.o.Linger/60, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		over := s.isOpen && s.count == 0 && time.Since(s.idle) >= s.o.Linger
		s.mu.Unlock()
		if over {
			_ = s.o.Ask(ctx, false) // the next tick tries again.
		}
	}
}

// End ends all streams, each with a bookmark, and lets no other one in. It returns when they have ended, or ctx has.
func (s *Watchers) End(ctx context.Context) {
	s.stopOnce.Do(func() { close(s.stop) })
	for {
		s.mu.Lock()
		none := s.count == 0
		s.mu.Unlock()
		if none {
			return
		}
		select {
		case <-s.ended:
		case <-ctx.Done():
			return
		}
	}
}

// Stats are counters since the start, and what there is now.
type Stats struct {
	Watchers, Queued, Changes          int    // streams; paths that wait for them; changes in the log.
	Events                             uint64 // put and delete.
	Snapshots, Resumed                 uint64 // streams that began with a snapshot, and with a token.
	RefusedFull, CutBehind, CutTooSlow uint64 // by the limit; the log did not reach back; did not read.
}

// Stats returns the counters.
func (s *Watchers) Stats() Stats {
	out := Stats{
		Events: s.events.Load(), Snapshots: s.snapshots.Load(), Resumed: s.resumed.Load(),
		RefusedFull: s.refused.Load(), CutBehind: s.behind.Load(), CutTooSlow: s.slow.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if out.Watchers = s.count; s.hub != nil {
		out.Queued, out.Changes = s.hub.Queued(), s.hub.Changes()
	}
	return out
}
