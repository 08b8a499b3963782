package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	"kvs/node"
)

// olderPeer is a peer without streams: it takes batches and remembers them.
type olderPeer struct {
	*httptest.Server
	mu      sync.Mutex
	batches [][][]byte
	conns   atomic.Int32
	before  func(w http.ResponseWriter) bool // false: the request has been answered.
}

func newOlderPeer(t *testing.T, before func(w http.ResponseWriter) bool) *olderPeer {
	r := &olderPeer{before: before}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			r.conns.Add(1)
		}
	}
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func (r *olderPeer) addr() string { return r.Listener.Addr().String() }

func (r *olderPeer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if r.before != nil && !r.before(w) {
		return
	}
	frames, err2 := DecodeBatch(body)
	if err := errors.Join(err, err2); err != nil || req.URL.Path != Path || req.Method != http.MethodPost {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.batches = append(r.batches, frames)
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (r *olderPeer) frames() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.batches {
		for _, f := range b {
			all = append(all, string(f))
		}
	}
	return all
}

func newTestFrames(t *testing.T, change func(*FramesOptions)) *Frames {
	t.Helper()
	o := DefaultFramesOptions(NewResolver(), slog.New(slog.DiscardHandler))
	o.RetryDelayMin, o.RetryDelayMax = time.Millisecond, 20*time.Millisecond
	o.FrameAgeMax, o.DialTimeout, o.AnswerTimeout = patience, patience, patience // nothing is lost in a busy hour.
	if change != nil {
		change(&o)
	}
	f, err := NewFrames(o)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

// silent is an address at which nobody listens.
func silent(t *testing.T) string {
	t.Helper()
	port, err := ports.Free(1)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func flush(t *testing.T, f *Frames) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, f.Flush(ctx))
}

// send sends a frame at once.
func send(f *Frames, to string, frame []byte) {
	f.Queue(to, Prompt, frame)
	f.Release()
}

func TestFramesArriveInOrderOverOneConnection(t *testing.T) {
	r := newOlderPeer(t, nil)
	f := newTestFrames(t, nil)
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprintf("frame %d", i))
		send(f, r.addr(), []byte(want[i]))
	}
	flush(t, f)
	require.Equal(t, want, r.frames())
	require.EqualValues(t, 1, r.conns.Load())
	require.EqualValues(t, 500, f.Stats().Frames)
}

// What is sent while a batch is on its way goes together in the next one.
func TestWaitingFramesShareABatch(t *testing.T) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	r := newOlderPeer(t, func(http.ResponseWriter) bool { arrived <- struct{}{}; <-release; return true })
	f := newTestFrames(t, nil)
	send(f, r.addr(), []byte("first"))
	<-arrived
	for range 100 {
		send(f, r.addr(), []byte("more"))
	}
	close(release)
	flush(t, f)
	require.Len(t, r.frames(), 101)
	require.Len(t, r.batches, 2)
	require.Len(t, r.batches[1], 100)
}

func TestBatchesAreBounded(t *testing.T) {
	r := newOlderPeer(t, nil)
	// nothing has to give way.
	f := newTestFrames(t, func(o *FramesOptions) { o.QueueBytesMax = 4 * node.FrameBytesMax })
	large := make([]byte, node.FrameBytesMax)
	send(f, r.addr(), large)
	for range 3 {
		send(f, r.addr(), make([]byte, 3<<20))
	}
	send(f, r.addr(), make([]byte, node.FrameBytesMax+1))
	send(f, r.addr(), nil)
	flush(t, f)
	require.Equal(t, 4, len(r.frames()), "%+v", f.Stats())
	require.GreaterOrEqual(t, len(r.batches), 4, "none shares a batch of more than 4 MiB")
	require.EqualValues(t, 2, f.Stats().Dropped)
}

func TestAFullQueueDropsTheOldest(t *testing.T) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	r := newOlderPeer(t, func(http.ResponseWriter) bool { arrived <- struct{}{}; <-release; return true })
	f := newTestFrames(t, func(o *FramesOptions) { o.QueueFramesMax = 3 })
	send(f, r.addr(), []byte("0"))
	<-arrived
	for i := range 10 {
		send(f, r.addr(), fmt.Append(nil, i+1))
	}
	close(release)
	flush(t, f)
	require.Equal(t, []string{"0", "8", "9", "10"}, r.frames())
	require.EqualValues(t, 7, f.Stats().Dropped)
}

