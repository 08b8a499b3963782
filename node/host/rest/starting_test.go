package rest

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

// A node that starts says so on all routes, and how far it is; nothing is asked of a core that is not there.
func TestStarting(t *testing.T) {
	var starting atomic.Pointer[api.Starting]
	starting.Store(&api.Starting{Phase: "checking the store", Done: 120, Total: 3000})
	s := newSite(t, func(o *Options) { o.Starting, o.Console = starting.Load, true })
	var live api.Live
	s.do("GET", "/livez", "").json(&live)
	require.Equal(t, api.Live{Live: true, Starting: starting.Load()}, live)
	for target, method := range map[string]string{
		"/kv/a": "PUT", "/kv/b": "GET", "/kv/": "GET", "/status": "GET", "/readyz": "GET", "/metrics": "GET",
		"/members/join": "POST",
		api.PathFrames:  "POST", "/nowhere": "GET",
	} {
		p := s.do(method, target, strings.Repeat("x", 100)).problem(api.NotStarted)
		require.Contains(t, p.Detail, "checking the store, 120 of 3000 tables", target)
		require.Positive(t, p.RetryAfter)
		if method == "PUT" {
			require.Equal(t, api.NotApplied, p.Outcome)
		}
	}
	require.Equal(t, http.StatusOK, s.do("GET", "/ui", "").status, "the page says that the node is starting")
	require.Empty(t, s.core.taken())
	starting.Store(nil)
	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/a", "v").status)
	require.NotContains(t, s.do("GET", "/livez", "").body, "starting")
}
