package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/certs/certstest"
	"kvs/node/host/connections"
	"kvs/node/host/watching"
)

// withWatchers lets clients watch the fake core, at most so many.
func withWatchers(watchersMax int, all **watching.Watchers) func(*Options) {
	return func(o *Options) {
		core := o.Core.(*fakeCore)
		last := uint64(0)
		w := watching.New(watching.Options{Max: watchersMax, Linger: time.Hour,
			Ask: func(context.Context, bool) error {
				core.set(func(f *fakeCore) {
					f.changed = func(path string) {
						last++
						f.watchers.Take([]node.Changed{{Log: 7, First: last, Paths: []string{path}, Oldest: 1}},
							TokensPath)
					}
				})
				core.watchers.Take([]node.Changed{{Log: 7, First: 1, Oldest: 1}}, TokensPath)
				return nil
			}})
		w.Begin(1)
		core.watchers, o.Watchers, *all = w, w, w
	}
}

// events reads the events of a stream.
type events struct {
	t    testing.TB
	resp *http.Response
	in   *bufio.Reader
}

func (s *site) watch(target string, headers ...string) *events {
	s.t.Helper()
	return watchWith(s.t, http.DefaultTransport, "http://"+s.addr+target, headers...)
}

func watchWith(t testing.TB, c http.RoundTripper, url string, headers ...string) *events {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.RoundTrip(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &events{t, resp, bufio.NewReader(resp.Body)}
}

// next is the next event, with its id as the token.
func (e *events) next() (ev api.WatchEvent) {
	e.t.Helper()
	for {
		line, err := e.in.ReadString('\n')
		require.NoError(e.t, err)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			ev.Event = value
		case "id":
			ev.Token = value
		case "data":
			word, token := ev.Event, ev.Token
			require.NoError(e.t, json.Unmarshal([]byte(value), &ev))
			require.Equal(e.t, word, ev.Event)
			ev.Token = token
			return ev
		}
	}
}

// words are the next events in short.
func (e *events) words(n int) (out []string) {
	e.t.Helper()
	for range n {
		ev := e.next()
		out = append(out, strings.TrimSpace(ev.Event+" "+ev.Path))
	}
	return out
}

func TestWatch(t *testing.T) {
	var all *watching.Watchers
	s := newSite(t, withWatchers(10, &all))
	s.do(http.MethodPut, "/kv/a/1", "one", "Content-Type", "text/plain")
	s.do(http.MethodPut, "/kv/b", "two")
	e := s.watch("/kv/a/?watch&values")
	require.Equal(t, http.StatusOK, e.resp.StatusCode)
	require.Equal(t, api.ContentTypeEvents, e.resp.Header.Get("Content-Type"))
	require.Equal(t, "n%201", e.resp.Header.Get(api.HeaderNode))
	require.Equal(t, "no-store", e.resp.Header.Get("Cache-Control"))
	require.Equal(t, "snapshot-begin", e.next().Event)
	put := e.next()
	etag := s.do(http.MethodGet, "/kv/a/1", "").header.Get("ETag")
	require.Equal(t, "put a/1 one text/plain 3", strings.Join([]string{put.Event, put.Path, *put.Text,
		put.ContentType, jsonOf(t, put.Bytes)}, " "))
	require.Equal(t, etag, `"`+put.ETag+`"`)
	require.NotEmpty(t, put.Timestamp)
	require.Equal(t, "snapshot-end", e.next().Event)
	s.do(http.MethodPut, "/kv/a/2", "", api.HeaderTTL, "60")
	s.do(http.MethodPut, "/kv/b", "three")
	s.do(http.MethodDelete, "/kv/a/1", "")
	put = e.next()
	require.Equal(t, "a/2 0", put.Path+" "+jsonOf(t, put.Bytes))
	require.NotEmpty(t, put.Expires)
	gone := e.next()
	require.Equal(t, "delete a/1", gone.Event+" "+gone.Path)

	// It goes on from the id of an event, which a browser sends in a header.
	require.Equal(t, []string{"delete a/1"}, s.watch("/kv/a/?watch&since="+put.Token).words(1))
	require.Equal(t, []string{"delete a/1"}, s.watch("/kv/a/?watch", "Last-Event-ID", put.Token).words(1))
	require.Equal(t, []string{"snapshot-begin", "put b", "snapshot-end"},
		s.watch("/kv/b?watch&since="+put.Token).words(3), "it is a token of another directory")
	require.Eventually(t, func() bool { return all.Stats().Events >= 5 }, 20*time.Second, time.Millisecond)

	// A stream ends with a bookmark when the node stops, and its connection with it.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	all.End(ctx)
	require.NoError(t, ctx.Err())
	last := e.next()
	require.Equal(t, "bookmark", last.Event)
	require.Contains(t, last.Reason, "shutting down")
	require.Equal(t, gone.Token, last.Token)
	_, err := io.Copy(io.Discard, e.in)
	require.NoError(t, err, "the stream has a proper end")
	s.do(http.MethodGet, "/kv/?watch", "").problem(api.ShuttingDown)
	require.Zero(t, all.Stats().Watchers)
}

