// Package committer makes a node's persists durable, many with one fsync.
//
// One goroutine takes the queued persists, applies them to the store as one batch, and reports the last durable one.
// While it waits for the disk the next batch gathers: only the running fsync decides how many persists share the next
// one, and no batch waits for more changes. With a store that is a TwoStep the next batch is written while the one
// before is synced, by a second goroutine, as its changes come: all that is written when a sync has ended shares the
// next one.
//
// It is not a store, and it does not retry what a store has failed to write: after a failure the content of the disk
// is unknown.
//
// Begin with New and Submit.
package committer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"kvs/node"
)

// Options are the store and the bounds of a committer. Start from DefaultOptions.
type Options struct {
	Store node.Store // only this committer applies to it. It is not closed by the committer.

	// Done is called with the last persist that is durable, in order, from the committer's goroutine. With an error it
	// is called once: everything up to that ID has an unknown outcome, nothing after it will be written, and Done is
	// not called again. Done must not call the committer, except Backlog.
	Done func(upTo node.PersistID, err error)

	// Refused reports whether an error of the store means that nothing was written and the batch may be tried again (a
	// full disk). The batch is tried again after RetryDelay until it goes through or the committer closes. Refused may
	// be nil: no error is of this kind.
	Refused    func(error) bool
	RetryDelay time.Duration

	GroupChangesMax int // changes in one Apply or Sync, and
	GroupBytesMax   int // bytes of keys and values. A larger persist is a group of its own.
	QueueChangesMax int // queued behind the running Apply; when it is full Submit waits,
	QueueBytesMax   int // likewise. An empty queue takes any persist.
}

// TwoStep is a node.Store that takes a batch in two steps. Write takes it, or refuses it; it is durable, and shown to
// readers, when a Sync has returned that began after Write had. One goroutine calls Write, another one Sync, at the
// same time. Both have the errors of Apply.
type TwoStep interface {
	Write(changes []node.Change) error
	Sync() error
}

// DefaultOptions fit a store with transactions of about 1.2 MB: a group that stays below costs one fsync.
func DefaultOptions(store node.Store, done func(node.PersistID, error)) Options {
	return Options{
		Store:           store,
		Done:            done,
		RetryDelay:      time.Second,
		GroupChangesMax: 512,
		GroupBytesMax:   512 << 10,
		QueueChangesMax: 16 << 10,
		QueueBytesMax:   64 << 20,
	}
}

// ErrClosed is returned by Submit after Close, and by Done for persists that could not be written before it.
var ErrClosed = errors.New("the committer is closed")

// Committer is the goroutine and its queue. Submit and Backlog are safe for concurrent use.
type Committer struct {
	opts    Options
	twoStep TwoStep // the store, if it is one.

	mu      sync.Mutex
	changed sync.Cond // a field below has changed.
	queue   []node.Persist
	changes int // in queue.
	bytes   int
	last    node.PersistID // submitted.
	failed  error
	closing bool

	written written       // of a TwoStep: the group that gathers while another one is synced.
	toSync  chan struct{} // there is such a group.

	refused error // why the running batch is being retried; nil: it is not.
	retry   chan struct{}
	ended   chan struct{}

	batch []node.Change // reused by the goroutine.
}

// New starts a committer.
func New(o Options) (*Committer, error) {
	switch {
	case o.Store == nil || o.Done == nil:
		return nil, errors.New("committer options: a store and a callback are required")
	case o.GroupChangesMax < 1 || o.GroupBytesMax < 1 || o.QueueChangesMax < 1 || o.QueueBytesMax < 1:
		return nil, fmt.Errorf("committer options: groups of %d operations or %d bytes, queue of %d operations or %d "+
			"bytes: all must be above zero",
			o.GroupChangesMax, o.GroupBytesMax, o.QueueChangesMax, o.QueueBytesMax)
	case o.Refused != nil && o.RetryDelay <= 0:
		return nil, fmt.Errorf("committer options: retry delay %v must be above zero", o.RetryDelay)
	}
	c := &Committer{
		opts: o, retry: make(chan struct{}), ended: make(chan struct{}), toSync: make(chan struct{}, 1),
	}
	c.changed.L = &c.mu
	c.twoStep, _ = o.Store.(TwoStep)
	go c.run()
	return c, nil
}

// Submit queues p, and owns its changes from now on. IDs must ascend. It waits while the queue is full; Backlog shows
// how full it is. After a failure it returns the failure, after Close ErrClosed.
func (c *Committer) Submit(p node.Persist) error { return c.SubmitAll([]node.Persist{p}) }

// SubmitAll is Submit for several persists, in their order. Those for which the queue has room are queued at once, so
// that the first does not begin an fsync of its own before the others are queued.
func (c *Committer) SubmitAll(ps []node.Persist) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	for i := range ps {
		if err := c.add(ps[i]); err != nil {
			return err
		}
	}
	return nil
}

// add queues p when there is room. The caller holds mu.
func (c *Committer) add(p node.Persist) error {
	bytes := bytesOf(&p)
	full := func() bool {
		return len(c.queue) > 0 &&
			(c.changes+len(p.Changes) > c.opts.QueueChangesMax || c.bytes+bytes > c.opts.QueueBytesMax)
	}
	for c.failed == nil && !c.closing && full() {
		c.changed.Broadcast() // the goroutine does not know of the queued persists yet.
		c.changed.Wait()
	}
	switch {
	case c.failed != nil:
		return c.failed
	case c.closing:
		return ErrClosed
	case p.ID <= c.last:
		panic(fmt.Sprintf("kvs: broken invariant: persist %d submitted after persist %d", p.ID, c.last))
	}
	c.last = p.ID
	c.queue = append(c.queue, p)
	c.changes += len(p.Changes)
	c.bytes += bytes
	return nil
}

