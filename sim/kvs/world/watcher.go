package world

import (
	"errors"
	"maps"
	"time"

	"kvs/linearize"
	"kvs/node"
	"kvs/node/watch"
	"kvs/sim"
)

// Watcher is a client that watches: it keeps a copy of what is below a directory, as the documents tell clients to, by
// what members show it. It changes members, and its connections break.
type Watcher struct {
	sim.BaseClient
	w      *World
	number int
	Target string

	Node  int                     // the member that it watches,
	Copy  map[string]node.Version // and what that showed.
	fresh map[string]node.Version // within a snapshot; nil: it is not within one.
	token *watch.Token            // of the last event that it has taken; nil: none.
	live  *watch.Watcher          // the connection; nil: there is none.
	at    *watch.Hub              // of the connection.
	polls int                     // begun.
	open  bool                    // the last one has no answer yet.
	limit int                     // events of the next answer, after which the connection breaks.
	ends  bool                    // the member is told that there are no watchers.
}

// WatchShown is the content of an event of that name: what a watcher is shown of a path.
type WatchShown struct {
	Watcher int
	Log     uint64
	Path    string
	Version node.Version
	Agreed  bool // it is of the eventual half of the slot, or nothing: no round of a higher ballot takes it back.
}

// watchOptions are small, so that queues and scans come to their bounds.
func watchOptions(self node.ID) watch.Options {
	return watch.Options{Self: self, QueueMax: 4, QueuedMax: 10, ScanMax: 8}
}

const (
	watchThinkMax   = 400 * time.Millisecond
	watchEventsMax  = 12 // of one answer.
	watchLogMax     = 60 // persists in a member's log of changes.
	watchMoves      = 12 // one poll of so many goes to another member,
	watchStays      = 40 // and one of so many finds that its member has ended the log.
	watchBreaks     = 4  // and after one of so many the connection breaks.
	watchPageValues = 5
)

// newWatcher returns the client of this number.
func (w *World) newWatcher(number int) *Watcher {
	target := ""
	if number%2 == 0 {
		target = w.Own.Workload.WatchedDir()
	}
	c := &Watcher{w: w, number: number, Target: target, Node: 1 + number%w.Nodes(), Copy: map[string]node.Version{}}
	w.Watchers = append(w.Watchers, c)
	return c
}

// Next implements sim.Client.
func (c *Watcher) Next() (think time.Duration, more bool) {
	rng := c.w.LoadRand(c.number)
	think = time.Duration(rng.Int64N(int64(watchThinkMax)))
	if rng.IntN(watchMoves) == 0 {
		c.hangUp()
		c.Node = 1 + rng.IntN(c.w.Nodes())
	}
	c.ends = rng.IntN(watchStays) == 0
	c.limit = -1
	if rng.IntN(watchBreaks) == 0 {
		c.limit = rng.IntN(watchEventsMax)
	}
	return think, true
}

func (c *Watcher) hangUp() {
	if c.live != nil {
		c.at.Leave(c.live)
		c.live, c.at = nil, nil
	}
}

// Begin implements sim.Client.
func (c *Watcher) Begin() sim.Operation {
	c.polls++
	c.open = true
	return sim.Operation{Node: c.Node, Timeout: c.w.Own.Workload.Timeout, Kind: "watch", Subject: c.Target,
		Body: c.polls}
}

// seen are the events of an answer.
type seen struct{ events []watch.Event }

// Serve implements sim.Client: the member's edge answers.
func (c *Watcher) Serve(of *sim.Replica, s *sim.Call) (body any, ask bool) {
	r := c.w.Of(of)
	s.Answer = sim.Answer{Status: linearize.Fail, Err: "it serves no watches now"}
	mode := r.Node.Mode()
	switch {
	case mode != node.ModeNormal && mode != node.ModeReadOnly:
		return nil, false
	case !c.open || s.Op.Body.(int) != c.polls: // it has given up: its connection has broken.
		return nil, false
	case c.ends || !r.Hub.Open():
		c.w.Control(of, &node.Watching{On: !c.ends})
		return nil, false
	}
	if c.live == nil || c.at != r.Hub {
		c.hangUp()
		c.live, c.at = r.Hub.Watch(c.Target, c.token, nil), r.Hub
	}
	out := &seen{}
	if err := c.show(r, c.live, c.limit, out); err != nil {
		c.hangUp()
		if !errors.Is(err, errBroke) {
			s.Answer.Err = err.Error()
			return nil, false
		}
	}
	c.w.Hash().Word(uint64(len(out.events)))
	s.Answer = sim.Answer{Status: linearize.OK, Body: out}
	return nil, false
}

