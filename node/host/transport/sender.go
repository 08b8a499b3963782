package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// sender is the goroutine that sends to one peer. The first frames on a connection are posted, with a request for a
// stream. A peer that grants it gets all further frames on the stream, without waiting for answers. An older peer,
// which does not, gets one batch at a time; frames that come meanwhile make the next batch larger. Fields below the
// blank line are guarded by Frames.mu.
type sender struct {
	f     *Frames
	addr  string
	wake  chan struct{}
	limit limiter
	line  *line // the connection; nil: there is none.

	queues  queues
	touched bool
	posting bool
	failing bool // the last attempt did not reach the peer, or was refused.
	conn    net.Conn
	stream  *stream // nil: there is none.
}

func newSender(f *Frames, addr string) *sender {
	return &sender{
		f: f, addr: addr, wake: make(chan struct{}, 1), limit: limiter{interval: complaintInterval},
		queues: queues{bytesMax: f.o.QueueBytesMax, framesMax: f.o.QueueFramesMax},
	}
}

// rouse wakes the goroutine.
func (s *sender) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been woken already.
	}
}

// run sends until Close, or until it was idle for a while.
func (s *sender) run() {
	defer s.f.wg.Done()
	defer s.drop()
	delay := time.Duration(0)
	for {
		taken := s.take()
		if taken == nil {
			if !s.await() {
				return
			}
			continue
		}
		isStream, err := s.post(taken)
		s.settle(taken, isStream, err)
		if err == nil && isStream {
			delay = 0
			var idle bool
			if idle, err = s.write(); idle {
				return
			}
		}
		if err == nil {
			delay = 0
			continue
		}
		s.drop()
		delay = min(max(2*delay, s.f.o.RetryDelayMin), s.f.o.RetryDelayMax)
		if !s.pause(delay - rand.N(delay/2+1)) {
			return
		}
	}
}

// take removes the next batch from the queues, the most urgent frames first, and drops frames that are too old.
func (s *sender) take() []waiting {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	var taken []waiting
	bytes := batchHeader
	oldest := time.Now().Add(-s.f.o.FrameAgeMax)
	for l := range lanes {
		s.f.stats.Stale += uint64(s.queues.dropOlder(l, oldest))
		for q := &s.queues.lane[l]; q.len() > 0 && len(taken) < batchFramesMax; {
			size := frameHeader + len(q.first().frame)
			if len(taken) > 0 && bytes+size > batchBytesGoal {
				break
			}
			bytes += size
			taken = append(taken, q.pop())
		}
	}
	s.posting = taken != nil
	if !s.posting {
		s.f.settled.Broadcast()
	}
	return taken
}

// settle counts the outcome of a batch. Frames that certainly were not sent go back into their queues.
func (s *sender) settle(taken []waiting, isStream bool, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	st := &s.f.stats
	s.posting, s.failing = false, err != nil
	var unreached *dialError
	switch {
	case err == nil:
		st.Batches++
		st.Frames += uint64(len(taken))
		st.Bytes += uint64(batchHeader)
		for _, w := range taken {
			st.Bytes += uint64(frameHeader + len(w.frame))
		}
		if isStream {
			s.stream = newStream(s)
		}
	case errors.As(err, &unreached):
		st.Failures++
		st.Dropped += uint64(s.queues.unpop(taken))
	default:
		st.Failures++
		st.Lost += uint64(len(taken))
	}
	s.f.settled.Broadcast()
}

// await waits for frames. It returns false when the goroutine is to end: then the peer is forgotten already.
func (s *sender) await() bool {
	idle := time.NewTimer(s.f.o.IdleTimeout)
	defer idle.Stop()
	select {
	case <-s.wake:
		return true
	case <-s.f.closing:
		return false
	case <-idle.C:
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return !s.forget()
}

// forget removes the peer if no frame waits for it. The caller holds Frames.mu.
func (s *sender) forget() bool {
	if s.queues.len() > 0 || s.stream.owed() {
		return false
	}
	delete(s.f.peers, s.addr)
	return true
}

func (s *sender) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.f.closing:
		return false
	}
}

// complain logs common failures at debug level, such as a peer that is down (membership reports that once), and at
// warning level those that an operator has to act on.
func (s *sender) complain(msg string, attrs ...any) {
	ok, skipped := s.limit.allow(time.Now())
	if !ok {
		return
	}
	attrs = append(attrs, "peer", s.addr, "skipped", skipped)
	if msg == "peer refused frames" {
		s.f.o.Logger.Warn(msg, attrs...)
	} else {
		s.f.o.Logger.Debug(msg, attrs...)
	}
}

// dialError means that not one byte was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (s *sender) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.f.o.DialTimeout)
	defer cancel()
	go func() { // a Close during the attempt ends it.
		select {
		case <-s.f.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, &dialError{err}
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.closed {
		return nil, &dialError{errors.Join(net.ErrClosed, conn.Close())}
	}
	s.conn = conn
	return conn, nil
}

// connect returns a connection, secured if configured.
func (s *sender) connect(ctx context.Context) (net.Conn, error) {
	if s.f.o.Secure == nil {
		return s.reach(ctx)
	}
	return s.f.o.Secure(ctx, s.addr, s.reach)
}

// reach returns a bare connection.
func (s *sender) reach(ctx context.Context) (net.Conn, error) {
	addr, err := s.f.o.Resolver.Resolve(ctx, s.addr)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	if s.f.o.LocalIP != nil {
		d.LocalAddr = &net.TCPAddr{IP: s.f.o.LocalIP}
	}
	if addr.Addr().Is6() {
		d.LocalAddr = nil // LocalIP is one of IPv4.
	}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	s.f.o.Resolver.Prove(s.addr, addr)
	return conn, nil
}

// hangUp closes the connection, so that goroutines waiting for the peer get an error. The caller holds Frames.mu.
func (s *sender) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close() // it may be closed already, which is fine.
	}
}

// drop ends the connection, if there is one.
func (s *sender) drop() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.hangUp()
	s.conn, s.line = nil, nil
}
