package recipe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kvs/node/client"
	"kvs/node/slot"
)

// Options of a lease, a lock or an election. Start from DefaultOptions.
type Options struct {
	// TTL is how long the lease outlives its last renewal: whole milliseconds, from slot.TTLMin. Renewals are sent
	// three times in that time. If the member that took the last renewal is gone, the others end the lease some seconds
	// later than that.
	TTL time.Duration

	// Holder says for people and for programs who holds it: a name, an address. It may be empty.
	Holder string

	// Poll is the time between two looks at a lock that somebody else holds. Up to half of it is left to chance.
	Poll time.Duration
}

// DefaultOptions fit jobs that may wait a quarter of a minute after the death of a holder.
func DefaultOptions() Options { return Options{TTL: 15 * time.Second, Poll: 500 * time.Millisecond} }

// HolderBytesMax bounds Options.Holder.
const HolderBytesMax = 4096

func (o *Options) check() error {
	switch {
	case o.TTL < slot.TTLMin || o.TTL > slot.TTLMax || o.TTL%time.Millisecond != 0:
		return fmt.Errorf("recipe: a time to live of %v: want whole milliseconds from %v to %v", o.TTL, slot.TTLMin,
			slot.TTLMax)
	case o.Poll < time.Millisecond:
		return fmt.Errorf("recipe: looks every %v: want at least a millisecond", o.Poll)
	case len(o.Holder) > HolderBytesMax:
		return fmt.Errorf("recipe: the holder has %d bytes, at most %d", len(o.Holder), HolderBytesMax)
	}
	return nil
}

// patience is how long one attempt may take, so that some fit in the time to live.
func (o *Options) patience() time.Duration { return o.TTL / 4 }

// ErrLost is wrapped by errors that say that a lease ended before it was released: it could not be renewed in time, or
// its value was changed by somebody else.
var ErrLost = errors.New("the lease was lost")

// ErrReleased is the cause of the end of a lease's context after a Release.
var ErrReleased = errors.New("the lease was released")

// HeldError says that there is a value where a lease was wanted.
type HeldError struct {
	Path   string
	Holder string // as it calls itself; empty: not known.
	Token  Token  // of its lock; zero: none, or not known.
}

// Error describes it for people.
func (e *HeldError) Error() string {
	if e.Holder == "" {
		return e.Path + " is held"
	}
	return fmt.Sprintf("%s is held by %q", e.Path, e.Holder)
}

// Lease is a value that lives as long as its owner renews it, which a goroutine does until Release, or until the lease
// is lost. It is safe for concurrent use.
type Lease struct {
	store store
	path  string
	o     Options

	ctx context.Context
	end context.CancelCauseFunc

	stop chan struct{} // closed by the first Release.
	done chan struct{} // closed when no renewal is sent any more.

	mu     sync.Mutex
	etag   string    // of the last version known to be the lease's.
	until  time.Time // when the owner must stop, by the monotonic clock.
	expiry *time.Timer
	freed  bool // Release has begun.
}

// Hold makes a value that lives as long as this program renews it, under a path that has no value yet: the presence of
// a service, for instance. A *HeldError says that there is a value. The body and its type stay the same all the time.
// The lease does not end with ctx, but with Release.
func Hold(ctx context.Context, c *client.Client, path string, o Options, body []byte, contentType string) (*Lease,
	error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	begin := time.Now()
	made, err := begun(ctx, cluster{c}, path, o, body, contentType)
	if isRefused(err) {
		return nil, &HeldError{Path: path}
	}
	if err != nil {
		return nil, wrong("hold", path, err)
	}
	return newLease(cluster{c}, path, o, made.etag, begin, body, contentType), nil
}

// begun writes the first version of a lease.
func begun(ctx context.Context, s store, path string, o Options, body []byte, contentType string) (version, error) {
	w := write{key: newKey(), ttl: o.TTL, body: body, contentType: contentType}
	return settle(ctx, o.patience(), func(ctx context.Context) (version, error) { return s.write(ctx, path, w) })
}