var (
	errBroke = errors.New("the connection broke")
	errCut   = errors.New("the watcher is cut off")
)

// show lets a member show what there is, until a number of events have been shown; below zero: all.
func (c *Watcher) show(r *Replica, w *watch.Watcher, limit int, out *seen) error {
	emit := func(ev *watch.Event) error {
		if limit >= 0 && len(out.events) >= limit {
			return errBroke
		}
		out.events = append(out.events, *ev)
		c.tell(r, ev)
		return nil
	}
	for {
		if w.Within() {
			if err := w.Page(source{r.View}, watchPageValues, c.number%3 == 0, emit); err != nil {
				return err
			}
			continue
		}
		work := w.Work(3)
		if work.Cut {
			return errCut
		}
		if err := w.Show(source{r.View}, &work, c.number%3 == 0, emit); err != nil || !work.More {
			return err
		}
	}
}

// source is a view of which everything may be seen.
type source struct{ *node.View }

func (source) Shows(string) bool { return true }

// tell raises the event of a path that a watcher is shown.
func (c *Watcher) tell(r *Replica, ev *watch.Event) {
	if ev.Kind != watch.Put && ev.Kind != watch.Delete {
		return
	}
	v := ev.Record.Version()
	agreed := true
	if s, ok := readSlot(r, ev.Path); ok && s.Consensus.Accepted() {
		agreed = s.Consensus.Record.Version() != v
	}
	c.w.watched = WatchShown{Watcher: c.number, Log: ev.Token.Log, Path: ev.Path, Version: v, Agreed: agreed}
	c.w.Tell(WatchedPath, r.Replica, &c.w.watched)
}

// End implements sim.Client. An answer that was lost is none: the connection has broken.
func (c *Watcher) End(_ *sim.Operation, a *sim.Answer) (again bool) {
	c.open = false
	if a.Status != linearize.OK {
		c.hangUp()
		return false
	}
	c.take(a.Body.(*seen))
	return false
}

// Answer implements sim.Client: no reply of the machine is waited for.
func (c *Watcher) Answer(*sim.Replica, *sim.Call, *sim.Reply) sim.Answer { return sim.Answer{} }

// take does with the events what the documents say.
func (c *Watcher) take(s *seen) {
	for i := range s.events {
		ev := &s.events[i]
		into := c.Copy
		if c.fresh != nil {
			into = c.fresh
		}
		switch ev.Kind {
		case watch.SnapshotBegin:
			c.fresh = map[string]node.Version{}
		case watch.SnapshotEnd:
			c.Copy, c.fresh = c.fresh, nil
		case watch.Put:
			into[ev.Path] = ev.Record.Version()
		case watch.Delete:
			delete(into, ev.Path)
		}
		t := ev.Token
		c.token = &t
	}
}

// Want is what a member shows below the watcher's directory; ok: it can be read.
func (c *Watcher) Want(r *Replica) (want map[string]node.Version, ok bool) {
	want = map[string]node.Version{}
	req := node.ListRequest{Directory: c.Target, Recursive: true, Limit: node.ListLimitMax}
	for {
		page, err := r.View.List(req)
		if err != nil {
			return nil, false
		}
		for i := range page.Entries {
			want[page.Entries[i].Path] = page.Entries[i].Version
		}
		if !page.More {
			return want, true
		}
		req.After = page.Next
	}
}

// CatchUp lets the watcher come back to a member with its token, in the last moment of a run, and take all that there
// is. False: the member cannot be asked.
func (c *Watcher) CatchUp(n int) bool {
	r := &c.w.Replicas[n]
	if r.Node == nil || r.Older || len(r.Rotten) > 0 || r.Hub == nil || !r.Hub.Open() {
		return false
	}
	c.hangUp()
	for {
		live := r.Hub.Watch(c.Target, c.token, nil)
		out := &seen{}
		err := c.show(r, live, -1, out)
		r.Hub.Leave(live)
		c.take(out)
		if !errors.Is(err, errCut) {
			return err == nil
		}
	}
}

// Clone is a watcher in the same state, without a connection.
func (c *Watcher) Clone() *Watcher {
	out := *c
	out.live, out.at, out.Copy, out.fresh = nil, nil, maps.Clone(c.Copy), maps.Clone(c.fresh)
	return &out
}
