package rest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

// fakeMetrics writes down what it is told.
type fakeMetrics struct {
	mu       sync.Mutex
	requests []string
	err      error
}

func (f *fakeMetrics) Request(op Op, level node.Level, code api.Code, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if took < 0 {
		code = "negative"
	}
	f.requests = append(f.requests, fmt.Sprintf("%s %v %s",
		[]string{"get", "put", "delete", "list", "watch"}[op], level, code))
}

func (f *fakeMetrics) Text() ([]byte, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []byte("kvs_requests_total 7\n"), "text/plain; version=0.0.4", f.err
}

func TestRequestsAreCounted(t *testing.T) {
	m := &fakeMetrics{}
	s := newSite(t, func(o *Options) { o.Metrics = m })
	for _, r := range []struct{ method, target, want string }{
		{"PUT", "/kv/a", "put eventual "},
		{"GET", "/kv/a", "get eventual "},
		{"HEAD", "/kv/a", "get eventual "},
		{"GET", "/kv/a?consistency=quorum", "get quorum "},
		{"GET", "/kv/none", "get eventual not_found"},
		{"GET", "/kv/", "list eventual "},
		{"PUT", "/kv/a/", "put default bad_path"},
		{"GET", "/kv/a?consistency=odd", "get default bad_consistency"},
		{"DELETE", "/kv/a", "delete eventual "},
	} {
		s.do(r.method, r.target, "")
		require.Equal(t, r.want, m.requests[len(m.requests)-1], r.target)
	}
	s.core.set(func(f *fakeCore) {
		f.answer = func(context.Context, *node.Request) (node.Response, error) { panic("planted") }
	})
	s.do("PUT", "/kv/a", "")
	require.Equal(t, "put eventual internal", m.requests[len(m.requests)-1])
	before := len(m.requests)
	s.do("GET", "/status", "")
	require.Len(t, m.requests, before, "only requests for data count")
}

func TestMetricsPage(t *testing.T) {
	m := &fakeMetrics{}
	s := newSite(t, func(o *Options) { o.Metrics = m })
	r := s.do("GET", "/metrics", "")
	require.Equal(t, 200, r.status)
	require.Equal(t, "kvs_requests_total 7\n", r.body)
	require.Equal(t, "text/plain; version=0.0.4", r.header.Get("Content-Type"))
	s.do("GET", "/metrics?x=1", "").problem(api.BadParameter)
	m.err = errors.New("planted")
	s.do("GET", "/metrics", "").problem(api.Internal)
}