func TestLongPoll(t *testing.T) {
	var all *watching.Watchers
	s := newSite(t, withWatchers(10, &all))
	poll := func(query string) (page api.WatchPage, words []string) {
		t.Helper()
		s.do(http.MethodGet, "/kv/a/?watch&"+query, "").json(&page)
		for _, ev := range page.Events {
			words = append(words, strings.TrimSpace(ev.Event+" "+ev.Path))
		}
		return page, words
	}
	s.do(http.MethodPut, "/kv/a/1", "one")
	page, words := poll("wait=20s")
	require.Equal(t, []string{"snapshot-begin", "put a/1", "snapshot-end"}, words)
	require.False(t, page.More)
	within, words := poll("wait=0s&since=" + page.Events[0].Token)
	require.Equal(t, []string{"put a/1", "snapshot-end"}, words, "it goes on within a snapshot")
	empty, words := poll("wait=0s&since=" + within.Token)
	require.Empty(t, words)
	require.NotNil(t, empty.Events)
	answer := make(chan []string)
	go func() {
		_, words := poll("wait=20s&since=" + empty.Token)
		answer <- words
	}()
	require.Eventually(t, func() bool { return all.Stats().Watchers == 1 }, 20*time.Second, time.Millisecond)
	s.do(http.MethodPut, "/kv/a/2", "two")
	require.Equal(t, []string{"put a/2"}, <-answer)
	for range 40 {
		s.do(http.MethodPut, "/kv/a/3", strings.Repeat("x", testValueBytesMax))
	}
	page, words = poll("wait=20s&since=" + page.Token + "&values")
	require.Len(t, words, 2)
	require.Len(t, *page.Events[1].Text, testValueBytesMax)
	require.Zero(t, all.Stats().Watchers)
}

func TestWatchIsRefused(t *testing.T) {
	var all *watching.Watchers
	s := newSite(t, withWatchers(1, &all), func(o *Options) {
		o.Connections = connections.Bounds{Clients: 8, Members: 1, Spares: 1}
	})
	for query, code := range map[string]api.Code{
		"watch=maybe": api.BadParameter, "watch&wait=soon": api.BadParameter, "watch&wait=6m": api.BadParameter,
		"watch&wait=-1s": api.BadParameter, "watch&since=nonsense": api.BadParameter, "watch&limit=1": api.BadParameter,
		"watch&values=2": api.BadParameter, "watch&consistency=quorum": api.NotImplemented,
		"watch=false": api.BadParameter, "watch&watch": api.BadParameter,
	} {
		s.do(http.MethodGet, "/kv/?"+query, "").problem(code)
	}
	require.Equal(t, http.StatusBadRequest, s.do(http.MethodHead, "/kv/?watch", "").status)
	e := s.watch("/kv/?watch")
	e.words(2)
	p := s.do(http.MethodGet, "/kv/?watch", "").problemWith(api.Overloaded, http.StatusServiceUnavailable)
	require.Contains(t, p.Detail, "limits.watchers")
	require.Equal(t, uint64(1), all.Stats().RefusedFull)
	s.core.set(func(f *fakeCore) { f.snapshot.Mode = node.ModeSyncing })
	s.do(http.MethodGet, "/kv/?watch", "").problem(api.Syncing)
	s.core.set(func(f *fakeCore) { f.changed("a") })
	require.Contains(t, e.next().Reason, "syncing", "a stream ends when the node serves no more")
	newSite(t).do(http.MethodGet, "/kv/?watch", "").problem(api.NotImplemented)

	// Of the places of clients at most a quarter are for watches.
	s = newSite(t, withWatchers(100, &all), func(o *Options) {
		o.Connections = connections.Bounds{Clients: 8, Members: 1, Spares: 1, Watchers: 1}
	})
	for range 3 {
		s.watch("/kv/?watch").words(2)
	}
	s.do(http.MethodGet, "/kv/?watch", "").problemWith(api.Overloaded, http.StatusServiceUnavailable)
}

// A watch shows what its sender may read and watch, and ends with the right.
func TestRightsOfWatches(t *testing.T) {
	var all *watching.Watchers
	g := newGuarded(t, withWatchers(10, &all))
	for name, rules := range map[string][]api.TokenRule{
		"reader": {allow("a", "read", "list")}, "watcher": {allow("a", "watch")},
		"both": {allow("a", "read", "watch"), deny("a/secret", "read"), deny("a/dark", "watch")},
	} {
		g.give(name, api.WantedToken{Rules: rules})
	}
	put := func(paths ...string) {
		for _, path := range paths {
			require.Equal(t, http.StatusCreated, g.as("admin", http.MethodPut, "/kv/"+path, "x").status)
		}
	}
	put("a/1", "a/dark/1", "a/secret/1", "b")
	g.as("reader", http.MethodGet, "/kv/a/?watch", "").problem(api.NotAllowed)
	g.as("watcher", http.MethodGet, "/kv/a/?watch", "").problem(api.NotAllowed)
	g.as("both", http.MethodGet, "/kv/?watch", "").problem(api.NotAllowed)
	g.as("both", http.MethodGet, "/kv/a/secret/?watch", "").problem(api.NotAllowed)
	g.as("both", http.MethodGet, "/kv/a/dark/1?watch&wait=0s", "").problem(api.NotAllowed)
	client := g.client(certstest.Files{}).Transport
	url := "https://" + g.addr + "/kv/"
	both := watchWith(t, client, url+"a/?watch", "Authorization", "Bearer "+g.tokens["both"])
	root := watchWith(t, client, url+"?watch", "Authorization", "Bearer "+g.tokens["admin"])
	require.Equal(t, []string{"snapshot-begin", "put a/1", "snapshot-end"}, both.words(3))
	require.Equal(t, []string{"snapshot-begin", "put a/1", "put a/dark/1", "put a/secret/1", "put b", "snapshot-end"},
		root.words(6), "kvs' own values are not shown")
	put("a/dark/2", "a/secret/2", "a/2")
	require.Equal(t, []string{"put a/2"}, both.words(1))

	id, _, err := access.Split(g.tokens["both"])
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, g.as("admin", http.MethodDelete, "/tokens/"+id, "").status)
	require.Contains(t, both.next().Reason, string(api.NoCredentials))
	require.Equal(t, []string{"put a/dark/2", "put a/secret/2", "put a/2"}, root.words(3))
}
