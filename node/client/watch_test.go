package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

// stream answers watches with what next returns for each, and records what they asked.
type stream struct {
	mu    sync.Mutex
	asked []string
	next  func(n int) (status int, body string)
}

func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.asked)
	s.asked = append(s.asked, r.URL.Path+"?"+r.URL.RawQuery)
	s.mu.Unlock()
	status, body := s.next(n)
	if status != http.StatusOK {
		w.Header().Set("Content-Type", api.ContentTypeProblem)
	}
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}

func event(kind, path, id string) string {
	return fmt.Sprintf(": a comment\nevent: %s\nid: %s\ndata: {\"event\":%q,\ndata: \"path\":%q,\"etag\":\"e%s\"}\n\n",
		kind, id, kind, path, id)
}

func watchClient(t *testing.T, all ...*stream) *Client {
	t.Helper()
	o := DefaultOptions()
	o.RetryDelayMin, o.RetryDelayMax = time.Millisecond, 2*time.Millisecond
	for _, s := range all {
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		o.Endpoints = append(o.Endpoints, server.URL)
	}
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// A watch goes on after the last event that came whole, at the next endpoint when one breaks off.
func TestWatchGoesOn(t *testing.T) {
	first := &stream{next: func(int) (int, string) {
		return 200, "retry: 1000\n\n" + event("put", "a", "1") + event("put", "b", "2")[:20]
	}}
	second := &stream{next: func(n int) (int, string) {
		if n == 0 {
			return 503, `{"code":"syncing","retryable":true}`
		}
		return 200, event("delete", "a", "3")
	}}
	c := watchClient(t, first, second)
	var got []string
	for ev, err := range c.Watch(t.Context(), "dir/ü/", WatchOptions{Values: true, Since: "0"}) {
		require.NoError(t, err)
		got = append(got, ev.Event+" "+ev.Path+" "+ev.Token)
		if ev.Event == "delete" {
			break
		}
	}
	require.Equal(t, []string{"put a 1", "put a 1", "delete a 3"}, got)
	require.Equal(t, []string{"/kv/dir/ü/?since=0&values=true&watch=", "/kv/dir/ü/?since=1&values=true&watch="},
		first.asked)
	require.Equal(t, "/kv/dir/ü/?since=1&values=true&watch=", second.asked[1])
}

func TestWatchEnds(t *testing.T) {
	refuses := &stream{next: func(int) (int, string) { return 403, `{"code":"not_allowed","retryable":false}` }}
	c := watchClient(t, refuses)
	count := 0
	for _, err := range c.Watch(t.Context(), "", WatchOptions{}) {
		require.Equal(t, api.NotAllowed, CodeOf(err))
		count++
	}
	require.Equal(t, 1, count)
	for _, err := range c.Watch(t.Context(), "a//b", WatchOptions{}) {
		require.Equal(t, api.BadPath, CodeOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	broken := &stream{next: func(n int) (int, string) {
		if n == 5 {
			cancel()
		}
		return 500, "no JSON"
	}}
	for range watchClient(t, broken).Watch(ctx, "a", WatchOptions{}) {
		t.Fatal("nothing has happened")
	}
	long := &stream{next: func(int) (int, string) { return 200, "data: " + strings.Repeat("x", eventBytesMax+1) }}
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for range watchClient(t, long).Watch(ctx, "a", WatchOptions{}) {
		t.Fatal("an endless event is none")
	}
}

// Changes are what a snapshot adds to and takes away from what has been told.
func TestDifferences(t *testing.T) {
	known, fresh := map[string]string{}, map[string]string(nil)
	tell := func(text string) (out []string) {
		for _, word := range strings.Fields(text) {
			kind, rest, _ := strings.Cut(word, ":")
			path, etag, _ := strings.Cut(rest, "=")
			for _, ev := range differences(&known, &fresh, api.WatchEvent{Event: kind, Path: path, ETag: etag}) {
				out = append(out, ev.Event+":"+ev.Path)
			}
		}
		return out
	}
	require.Equal(t, []string{"put:a", "put:b"}, tell("snapshot-begin put:a=1 put:b=1 snapshot-end bookmark"))
	require.Equal(t, []string{"put:a", "delete:b", "put:c"}, tell("put:a=1 put:a=2 delete:b delete:b put:c=1"))
	require.Equal(t, []string{"put:d", "delete:a"}, tell("snapshot-begin put:c=1 put:d=1 snapshot-end"))
	require.Equal(t, []string{"put:c", "put:e", "delete:d"},
		tell("snapshot-begin put:x=1 snapshot-begin put:c=2 put:e=1 snapshot-end")[1:], "a snapshot begun anew")
	known, fresh = nil, nil
	require.Equal(t, []string{"put:a", "put:a", "delete:z"}, tell("put:a=1 put:a=1 delete:z"), "with a token of before")
	require.Equal(t, []string{"put:b"}, tell("snapshot-begin put:b=1 snapshot-end"))
	require.Equal(t, []string{"delete:b"}, tell("snapshot-begin snapshot-end"))
}
