package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

// newcomer makes s a node that is still fetching its data and knows these members.
func (s *site) newcomer(ready ...string) {
	s.core.set(func(f *fakeCore) {
		f.snapshot = Snapshot{Reasons: []string{"bootstrap: 3 of about 10 keys"}}
		f.snapshot.Mode = node.ModeSyncing
		f.snapshot.Bootstrap = &node.BootstrapStatus{Phase: "pulling", KeysDone: 3, KeysAll: 10, Rate: 5,
			ETA: 90 * time.Second, Ready: ready}
	})
}

func named(name string) func(*Options) { return func(o *Options) { o.Name = name } }

func TestNewcomerPassesReadsOn(t *testing.T) {
	member, newcomer := newSite(t, named("has/it")), newSite(t)
	put := member.do("PUT", "/kv/a%2520b/c", "hello", "Content-Type", "text/x")
	require.Equal(t, http.StatusCreated, put.status)
	newcomer.newcomer(member.addr)

	got := newcomer.do("GET", "/kv/a%2520b/c?consistency=quorum", "")
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Equal(t, "hello", got.body)
	require.Equal(t, "text/x", got.header.Get("Content-Type"))
	require.Equal(t, put.header.Get("ETag"), got.header.Get("ETag"))
	require.Equal(t, []string{"has%2Fit"}, got.header.Values(api.HeaderNode))
	require.Equal(t, []string{"n%201"}, got.header.Values(api.HeaderVia))
	require.Equal(t, "quorum", got.header.Get(api.HeaderConsistency))

	require.Equal(t, http.StatusNotModified,
		newcomer.do("GET", "/kv/a%2520b/c", "", "If-None-Match", got.header.Get("ETag")).status)
	require.Equal(t, http.StatusNotFound, newcomer.do("GET", "/kv/nothing", "").status)
	require.Equal(t, http.StatusBadRequest, newcomer.do("GET", "/kv/a?consistency=much", "").status)
	head := newcomer.do("HEAD", "/kv/a%2520b/c", "")
	require.Equal(t, "5", head.header.Get("Content-Length"))
	require.Empty(t, head.body)
	list := newcomer.do("GET", "/kv/?recursive=true", "")
	require.Contains(t, list.body, `"a%20b/c"`)
	require.Empty(t, newcomer.core.taken(), "nothing was read here")

	// As soon as it serves it answers itself.
	newcomer.core.set(func(f *fakeCore) { f.snapshot = Snapshot{Ready: true} })
	require.Equal(t, http.StatusNotFound, newcomer.do("GET", "/kv/a%2520b/c", "").status)
}

func TestNewcomerTriesOthersAndThenSaysSo(t *testing.T) {
	member, newcomer, other := newSite(t, named("m")), newSite(t), newSite(t, named("o"))
	require.Equal(t, http.StatusCreated, member.do("PUT", "/kv/a", "x").status)
	gone := newSite(t)
	goneAddr := gone.addr
	require.NoError(t, gone.server.Shutdown(t.Context()))
	other.newcomer(newcomer.addr) // a loop, but for the header.
	newcomer.newcomer(goneAddr, other.addr, member.addr)
	for range 4 { // whoever is asked first.
		got := newcomer.do("GET", "/kv/a", "")
		require.Equal(t, "x", got.body)
		require.Equal(t, "m", got.header.Get(api.HeaderNode))
	}

	newcomer.newcomer(other.addr)
	got := newcomer.do("GET", "/kv/a", "")
	p := got.problem(api.Syncing)
	require.Contains(t, p.Detail, "bootstrap: 3 of about 10 keys")
	require.Contains(t, p.Detail, "it does not serve either")
	require.Equal(t, "1", got.header.Get("Retry-After"))
	require.Empty(t, got.header.Get(api.HeaderVia))
	newcomer.newcomer()
	require.Contains(t, newcomer.do("GET", "/kv/", "").problem(api.Syncing).Detail, "none is known")

	p = newcomer.do("GET", "/kv/a", "", api.HeaderVia, "other%20node").problem(api.Syncing)
	require.Contains(t, p.Detail, "other node")
	ready := newcomer.do("GET", "/readyz", "").problem(api.NotReady)
	require.Contains(t, ready.Detail, "bootstrap: 3 of about 10 keys")
}

func TestStatusShowsTheBootstrap(t *testing.T) {
	s := newSite(t)
	s.newcomer()
	var st api.Status
	s.do("GET", "/status", "").json(&st)
	require.Equal(t, "syncing", st.Mode)
	require.EqualValues(t, 3, st.Bootstrap.KeysDone)
	require.EqualValues(t, 90, *st.Bootstrap.ETASeconds)
	require.Empty(t, st.Bootstrap.Server)
	require.False(t, strings.Contains(newSite(t).do("GET", "/status", "").body, "bootstrap\""))
}
