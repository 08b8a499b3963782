package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"kvs/node"
)

// FramesOptions bound what Frames does. Start from DefaultFramesOptions.
type FramesOptions struct {
	Resolver *Resolver
	Logger   *slog.Logger
	LocalIP  net.IP // connections leave from this address, as gossip does; nil: the system chooses.

	QueueBytesMax  int           // per peer: frames waiting; beyond it the oldest are dropped and counted.
	QueueFramesMax int           // per peer, likewise.
	PeersMax       int           // peers with a goroutine; frames for others are dropped and counted.
	FrameAgeMax    time.Duration // a frame that waited longer, because nobody answered, is dropped and counted.
	DialTimeout    time.Duration // of one connection attempt, looking up the name included.
	PostTimeout    time.Duration // of one batch.
	RetryDelayMin  time.Duration // pause after a failure, doubled with each further one
	RetryDelayMax  time.Duration // up to this; each is shortened at random by up to half.
	IdleTimeout    time.Duration // a peer without frames for so long loses its goroutine, and before that its connection.
	ConnIdle       time.Duration // a connection unused for so long is closed. Less than the server's, or frames are lost.
}

// DefaultFramesOptions returns what production runs with.
func DefaultFramesOptions(r *Resolver, l *slog.Logger) FramesOptions {
	return FramesOptions{
		Resolver: r, Logger: l,
		QueueBytesMax: 32 << 20, QueueFramesMax: 16384, PeersMax: 2048, FrameAgeMax: 5 * time.Second,
		DialTimeout: time.Second, PostTimeout: 5 * time.Second,
		RetryDelayMin: 100 * time.Millisecond, RetryDelayMax: 2 * time.Second,
		IdleTimeout: time.Minute, ConnIdle: 20 * time.Second,
	}
}

func (o *FramesOptions) check() error {
	switch {
	case o.Resolver == nil || o.Logger == nil:
		return errors.New("frames: a resolver and a logger are required")
	case o.QueueBytesMax < node.FrameBytesMax:
		return errors.New("frames: the queue cannot hold one frame of the largest size")
	case o.QueueFramesMax < 1 || o.PeersMax < 1:
		return errors.New("frames: at least one frame and one peer must be allowed")
	case o.FrameAgeMax <= 0 || o.DialTimeout <= 0 || o.PostTimeout <= 0 || o.IdleTimeout <= 0 || o.ConnIdle <= 0:
		return errors.New("frames: every timeout must be above zero")
	case o.RetryDelayMin <= 0 || o.RetryDelayMax < o.RetryDelayMin:
		return errors.New("frames: retry delays must be above zero, the second not below the first")
	}
	return nil
}

// FrameStats counts since the start.
type FrameStats struct {
	Batches, Frames, Bytes uint64 // delivered.
	Dropped                uint64 // because a queue was full, or there were too many peers.
	Stale                  uint64 // dropped because they had waited too long.
	Lost                   uint64 // on their way when a connection failed, or refused by the peer.
	Failures               uint64 // batches that were not accepted, and connections that were not made.
	Peers                  int    // with a goroutine now.
}

// Frames sends frames to peers. It is safe for concurrent use.
type Frames struct {
	o FramesOptions

	mu      sync.Mutex
	settled sync.Cond // a sender has nothing to do any more, or has failed.
	peers   map[string]*sender
	stats   FrameStats
	closed  bool
	closing chan struct{}
	wg      sync.WaitGroup
}

// NewFrames returns a Frames without peers; Send makes them.
func NewFrames(o FramesOptions) (*Frames, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f := &Frames{o: o, peers: map[string]*sender{}, closing: make(chan struct{})}
	f.settled.L = &f.mu
	return f, nil
}

// Send queues a frame for the member at address to and returns at once. The frame is shared: nobody writes to it any more.
func (f *Frames) Send(to string, frame []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(frame) == 0 || len(frame) > node.FrameBytesMax {
		f.stats.Dropped++
		return
	}
	s := f.peers[to]
	if s == nil {
		if len(f.peers) >= f.o.PeersMax {
			f.stats.Dropped++
			return
		}
		s = newSender(f, to)
		f.peers[to] = s
		f.wg.Add(1)
		go s.run()
	}
	f.stats.Dropped += uint64(s.queue.push(waiting{frame, time.Now()}, f.o.QueueBytesMax, f.o.QueueFramesMax))
	select {
	case s.wake <- struct{}{}:
	default: // it has been told already.
	}
}

// Flush waits until everything sent so far has been delivered or dropped, but not for peers that do not answer.
func (f *Frames) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock() // or the waiter below misses it between its look at ctx and its wait.
		defer f.mu.Unlock()
		f.settled.Broadcast()
	})
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.busy() {
		if err := ctx.Err(); err != nil {
			return err
		}
		f.settled.Wait()
	}
	return nil
}

func (f *Frames) busy() bool {
	for _, s := range f.peers {
		if !s.failing && (s.posting || s.queue.len() > 0) {
			return true
		}
	}
	return false
}

// Stats returns the counters.
func (f *Frames) Stats() FrameStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Peers = len(f.peers)
	return s
}

// Close drops what waits, breaks the connections, and returns when every goroutine has ended.
func (f *Frames) Close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.closing)
	}
	for _, s := range f.peers {
		s.hangUp()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// waiting is a frame in a queue.
type waiting struct {
	frame []byte
	since time.Time
}

// frameQueue is bounded in bytes and in frames; the oldest give way.
type frameQueue struct {
	frames []waiting
	head   int
	bytes  int
}

func (q *frameQueue) len() int { return len(q.frames) - q.head }

func (q *frameQueue) push(w waiting, bytesMax, framesMax int) (dropped int) {
	q.frames = append(q.frames, w)
	q.bytes += len(w.frame)
	for q.bytes > bytesMax || q.len() > framesMax {
		q.pop()
		dropped++
	}
	return dropped
}

func (q *frameQueue) pop() waiting {
	w := q.frames[q.head]
	q.frames[q.head] = waiting{}
	q.head++
	q.bytes -= len(w.frame)
	if q.head*2 > len(q.frames) { // each entry is moved at most once for each one taken.
		n := copy(q.frames, q.frames[q.head:])
		clear(q.frames[n:])
		q.frames, q.head = q.frames[:n], 0
	}
	return w
}

// unpop puts back, in front, what was taken last. Whatever exceeds the bounds goes, the oldest first.
func (q *frameQueue) unpop(taken []waiting, bytesMax, framesMax int) (dropped int) {
	rest := q.frames[q.head:]
	*q = frameQueue{}
	for _, w := range taken {
		dropped += q.push(w, bytesMax, framesMax)
	}
	for _, w := range rest {
		dropped += q.push(w, bytesMax, framesMax)
	}
	return dropped
}
