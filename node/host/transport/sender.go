package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// sender is the goroutine that talks to one peer. One batch is on its way at a time; what comes meanwhile makes the next one
// larger. Fields below the blank line are guarded by Frames.mu.
type sender struct {
	f      *Frames
	addr   string
	client *fasthttp.HostClient
	wake   chan struct{}
	limit  limiter
	body   []byte

	queue   frameQueue
	posting bool
	failing bool // the last attempt did not reach the peer, or was refused.
	conn    net.Conn
}

// responseBytesMax bounds what a peer may answer: a problem document.
const responseBytesMax = 64 << 10

// bodyKeptMax is the largest buffer that a sender keeps between batches.
const bodyKeptMax = 256 << 10

func newSender(f *Frames, addr string) *sender {
	s := &sender{f: f, addr: addr, wake: make(chan struct{}, 1), limit: limiter{interval: complaintInterval}}
	s.client = &fasthttp.HostClient{
		Addr:                      addr,
		NoDefaultUserAgentHeader:  true,
		Dial:                      s.dial,
		MaxConns:                  1,
		MaxIdleConnDuration:       f.o.ConnIdle,
		ReadTimeout:               f.o.PostTimeout,
		WriteTimeout:              f.o.PostTimeout,
		MaxResponseBodySize:       responseBytesMax,
		MaxIdemponentCallAttempts: 1, // a batch is never delivered twice.
	}
	return s
}

// run sends batches until Close, or until there was nothing to send for a while.
func (s *sender) run() {
	defer s.f.wg.Done()
	defer s.client.CloseIdleConnections()
	delay := time.Duration(0)
	for {
		taken := s.take()
		if taken == nil {
			if !s.await() {
				return
			}
			continue
		}
		err := s.post(taken)
		s.settle(taken, err)
		if err == nil {
			delay = 0
			continue
		}
		delay = min(max(2*delay, s.f.o.RetryDelayMin), s.f.o.RetryDelayMax)
		if !s.pause(delay - rand.N(delay/2+1)) {
			return
		}
	}
}

// take removes the next batch from the queue, without what is too old to be of use.
func (s *sender) take() []waiting {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	var taken []waiting
	bytes := batchHeader
	oldest := time.Now().Add(-s.f.o.FrameAgeMax)
	for s.queue.len() > 0 && len(taken) < batchFramesMax {
		next := &s.queue.frames[s.queue.head]
		size := frameHeader + len(next.frame)
		switch {
		case next.since.Before(oldest):
			s.queue.pop()
			s.f.stats.Stale++
			continue
		case len(taken) > 0 && bytes+size > batchBytesGoal:
			s.posting = true
			return taken
		}
		bytes += size
		taken = append(taken, s.queue.pop())
	}
	s.posting = taken != nil
	if !s.posting {
		s.f.settled.Broadcast()
	}
	return taken
}

// settle books how a batch ended. Frames that certainly did not leave go back into the queue.
func (s *sender) settle(taken []waiting, err error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	st := &s.f.stats
	s.posting, s.failing = false, err != nil
	var unreached *dialError
	switch {
	case err == nil:
		st.Batches++
		st.Frames += uint64(len(taken))
		st.Bytes += uint64(len(s.body))
	case errors.As(err, &unreached):
		st.Failures++
		st.Dropped += uint64(s.queue.unpop(taken, s.f.o.QueueBytesMax, s.f.o.QueueFramesMax))
	default:
		st.Failures++
		st.Lost += uint64(len(taken))
	}
	if cap(s.body) > bodyKeptMax {
		s.body = nil
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
	if s.queue.len() > 0 {
		return true
	}
	delete(s.f.peers, s.addr)
	return false
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

// post sends one batch and reports what went wrong, once in a while also to the log.
func (s *sender) post(taken []waiting) error {
	frames := make([][]byte, len(taken))
	for i := range taken {
		frames[i] = taken[i].frame
	}
	s.body = appendBatch(s.body[:0], frames)

	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetRequestURI("http://" + s.addr + Path)
	req.Header.SetContentType("application/octet-stream")
	req.SetBodyRaw(s.body)
	err := s.client.DoTimeout(req, resp, s.f.o.PostTimeout)
	select {
	case <-s.f.closing:
		return err // the connection was broken on purpose.
	default:
	}
	switch code := resp.StatusCode(); {
	case err != nil:
		s.f.o.Resolver.Doubt(s.addr)
		s.complain("peer not reached", "error", err)
		return err
	case code >= 200 && code < 300:
		return nil
	default:
		err := fmt.Errorf("peer answered %d", code)
		s.complain("peer refused frames", "status", code, "reason", excerpt(resp.Body()))
		return err
	}
}

// excerptBytes is enough of an answer to see what is wrong.
const excerptBytes = 300

func excerpt(b []byte) string { return string(b[:min(len(b), excerptBytes)]) }

// complain logs at debug level what happens all the time, a peer that is down (membership reports that once), and at warning
// level what an operator has to look at.
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

// dialError means that not one byte has left.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (s *sender) dial(string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.f.o.DialTimeout)
	defer cancel()
	go func() { // a Close during the attempt ends it.
		select {
		case <-s.f.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	addr, err := s.f.o.Resolver.Resolve(ctx, s.addr)
	if err != nil {
		return nil, &dialError{err}
	}
	var d net.Dialer
	if s.f.o.LocalIP != nil {
		d.LocalAddr = &net.TCPAddr{IP: s.f.o.LocalIP}
	}
	conn, err := d.DialContext(ctx, "tcp", addr.String())
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

// hangUp breaks the connection, so that a batch on its way ends. The caller holds Frames.mu.
func (s *sender) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close() // it may be closed already: what is wanted is that it be.
	}
}
