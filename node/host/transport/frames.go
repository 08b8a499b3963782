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

// FramesOptions are the bounds of Frames. Start from DefaultFramesOptions.
type FramesOptions struct {
	Resolver *Resolver
	Logger   *slog.Logger
	LocalIP  net.IP // connections leave from this address, as gossip does; nil: the system chooses.

	// Secure makes a connection to the member at addr on which both ends have proved their identities; it calls dial
	// for the connection below, perhaps twice. Default: connections are those that dial returns.
	Secure func(ctx context.Context, addr string, dial func(context.Context) (net.Conn, error)) (net.Conn, error)

	QueueBytesMax  int           // per peer: frames waiting; beyond it the oldest are dropped and counted.
	QueueFramesMax int           // per peer, likewise.
	PeersMax       int           // peers with a goroutine; frames for others are dropped and counted.
	FrameAgeMax    time.Duration // a frame that waited longer, because the peer did not answer, is dropped and counted.
	DialTimeout    time.Duration // of one connection attempt, looking up the name included.
	AnswerTimeout  time.Duration // a connection on which the peer owes an answer for so long is given up.
	PingInterval   time.Duration // a stream on which nothing was written for so long gets a ping.
	RetryDelayMin  time.Duration // pause after a failure, doubled with each further one
	RetryDelayMax  time.Duration // up to this; each is shortened at random by up to half.
	// a peer without frames for so long loses its goroutine, and before that its connection.
	IdleTimeout time.Duration
	ConnIdle    time.Duration // without a stream, unused: it is closed. Less than the server's, or frames are lost.
}

// DefaultFramesOptions returns what production runs with.
func DefaultFramesOptions(r *Resolver, l *slog.Logger) FramesOptions {
	return FramesOptions{
		Resolver: r, Logger: l,
		QueueBytesMax: 32 << 20, QueueFramesMax: 16384, PeersMax: 2048, FrameAgeMax: 5 * time.Second,
		DialTimeout: time.Second, AnswerTimeout: 5 * time.Second, PingInterval: pingInterval,
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
	case o.FrameAgeMax <= 0 || o.DialTimeout <= 0 || o.AnswerTimeout <= 0 || o.PingInterval <= 0 ||
		o.IdleTimeout <= 0 || o.ConnIdle <= 0:
		return errors.New("frames: every timeout must be above zero")
	case o.RetryDelayMin <= 0 || o.RetryDelayMax < o.RetryDelayMin:
		return errors.New("frames: retry delays must be above zero, the second not below the first")
	}
	return nil
}

// FrameStats counts since the start, except for the last group, which is the present state.
type FrameStats struct {
	Batches, Bytes uint64 // written to streams, or posted and taken.
	Frames         uint64 // that peers have reported as taken.
	Dropped        uint64 // because a queue was full, or there were too many peers.
	Stale          uint64 // dropped because they had waited too long.
	Lost           uint64 // in flight when a connection failed, or refused by the peer.
	Failures       uint64 // batches that were not accepted, connections that were not made, and streams that broke.

	Peers      int // with a goroutine.
	Streams    int // peers with a stream.
	QueueBytes int // waiting, for all peers.
}

// Frames sends frames to peers. It is safe for concurrent use.
type Frames struct {
	o FramesOptions

	mu      sync.Mutex
	settled sync.Cond // a sender has become idle, or has failed.
	peers   map[string]*sender
	touched []*sender // have frames since the last Release, and have not been woken.
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

// Queue queues a frame for the member at address to and returns at once. It leaves soon after the next Release: a
// caller with several frames queues them all before, so that those for one peer share a write. The frame is shared and
// must not be written to.
func (f *Frames) Queue(to string, lane Lane, frame []byte) {
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
	f.stats.Dropped += uint64(s.queues.push(waiting{frame, time.Now(), lane}))
	if !s.touched {
		s.touched = true
		f.touched = append(f.touched, s)
	}
}

// Release starts the sending of queued frames.
func (f *Frames) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, s := range f.touched {
		s.touched, f.touched[i] = false, nil
		s.rouse()
	}
	f.touched = f.touched[:0]
}

// Flush waits until everything sent so far has been delivered or dropped, but not for peers that do not answer.
func (f *Frames) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock() // otherwise the waiter below could miss it between its check of ctx and its wait.
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
		if !s.failing && (s.posting || s.queues.len() > 0 || s.stream.owed()) {
			return true
		}
	}
	return false
}

// Distrust closes the connections that are no longer trusted, and new ones are made. Unreported frames are lost, as
// with any connection that breaks.
func (f *Frames) Distrust(trusted func(net.Conn) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.peers {
		if s.conn != nil && !trusted(s.conn) {
			s.hangUp()
		}
	}
}

// Stats returns the counters.
func (f *Frames) Stats() FrameStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.stats
	st.Peers = len(f.peers)
	for _, s := range f.peers {
		st.QueueBytes += s.queues.bytes()
		if s.stream != nil {
			st.Streams++
		}
	}
	return st
}

// Close drops waiting frames, closes the connections, and returns when every goroutine has ended.
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
