package rest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/host/rest/console"
	"kvs/node/swim"
)

// knows makes s a node that has this identity and knows these members.
func (s *site) knows(id swim.ID, members ...swim.Member) {
	s.core.set(func(f *fakeCore) {
		f.snapshot = Snapshot{Ready: true}
		f.snapshot.ID, f.snapshot.Cluster, f.snapshot.Members = id, "kvs", members
	})
}

// An overview has the status of each member that answers, and says of the others why they do not.
func TestOverviewAsksAllMembers(t *testing.T) {
	a, b, gone := newSite(t, named("a")), newSite(t, named("b")), newSite(t)
	require.NoError(t, gone.server.Shutdown(t.Context()))
	members := []swim.Member{{ID: 1, Name: "a", Addr: a.addr}, {ID: 2, Name: "b", Addr: b.addr},
		{ID: 3, Name: "c", Addr: gone.addr, State: swim.Dead}, {ID: 4, Name: "d", Addr: b.addr},
		{ID: 5, Name: "e", Addr: "nowhere.invalid:1", State: swim.Left}}
	a.knows(1, members...)
	b.knows(2, members...)
	b.core.set(func(f *fakeCore) { f.snapshot.Digest = 7 })
	var got api.Cluster
	a.do("GET", "/cluster", "").json(&got)
	require.Equal(t, "0000000000000001", got.Node)
	require.False(t, got.Equal)
	require.Len(t, got.Members, 4, "one has left")
	require.Equal(t, "0000000000000001", got.Members[0].Status.ID)
	require.Equal(t, "0000000000000002", got.Members[1].Status.ID)
	require.Equal(t, "0000000000000007", got.Members[1].Status.Digest)
	require.Nil(t, got.Members[2].Status)
	require.Contains(t, got.Members[2].Error, gone.addr)
	require.Nil(t, got.Members[3].Status)
	require.Contains(t, got.Members[3].Error, "another node (0000000000000002) answers there")
	found := map[string]string{}
	for _, f := range got.Findings {
		found[f.Severity+" "+f.Check] += f.What + "\n"
	}
	require.Contains(t, found["problem members"], "c ("+gone.addr+") is down")
	require.Contains(t, found["warning data"], "members hold different data")
	require.Equal(t, http.StatusBadRequest, a.do("GET", "/cluster?x=1", "").status)
}

// The members see the credentials of the sender, and nothing more: an overview is no way around them.
func TestOverviewShowsWhatItsSenderMaySee(t *testing.T) {
	g := newGuarded(t)
	other := newSite(t, func(o *Options) {
		o.Access = &Access{Tokens: g.table, Admin: g.server.opts.Access.Admin}
	})
	members := []swim.Member{{ID: 1, Name: "n 1", Addr: g.addr}, {ID: 2, Name: "b", Addr: other.addr}}
	g.knows(1, members...)
	other.knows(2, members...)
	var got api.Cluster
	g.as("admin", "GET", "/cluster", "").json(&got)
	require.NotNil(t, got.Members[0].Status)
	require.Equal(t, "b", got.Members[0].Member.Name)
	require.Equal(t, http.StatusUnauthorized, g.as("", "GET", "/cluster", "").status)

	other.server.opts.Access.Admin[0]++ // from now on the token means nothing there.
	got = api.Cluster{}
	g.as("admin", "GET", "/cluster", "").json(&got)
	require.Nil(t, got.Members[0].Status)
	require.Contains(t, got.Members[0].Error, "unauthenticated: the token is not valid")
}

// The page is served if it is wanted, without credentials, and may be cached as long as it is validated.
func TestConsole(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Console = true })
	page := s.do("GET", "/ui", "")
	require.Equal(t, http.StatusOK, page.status)
	require.Equal(t, page.body, s.do("GET", "/ui/", "").body)
	for target, mediaType := range map[string]string{"/ui": "text/html; charset=utf-8",
		"/ui/app.js": "text/javascript; charset=utf-8", "/ui/style.css": "text/css; charset=utf-8",
		"/ui/icon.svg": "image/svg+xml"} {
		got := s.do("GET", target, "")
		require.Equal(t, mediaType, got.header.Get("Content-Type"))
		policy := got.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'",
			"base-uri 'none'", "frame-ancestors 'none'", "form-action 'none'", "require-trusted-types-for 'script'"} {
			require.Contains(t, policy, part)
		}
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
		require.Equal(t, "no-cache", got.header.Get("Cache-Control"))
		again := s.do("GET", target, "", "If-None-Match", got.header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.status)
		require.Empty(t, again.body)
		require.Empty(t, s.do("HEAD", target, "").body)
	}
	for _, target := range []string{"/ui/none.js", "/ui/../status", "/ui/assets/app.js", "/uix"} {
		s.do("GET", target, "").problem(api.NoRoute)
	}
	s.do("PUT", "/ui", "x").problem(api.BadMethod)
	require.Contains(t, s.do("GET", "/", "").body, console.Path)

	off := newSite(t)
	p := off.do("GET", "/ui", "").problem(api.NoRoute)
	require.Contains(t, p.Detail, "console in its configuration turns it on")
	off.do("GET", "/ui/app.js", "").problem(api.NoRoute)
}

// A browser that opens a value as a page of the node runs nothing of it, and shows it in no origin of its own.
func TestValuesAreNoPages(t *testing.T) {
	s := newSite(t)
	for _, mediaType := range []string{"text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", ""} {
		require.Less(t, s.do("PUT", "/kv/page", "<script>alert(1)</script>", "Content-Type", mediaType).status, 300)
		got := s.do("GET", "/kv/page", "")
		require.Equal(t, "sandbox", got.header.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
	}
}
