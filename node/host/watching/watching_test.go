package watching

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/watch"
)

// rig is the streams of a node that a test stands in for.
type rig struct {
	*Watchers
	mu    sync.Mutex
	asked []bool
	last  uint64
}

func newRig(linger time.Duration) *rig {
	r := &rig{}
	r.Watchers = New(Options{Max: 2, Linger: linger, Ask: func(_ context.Context, on bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, on)
		log := uint64(0)
		if on {
			log = 7
		}
		r.last = 0
		r.Take([]node.Changed{{Log: log, First: 1, Oldest: 1}}, "rights")
		return nil
	}})
	r.Begin(1)
	return r
}

// questions are whether a log was wanted, in the order in which the node was asked.
func (r *rig) questions() []bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func (r *rig) change(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.Take([]node.Changed{{Log: 7, First: r.last, Paths: []string{path}, Oldest: 1}}, "rights")
}

// values is a source in which every path has a value.
type values struct{}

func (values) Get(string) (node.Record, error) {
	return node.Record{TS: 5 << 16, UUID: node.UUID{1}, Value: []byte("v")}, nil
}
func (values) List(node.ListRequest) (node.Listing, error) { return node.Listing{}, nil }
func (values) Shows(string) bool                           { return true }

func all() *Request {
	return &Request{Source: func() watch.Source { return values{} }, Allowed: func() error { return nil }}
}

// sink is a connection that a test reads. It fails from the write with this number on.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	fail   int
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes++; s.fail > 0 && s.writes >= s.fail {
		return 0, os.ErrDeadlineExceeded
	}
	return s.text.Write(b)
}

func (s *sink) SetWriteDeadline(time.Time) error { return nil }

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// The log begins with the first stream and ends when there has been none for long.
func TestLogFollowsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Run(ctx)
		st, err := r.Open(ctx, "", nil)
		require.NoError(t, err)
		<-time.After(5 * time.Hour)
		st.Close()
		<-time.After(59 * time.Minute)
		synctest.Wait()
		require.Equal(t, []bool{true}, r.questions())
		<-time.After(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, []bool{true, false}, r.questions())
		st, err = r.Open(ctx, "", nil)
		require.NoError(t, err)
		require.Equal(t, []bool{true, false, true}, r.questions())
		st.Close()
	})
}

// A stream on which nothing happens has a bookmark every 15 seconds; a client that does not read is cut off; a log that
// has gone past the client ends its stream with a bookmark that says so.
func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(time.Hour)
		serve := func(conn Conn) (done chan struct{}) {
			st, err := r.Open(t.Context(), "", nil)
			require.NoError(t, err)
			done = make(chan struct{})
			go func() {
				defer close(done)
				defer st.Close()
				st.Serve(t.Context(), conn, all(), time.Second)
			}()
			synctest.Wait()
			return done
		}
		conn := &sink{}
		done := serve(conn)
		require.Equal(t, 1, strings.Count(conn.String(), "snapshot-end\n"))
		<-time.After(46 * time.Second)
		synctest.Wait()
		require.Equal(t, 3, strings.Count(conn.String(), "event: bookmark\n"))
		r.change("a")
		synctest.Wait()
		require.Contains(t, conn.String(), `"path":"a"`)

		slow := &sink{fail: 3}
		gone := serve(slow)
		r.change("b")
		<-gone
		require.Equal(t, uint64(1), r.Stats().CutTooSlow)

		require.NoError(t, r.o.Ask(t.Context(), false)) // the log ends.
		<-done
		require.Contains(t, conn.String(), ErrBehind.Error())
		require.True(t, strings.HasSuffix(conn.String(), "\r\n0\r\n\r\n"))
		require.Equal(t, uint64(1), r.Stats().CutBehind)
	})
}

// Streams end when they may not go on, and no more than the bound are let in.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(time.Hour)
		forbidden := errors.New("forbidden")
		var mu sync.Mutex
		var why error
		req := all()
		req.Allowed = func() error {
			mu.Lock()
			defer mu.Unlock()
			return why
		}
		st, err := r.Open(t.Context(), "", nil)
		require.NoError(t, err)
		conn := &sink{}
		go func() {
			defer st.Close()
			st.Serve(t.Context(), conn, req, time.Second)
		}()
		second, err := r.Open(t.Context(), "", nil)
		require.NoError(t, err)
		_, err = r.Open(t.Context(), "", nil)
		require.ErrorIs(t, err, ErrFull)
		second.Close()
		mu.Lock()
		why = forbidden
		mu.Unlock()
		r.change("rights")
		<-time.After(time.Second)
		synctest.Wait()
		require.Contains(t, conn.String(), "forbidden")
		r.End(t.Context())
		require.Zero(t, r.Stats().Watchers)
		_, err = r.Open(t.Context(), "", nil)
		require.ErrorIs(t, err, ErrStopping)
	})
}