// A peer that is not there yet gets what waited for it, once it is.
func TestFramesWaitForAPeerThatComesBack(t *testing.T) {
	addr := silent(t)

	f := newTestFrames(t, func(o *FramesOptions) { o.FrameAgeMax = time.Hour })
	send(f, addr, []byte("early"))
	require.Eventually(t, func() bool { return f.Stats().Failures >= 3 }, patience, time.Millisecond)
	flush(t, f) // does not wait for a peer that does not answer.

	r := &olderPeer{}
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	srv := &http.Server{Handler: r}
	go func() { _ = srv.Serve(l) }() // ends with the error of Close.
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	require.Eventually(t, func() bool { return len(r.frames()) == 1 }, patience, time.Millisecond)
	require.Zero(t, f.Stats().Lost)
}

func TestOldFramesAreNotSentAnyMore(t *testing.T) {
	addr := silent(t)
	f := newTestFrames(t, func(o *FramesOptions) { o.FrameAgeMax = 10 * time.Millisecond })
	send(f, addr, []byte("x"))
	require.Eventually(t, func() bool { return f.Stats().Stale == 1 }, patience, time.Millisecond)
	flush(t, f)
}

// A batch whose fate is unknown is lost, not repeated.
func TestABrokenConnectionNeverDeliversTwice(t *testing.T) {
	var calls atomic.Int32
	r := newOlderPeer(t, func(w http.ResponseWriter) bool {
		if calls.Add(1) > 1 {
			return true
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close() // the request was read, the answer never comes.
		}
		return false
	})
	f := newTestFrames(t, nil)
	send(f, r.addr(), []byte("lost"))
	require.Eventually(t, func() bool { return f.Stats().Lost == 1 }, patience, time.Millisecond)
	send(f, r.addr(), []byte("next"))
	require.Eventually(t, func() bool { return len(r.frames()) == 1 }, patience, time.Millisecond)
	require.Equal(t, []string{"next"}, r.frames())
}

func TestARefusalIsLoggedWithItsReasonOnceInAWhile(t *testing.T) {
	r := newOlderPeer(t, func(w http.ResponseWriter) bool {
		http.Error(w, "another cluster lives here", http.StatusForbidden)
		return false
	})
	var mu sync.Mutex
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	}), nil))
	f := newTestFrames(t, func(o *FramesOptions) { o.Logger = logger })
	for i := range 5 {
		send(f, r.addr(), []byte("x"))
		require.Eventually(t, func() bool { return f.Stats().Lost == uint64(i+1) }, patience, time.Millisecond)
	}
	f.Close()
	require.Equal(t, 1, strings.Count(out.String(), "another cluster lives here"), out.String())
	require.Contains(t, out.String(), "status=403")
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }

func TestIdlePeersLoseTheirGoroutine(t *testing.T) {
	r := newOlderPeer(t, nil)
	f := newTestFrames(t, func(o *FramesOptions) { o.IdleTimeout = 5 * time.Millisecond })
	send(f, r.addr(), []byte("x"))
	require.Eventually(t, func() bool {
		return f.Stats().Frames == 1 && f.Stats().Peers == 0
	}, patience, time.Millisecond)
	send(f, r.addr(), []byte("y"))
	require.Eventually(t, func() bool { return f.Stats().Frames == 2 }, patience, time.Millisecond)
}

func TestThePeersAreBounded(t *testing.T) {
	f := newTestFrames(t, func(o *FramesOptions) { o.PeersMax = 2 })
	for i := range 5 {
		send(f, fmt.Sprintf("127.0.0.1:%d", i+1), []byte("x"))
	}
	require.Equal(t, 2, f.Stats().Peers)
	require.EqualValues(t, 3, f.Stats().Dropped)
}

func TestCloseDoesNotWaitForAPeerThatHangs(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	r := newOlderPeer(t, func(http.ResponseWriter) bool { arrived <- struct{}{}; <-release; return true })
	defer close(release)
	f := newTestFrames(t, func(o *FramesOptions) { o.AnswerTimeout = time.Hour })
	send(f, r.addr(), []byte("x"))
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Flush(ctx), context.Canceled)
	f.Close() // hangs here if it waits for the answer.
	send(f, r.addr(), []byte("y"))
	require.EqualValues(t, 1, f.Stats().Dropped)
}

func TestFramesOptionsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*FramesOptions){
		"required": func(o *FramesOptions) { o.Logger = nil },
		"queue":    func(o *FramesOptions) { o.QueueBytesMax = 1 },
		"one peer": func(o *FramesOptions) { o.PeersMax = 0 },
		"timeout":  func(o *FramesOptions) { o.AnswerTimeout = 0 },
		"delays":   func(o *FramesOptions) { o.RetryDelayMax = 0 },
	} {
		o := DefaultFramesOptions(NewResolver(), slog.New(slog.DiscardHandler))
		change(&o)
		_, err := NewFrames(o)
		require.ErrorContains(t, err, want)
	}
}