// newLease keeps alive what was written at begin or later, under this ETag.
func newLease(s store, path string, o Options, etag string, begin time.Time, body []byte, contentType string) *Lease {
	l := &Lease{store: s, path: path, o: o, etag: etag, until: begin.Add(o.lasts()), stop: make(chan struct{}),
		done: make(chan struct{})}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	l.expiry = time.AfterFunc(time.Until(l.until), l.expire)
	go l.beat(body, contentType)
	return l
}

// lasts is how long a lease may be relied on after the beginning of the write that renewed it. The members wait for the
// whole time to live, from a later moment on. The rest is for what the owner has to end, and for clocks that run at
// different speeds.
func (o *Options) lasts() time.Duration { return o.TTL - o.TTL/5 }

// Context ends when the lease is lost or released; context.Cause says which of them. It ends a fifth of the time to
// live before a member may end the lease, so that there is time to stop.
func (l *Lease) Context() context.Context { return l.ctx }

// Path is where the lease's value is.
func (l *Lease) Path() string { return l.path }

// Release ends the lease, so that another program need not wait. The lease's context ends first. An error wraps ErrLost
// if the lease had been lost before; after any other error the lease ends with its time to live.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	lost, again := context.Cause(l.ctx), l.freed
	if !again {
		l.freed = true
		close(l.stop)
	}
	l.mu.Unlock()
	if again {
		return wrong("release", l.path, ErrReleased)
	}
	l.end(ErrReleased)
	l.expiry.Stop()
	select {
	case <-l.done: // a renewal that is under way says which version there is.
	case <-ctx.Done():
		return wrong("release", l.path, ctx.Err())
	}
	etag, key := l.version(), newKey()
	if lost != nil {
		_ = l.store.remove(ctx, l.path, etag, key) // what may still be there ends with its time to live, or now.
		return wrong("release", l.path, lost)
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.TTL) // it is gone by itself then.
	defer cancel()
	_, err := settle(ctx, l.o.patience(), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.store.remove(ctx, l.path, etag, key)
	})
	switch {
	case isRefused(err):
		return wrong("release", l.path, fmt.Errorf("%w: %w", ErrLost, err))
	case err != nil:
		return wrong("release", l.path, err)
	}
	return nil
}

func (l *Lease) version() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.etag
}

// beat renews the lease until it is lost or released.
func (l *Lease) beat(body []byte, contentType string) {
	defer close(l.done)
	for l.rest() {
		begin := time.Now()
		l.mu.Lock()
		ctx, cancel := context.WithDeadline(context.Background(), l.until)
		l.mu.Unlock()
		w := write{after: l.version(), key: newKey(), ttl: l.o.TTL, body: body, contentType: contentType}
		made, err := settle(ctx, l.o.patience(), func(ctx context.Context) (version, error) {
			return l.store.write(ctx, l.path, w)
		})
		cancel()
		if err != nil {
			l.lose(err)
			return
		}
		l.renewed(made.etag, begin)
	}
}

// rest waits until the next renewal is due, and reports whether there is one.
func (l *Lease) rest() bool {
	due := l.o.TTL / 3
	l.mu.Lock()
	due -= l.o.lasts() - time.Until(l.until) // a renewal that took long is followed by the next one sooner.
	l.mu.Unlock()
	t := time.NewTimer(due)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.stop:
		return false
	case <-l.ctx.Done():
		return false
	}
}

// renewed notes a new version, which was written at begin or later.
func (l *Lease) renewed(etag string, begin time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.etag, l.until = etag, begin.Add(l.o.lasts())
	if !l.freed {
		l.expiry.Reset(time.Until(l.until))
	}
}

// expire ends a lease that was not renewed in time. The time of a renewal may have come meanwhile.
func (l *Lease) expire() {
	l.mu.Lock()
	over := !time.Now().Before(l.until)
	l.mu.Unlock()
	if over {
		l.end(fmt.Errorf("%w: it was not renewed in time", ErrLost))
	}
}

func (l *Lease) lose(err error) { l.end(fmt.Errorf("%w: %w", ErrLost, err)) }
