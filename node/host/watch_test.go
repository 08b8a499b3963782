package host

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// watcher pulls the events of a watch, without bookmarks.
type watcher struct {
	t    *testing.T
	pull func() (api.WatchEvent, error, bool)
}

func watchAt(t *testing.T, target string, o client.WatchOptions, hosts ...*Host) *watcher {
	t.Helper()
	var addrs []string
	for _, h := range hosts {
		addrs = append(addrs, h.Addr())
	}
	c, err := client.New(client.DefaultOptions(addrs...))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	pull, stop := iter.Pull2(c.Watch(ctx, target, o))
	t.Cleanup(func() { cancel(); stop(); c.Close() })
	return &watcher{t, pull}
}

func (w *watcher) next() api.WatchEvent {
	w.t.Helper()
	for {
		ev, err, ok := w.pull()
		require.NoError(w.t, err)
		require.True(w.t, ok, "no event in time")
		if ev.Event != client.EventBookmark {
			return ev
		}
	}
}

func (w *watcher) words(n int) (out []string) {
	w.t.Helper()
	for range n {
		ev := w.next()
		out = append(out, strings.TrimSpace(ev.Event+" "+ev.Path))
	}
	return out
}

// A watcher sees writes of this member and of others, deletes, and the end of values. Its token holds over a restart of
// the member, and another member answers it with a snapshot.
func TestWatchOfRealNodes(t *testing.T) {
	o1 := testOptions(testConfig(t))
	h1 := startHost(t, o1)
	o2 := testOptions(testConfig(t, o1.Config.Listen))
	h2 := startHost(t, o2)
	meet(t, h1, h2)
	require.Eventually(t, func() bool { return h2.Mode() == node.ModeNormal }, patience, time.Millisecond)
	do(t, h1, node.OpPut, "a/1", "one")
	w := watchAt(t, "a/", client.WatchOptions{Values: true}, h1)
	require.Equal(t, []string{"snapshot-begin", "put a/1", "snapshot-end"}, w.words(3))
	do(t, h1, node.OpPut, "a/2", "two")
	ev := w.next()
	require.Equal(t, "put a/2 two", ev.Event+" "+ev.Path+" "+*ev.Text)
	do(t, h2, node.OpPut, "a/3", "three")
	require.Equal(t, []string{"put a/3"}, w.words(1), "a write of another member")
	do(t, h2, node.OpDelete, "a/1", "")
	require.Equal(t, []string{"delete a/1"}, w.words(1))
	status, _ := requestWith(t, http.MethodPut, "http://"+h1.Addr()+"/kv/a/4", "brief", api.HeaderTTL, "1")
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, []string{"put a/4", "delete a/4"}, w.words(2), "the value has ended")
	token := w.next2(h1, "a/5")

	do(t, h1, node.OpPut, "a/6", "six")
	stopHost(t, h1)
	o1.Clock = RealClock()
	h1 = startHost(t, o1)
	require.Eventually(t, func() bool { return do(t, h1, node.OpPut, "a/7", "seven").Code == node.CodeCreated },
		patience, time.Millisecond) // until the other member has vouched for it.
	again := watchAt(t, "a/", client.WatchOptions{Since: token}, h1)
	require.Equal(t, []string{"put a/6", "put a/7"}, again.words(2), "the log is on the disk")
	other := watchAt(t, "a/", client.WatchOptions{Since: token}, h2)
	require.Equal(t, "snapshot-begin", other.next().Event)
}

// next2 writes a path, and returns the token of its event.
func (w *watcher) next2(h *Host, path string) string {
	w.t.Helper()
	do(w.t, h, node.OpPut, path, "v")
	for {
		if ev := w.next(); ev.Path == path {
			return ev.Token
		}
	}
}

func requestWith(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// A client goes on at another member when its own stops, and tells of what has changed meanwhile; the streams do not
// delay the stop.
func TestWatchGoesOnElsewhere(t *testing.T) {
	o1 := testOptions(testConfig(t))
	h1 := startHost(t, o1)
	h2 := startHost(t, testOptions(testConfig(t, o1.Config.Listen)))
	meet(t, h1, h2)
	require.Eventually(t, func() bool { return h2.Mode() == node.ModeNormal }, patience, time.Millisecond)
	for _, p := range []string{"a/1", "a/2"} {
		do(t, h1, node.OpPut, p, "v")
	}
	require.Eventually(t, func() bool {
		r, err := h2.View().Get("a/2")
		return err == nil && r.Live()
	}, patience, time.Millisecond)
	c, err := client.New(client.DefaultOptions(h1.Addr(), h2.Addr()))
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next, stop := iter.Pull2(c.Changes(ctx, "a/", client.WatchOptions{}))
	defer stop()
	want := func(words ...string) {
		t.Helper()
		for _, word := range words {
			ev, err, ok := next()
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, word, ev.Event+" "+ev.Path)
		}
	}
	want("put a/1", "put a/2")
	require.Equal(t, 1, h1.watchers.Stats().Watchers)
	began := time.Now()
	stopHost(t, h1)
	require.Less(t, time.Since(began), o1.Config.ShutdownTimeout, "the stop was not cut short")
	do(t, h2, node.OpDelete, "a/1", "")
	do(t, h2, node.OpPut, "a/3", "v")
	if ev, err, ok := next(); ev.Event == "put" { // in the order of the snapshot, or as it happened.
		require.Equal(t, "a/3", ev.Path)
		want("delete a/1")
	} else {
		require.Equal(t, "delete a/1 true <nil>", fmt.Sprint(ev.Event, " ", ev.Path, " ", ok, " ", err))
		want("put a/3")
	}
}

// While there is no watcher nothing is logged; the first one begins the log, and it is on the metrics page.
func TestLogBeginsWithTheFirstWatcher(t *testing.T) {
	h := startHost(t, testOptions(testConfig(t)))
	do(t, h, node.OpPut, "a", "1")
	require.Zero(t, h.watchers.Stats().Changes)
	w := watchAt(t, "", client.WatchOptions{}, h)
	require.Equal(t, []string{"snapshot-begin", "put a", "snapshot-end"}, w.words(3))
	do(t, h, node.OpPut, "b", "1")
	require.Equal(t, []string{"put b"}, w.words(1))
	_, page := request(t, http.MethodGet, "http://"+h.Addr()+"/metrics", "")
	for _, line := range []string{"kvs_watchers 1", "kvs_watch_log_changes 1", "kvs_watch_events_total 2",
		`kvs_watch_begun_total{with="snapshot"} 1`, `kvs_requests_total{code="ok",level="eventual",op="watch"} 1`} {
		require.Contains(t, page, line+"\n")
	}
}
