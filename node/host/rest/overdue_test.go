package rest

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

// A request whose client has given up before it was begun is dropped, and one that is late by no more than clocks may
// differ is not.
func TestOverdueRequestsAreDropped(t *testing.T) {
	s := newSite(t, func(o *Options) { o.MaxClockOffset = time.Minute })
	at := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).UnixMilli(), 10) }
	for _, d := range []time.Duration{time.Hour, 0, -30 * time.Second} {
		require.Less(t, s.do("PUT", "/kv/a", "v", api.HeaderDeadline, at(d)).status, 300)
		require.Equal(t, http.StatusOK, s.do("GET", "/kv/a", "", api.HeaderDeadline, at(d)).status)
	}
	before := len(s.core.taken())
	for _, method := range []string{"PUT", "DELETE"} {
		p := s.do(method, "/kv/a", "w", api.HeaderDeadline, at(-2*time.Minute)).problem(api.Overdue)
		require.Equal(t, api.NotApplied, p.Outcome)
	}
	s.do("GET", "/kv/a", "", api.HeaderDeadline, at(-2*time.Minute)).problem(api.Overdue)
	s.do("GET", "/kv/", "", api.HeaderDeadline, "0").problem(api.Overdue)
	for _, text := range []string{"soon", "-1", "", "1e3"} {
		s.do("PUT", "/kv/a", "w", api.HeaderDeadline, text).problem(api.BadHeader)
	}
	require.Len(t, s.core.taken(), before)
	require.Equal(t, "v", s.do("GET", "/kv/a", "").body)
}