// Backlog is the queue behind the running Apply.
type Backlog struct {
	Persists int
	Changes  int
	Bytes    int
	Refused  error // the store takes nothing at the moment, for this reason; the running batch is being retried.
}

// Backlog returns the state of the queue, so that a host can turn clients away before Submit has to wait.
func (c *Committer) Backlog() Backlog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Backlog{Persists: len(c.queue), Changes: c.changes, Bytes: c.bytes, Refused: c.refused}
}

// Close takes no more persists, writes those that are queued, and returns after Done was called for all of them. It
// returns the failure, if there was one. It does not wait for a store that refuses: a batch that is refused from now on
// is given up.
func (c *Committer) Close() error {
	c.mu.Lock()
	if !c.closing {
		c.closing = true
		close(c.retry)
		c.changed.Broadcast()
	}
	c.mu.Unlock()
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *Committer) run() {
	defer close(c.ended)
	if c.twoStep != nil {
		c.runInTwoSteps()
		return
	}
	for {
		p, ok := c.next()
		if !ok || !c.report(p.upTo, c.retried(p.changes, c.opts.Store.Apply)) {
			return
		}
	}
}

// written is a group that is written, perhaps in several parts, and waits for its sync.
type written struct {
	upTo    node.PersistID // zero: nothing of it is written yet.
	changes int
	bytes   int
	failed  node.PersistID // of a part that was not written; no group follows it.
	err     error          // why.
}

// runInTwoSteps writes what comes while the former group is synced: it shares the next sync, as far as a group has
// room.
func (c *Committer) runInTwoSteps() {
	var syncing sync.WaitGroup
	syncing.Go(c.syncGroups)
	defer syncing.Wait()
	defer close(c.toSync)
	for {
		p, ok := c.next()
		if !ok {
			return
		}
		err := c.retried(p.changes, c.twoStep.Write)
		c.mu.Lock()
		if g := &c.written; err == nil {
			g.upTo, g.changes, g.bytes = p.upTo, g.changes+len(p.changes), g.bytes+p.bytes
		} else {
			g.failed, g.err = p.upTo, err
		}
		c.mu.Unlock()
		select {
		case c.toSync <- struct{}{}:
		default: // the group has been announced.
		}
		if err != nil {
			return
		}
	}
}

// syncGroups syncs each group that is written, until there will be no other.
func (c *Committer) syncGroups() {
	for range c.toSync {
		c.mu.Lock()
		g := c.written
		c.written = written{}
		c.changed.Broadcast() // there is room for the next group.
		c.mu.Unlock()
		if g.upTo != 0 && !c.report(g.upTo, c.twoStep.Sync()) || g.err != nil && !c.report(g.failed, g.err) {
			return
		}
	}
}

// report calls Done with the outcome of a group. It returns false when there will be no other.
func (c *Committer) report(upTo node.PersistID, err error) (goOn bool) {
	if err != nil {
		c.fail(err)
	}
	c.opts.Done(upTo, err)
	return err == nil
}

// part is what one call of the store takes.
type part struct {
	changes []node.Change
	bytes   int
	upTo    node.PersistID
}

// next waits for persists and takes as many as the group has room for, at least one where the group is empty. It
// returns false when there will be none.
func (c *Committer) next() (p part, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 || !c.fits(&c.queue[0], &p) {
		if len(c.queue) == 0 && (c.closing || c.failed != nil) {
			return p, false
		}
		c.changed.Wait()
	}
	clear(c.batch) // so that neither the values of the former group nor a very long slice stay in memory.
	if cap(c.batch) > 4*c.opts.GroupChangesMax {
		c.batch = nil
	}
	p.changes = c.batch[:0]
	taken := 0
	for taken < len(c.queue) && c.fits(&c.queue[taken], &p) {
		p.changes = append(p.changes, c.queue[taken].Changes...)
		p.bytes += bytesOf(&c.queue[taken])
		p.upTo = c.queue[taken].ID
		taken++
	}
	c.batch = p.changes
	rest := copy(c.queue, c.queue[taken:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	c.changes -= len(p.changes)
	c.bytes -= p.bytes
	c.changed.Broadcast()
	return p, true
}

// fits reports whether the group has room for a persist behind a part that was not written yet. The caller holds mu.
func (c *Committer) fits(q *node.Persist, p *part) bool {
	changes, bytes := c.written.changes+len(p.changes), c.written.bytes+p.bytes
	return c.written.upTo == 0 && p.upTo == 0 ||
		changes+len(q.Changes) <= c.opts.GroupChangesMax && bytes+bytesOf(q) <= c.opts.GroupBytesMax
}

// bytesOf counts the bytes of keys and values.
func bytesOf(p *node.Persist) (bytes int) {
	for i := range p.Changes {
		bytes += len(p.Changes[i].Key) + len(p.Changes[i].Value)
	}
	return bytes
}

// retried hands a group to the store, again and again while it is refused.
func (c *Committer) retried(changes []node.Change, apply func([]node.Change) error) error {
	for {
		err := apply(changes)
		refused := err != nil && c.opts.Refused != nil && c.opts.Refused(err)
		c.mu.Lock()
		last := c.closing
		c.refused = nil
		if refused {
			c.refused = err
		}
		c.mu.Unlock()
		if !refused {
			return err
		}
		if last {
			return fmt.Errorf("%w while the store took nothing: %w", ErrClosed, err)
		}
		wait := time.NewTimer(c.opts.RetryDelay)
		select {
		case <-wait.C:
		case <-c.retry: // closing: the last try is now.
		}
		wait.Stop()
	}
}

// fail stops the committer: queued persists will not be written.
func (c *Committer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	c.queue, c.changes, c.bytes = nil, 0, 0
	c.changed.Broadcast()
}
