package rest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

func TestATokenThatAsksTooMuchHasToWait(t *testing.T) {
	g := newGuarded(t, func(o *Options) { o.Limits = DefaultLimits; o.Limits.RequestsPerSecond = 2 })
	now := time.Unix(1000, 0)
	var mu sync.Mutex
	g.server.rates.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	g.give("a", api.WantedToken{Rules: []api.TokenRule{allow("", "read")}})
	g.give("b", api.WantedToken{Rules: []api.TokenRule{allow("", "read")}})
	ask := func(name string) int { return g.as(name, http.MethodGet, "/status", "").status }
	require.Equal(t, 200, ask("a"))
	require.Equal(t, 200, ask("a"))
	r := g.as("a", http.MethodGet, "/status", "")
	r.problem(api.Overloaded)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Equal(t, 200, ask("b"), "another token is not concerned")
	for range 5 {
		require.Equal(t, 200, ask("admin"), "nor is who may do everything")
	}
	mu.Lock()
	now = now.Add(time.Second / 2)
	mu.Unlock()
	require.Equal(t, 200, ask("a"))
	require.Equal(t, 429, ask("a"))
	require.EqualValues(t, 2, g.server.Refusals().Rate)
}

func TestAnAddressHasSoManyConnections(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Limits = DefaultLimits; o.Limits.ConnectionsPerAddress = 2 })
	ask := func(c net.Conn) string {
		_, _ = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		b := make([]byte, 12)
		_, _ = io.ReadFull(c, b)
		return string(b)
	}
	one, two := s.dial(), s.dial()
	require.Equal(t, "HTTP/1.1 200", ask(one))
	require.Equal(t, "HTTP/1.1 200", ask(two))
	require.NotEqual(t, "HTTP/1.1 200", ask(s.dial()))
	require.EqualValues(t, 1, s.server.Refusals().Address)
	require.NoError(t, one.Close())
	require.Eventually(t, func() bool { return ask(s.dial()) == "HTTP/1.1 200" }, time.Minute, 5*time.Millisecond)
}

func TestHeadersHaveTheLengthThatIsAllowed(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Limits = DefaultLimits; o.Limits.HeaderBytesMax = 5000 })
	get := func(n int) reply {
		return s.raw("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + strings.Repeat("x", n) + "\r\n\r\n")
	}
	require.Equal(t, 200, get(4000).status)
	get(6000).problem(api.HeadersTooLarge)
}

// The audit log has who, what and how it ended, and no value, query or secret.
func TestTheAuditLogTellsWhoDidWhat(t *testing.T) {
	var mu sync.Mutex
	var seen []Audited
	g := newGuarded(t, func(o *Options) {
		o.Audit = func(a Audited) { mu.Lock(); defer mu.Unlock(); seen = append(seen, a) }
	})
	g.give("app", api.WantedToken{Rules: []api.TokenRule{allow("a", "write")}})
	g.as("app", http.MethodPut, "/kv/a/b?return=version", "value-text")
	g.as("app", http.MethodGet, "/kv/a/b", "")
	g.as("", http.MethodGet, "/status", "")
	g.as("app", http.MethodPut, "/mode", "{}", "Content-Type", api.ContentTypeJSON)
	g.as("", http.MethodGet, "/livez", "")
	g.as("admin", http.MethodGet, "/tokens", "")
	mu.Lock()
	defer mu.Unlock()
	var lines []string
	id := strings.Split(g.tokens["app"], ".")[1]
	for _, a := range seen {
		who := strings.ReplaceAll(a.Who, id, "APP")
		lines = append(lines, fmt.Sprint(who, " ", a.Method, " ", a.Path, " ", a.Status, " ", a.Code, " ", a.Admin))
		require.NotEmpty(t, a.Address)
	}
	require.Equal(t, []string{
		"token:admin POST /tokens 201  true",
		"token:APP PUT /kv/a/b 201  false",
		"token:APP GET /kv/a/b 403 not_allowed false",
		" GET /status 401 unauthenticated false",
		"token:APP PUT /mode 403 not_allowed true",
		"token:admin GET /tokens 200  true",
	}, lines)
	all := fmt.Sprint(seen)
	require.NotContains(t, all, "value-text")
	require.NotContains(t, all, strings.Split(g.tokens["app"], ".")[2])
}

func TestThoseWhoWatchHaveADoorOfTheirOwn(t *testing.T) {
	g := newGuarded(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := g.server.ServeAdmin(l)
	defer a.Close()
	for target, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/status": 404,
		"/kv/a": 404, "/tokens": 404, api.PathFrames: 404} {
		require.Eventually(t, func() bool {
			resp, err := http.Get("http://" + l.Addr().String() + target)
			if err != nil {
				return false
			}
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, resp.StatusCode, target)
			return true
		}, time.Minute, 5*time.Millisecond)
	}
	require.NoError(t, a.Close())
	_, err = http.Get("http://" + l.Addr().String() + "/livez")
	require.Error(t, err)
}
