// Package committer makes a node's persists durable, many with one fsync.
//
// One goroutine takes what is queued, applies it to the store as one batch, and tells how far that went. While it waits for
// the disk the next batch gathers behind it: the running fsync is the only thing that decides how many persists share the
// next one, and nobody lingers in the hope of company.
//
// It is not a store, and it does not retry what a store has failed to write: after a failure nobody knows what is on disk.
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

// Options say where persists go. Start from DefaultOptions.
type Options struct {
	Store node.Store // only this committer applies to it. It is not closed by the committer.

	// Done is called with the last persist that is durable, in order, from the committer's goroutine. With an error it is
	// called once: everything up to that ID has an unknown outcome, nothing after it will be written, and Done is not called
	// again. Done must not call the committer, but for Backlog.
	Done func(upTo node.PersistID, err error)

	// Refused says that an error of the store means: nothing was written, try again later (a full disk). The batch is tried
	// again after RetryDelay until it goes through or the committer closes. Refused may be nil: no error is of this kind.
	Refused    func(error) bool
	RetryDelay time.Duration

	GroupOpsMax   int // operations in one Apply, and
	GroupBytesMax int // bytes of keys and values. A persist that alone is larger goes alone.
	QueueOpsMax   int // what waits behind the running Apply; when it is full Submit waits,
	QueueBytesMax int // and so does it here. An empty queue takes any persist.
}

// DefaultOptions fit a store with transactions of about 1.2 MB: a group that stays below costs one fsync.
func DefaultOptions(store node.Store, done func(node.PersistID, error)) Options {
	return Options{
		Store:         store,
		Done:          done,
		RetryDelay:    time.Second,
		GroupOpsMax:   512,
		GroupBytesMax: 512 << 10,
		QueueOpsMax:   16 << 10,
		QueueBytesMax: 64 << 20,
	}
}

// ErrClosed is returned by Submit after Close, and by Done for persists that could not be written before it.
var ErrClosed = errors.New("the committer is closed")

// Committer is the goroutine and its queue. Submit and Backlog are safe for concurrent use.
type Committer struct {
	opts Options

	mu      sync.Mutex
	changed sync.Cond // anything below has changed.
	queue   []node.Persist
	ops     int // in queue.
	bytes   int
	last    node.PersistID // submitted.
	failed  error
	closing bool

	refused error // why the running batch is being retried; nil: it is not.
	retry   chan struct{}
	ended   chan struct{}

	batch []node.Op // reused by the goroutine.
}

// New starts a committer.
func New(o Options) (*Committer, error) {
	switch {
	case o.Store == nil || o.Done == nil:
		return nil, errors.New("committer options: a store and a callback are required")
	case o.GroupOpsMax < 1 || o.GroupBytesMax < 1 || o.QueueOpsMax < 1 || o.QueueBytesMax < 1:
		return nil, fmt.Errorf("committer options: groups of %d operations or %d bytes, queue of %d operations or %d bytes: all must be above zero",
			o.GroupOpsMax, o.GroupBytesMax, o.QueueOpsMax, o.QueueBytesMax)
	case o.Refused != nil && o.RetryDelay <= 0:
		return nil, fmt.Errorf("committer options: retry delay %v must be above zero", o.RetryDelay)
	}
	c := &Committer{opts: o, retry: make(chan struct{}), ended: make(chan struct{})}
	c.changed.L = &c.mu
	go c.run()
	return c, nil
}

// Submit queues p, whose operations it must be the only one to hold from now on. IDs must ascend. It waits while the queue
// is full; Backlog tells how near that is. After a failure it returns the failure, after Close ErrClosed.
func (c *Committer) Submit(p node.Persist) error {
	bytes := 0
	for i := range p.Ops {
		bytes += len(p.Ops[i].Key) + len(p.Ops[i].Value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.failed == nil && !c.closing && len(c.queue) > 0 && (c.ops+len(p.Ops) > c.opts.QueueOpsMax || c.bytes+bytes > c.opts.QueueBytesMax) {
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
	c.ops += len(p.Ops)
	c.bytes += bytes
	c.changed.Broadcast()
	return nil
}

// Backlog is what waits behind the running Apply.
type Backlog struct {
	Persists int
	Ops      int
	Bytes    int
	Refused  error // the store takes nothing at the moment, for this reason; the running batch is being retried.
}

// Backlog returns the state of the queue, so that a host can turn clients away before Submit has to wait.
func (c *Committer) Backlog() Backlog {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Backlog{Persists: len(c.queue), Ops: c.ops, Bytes: c.bytes, Refused: c.refused}
}

// Close takes no more persists, writes those that are queued, and returns when Done has heard of all of them. It returns
// the failure, if there was one. It does not wait for a store that refuses: what is refused from now on is given up.
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
	for {
		ops, upTo, ok := c.next()
		if !ok {
			return
		}
		err := c.apply(ops)
		if err != nil {
			c.fail(err)
		}
		c.opts.Done(upTo, err)
		if err != nil {
			return
		}
	}
}

// next waits for persists and takes as many as fit one group, at least one. It returns false when there will be none.
func (c *Committer) next() (ops []node.Op, upTo node.PersistID, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 {
		if c.closing {
			return nil, 0, false
		}
		c.changed.Wait()
	}
	clear(c.batch) // values of the former group are not kept alive, nor is a slice that once was very long.
	if cap(c.batch) > 4*c.opts.GroupOpsMax {
		c.batch = nil
	}
	c.batch = c.batch[:0]
	taken, size := 0, 0
	for _, p := range c.queue {
		bytes := 0
		for i := range p.Ops {
			bytes += len(p.Ops[i].Key) + len(p.Ops[i].Value)
		}
		if taken > 0 && (len(c.batch)+len(p.Ops) > c.opts.GroupOpsMax || size+bytes > c.opts.GroupBytesMax) {
			break
		}
		c.batch = append(c.batch, p.Ops...)
		size += bytes
		upTo = p.ID
		taken++
	}
	rest := copy(c.queue, c.queue[taken:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	c.ops -= len(c.batch)
	c.bytes -= size
	c.changed.Broadcast()
	return c.batch, upTo, true
}

// apply hands a group to the store, again and again while it is refused.
func (c *Committer) apply(ops []node.Op) error {
	for {
		err := c.opts.Store.Apply(ops)
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

// fail ends everything: what is queued will not be written.
func (c *Committer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
	c.queue, c.ops, c.bytes = nil, 0, 0
	c.changed.Broadcast()
}
