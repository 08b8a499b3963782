package rest

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

func TestRanges(t *testing.T) {
	s := newSite(t)
	tag := s.do("PUT", "/kv/a", "0123456789").header.Get("ETag")
	whole := s.do("GET", "/kv/a", "")
	require.Equal(t, "bytes", whole.header.Get("Accept-Ranges"))
	for _, c := range []struct {
		headers      []string
		status       int
		body, header string
	}{
		{[]string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{[]string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{[]string{"Range", "bytes=2-4", "If-Range", tag}, 206, "234", "bytes 2-4/10"},
		{[]string{"Range", "bytes=2-4", "If-Range", `"other"`}, 200, "0123456789", ""},
		{[]string{"Range", "bytes=0-1,4-5"}, 200, "0123456789", ""},
		{[]string{"Range", "bytes=2-4", "If-None-Match", tag}, 304, "", ""},
	} {
		r := s.do("GET", "/kv/a", "", c.headers...)
		require.Equal(t, c.status, r.status, c.headers)
		require.Equal(t, c.body, r.body)
		require.Equal(t, c.header, r.header.Get("Content-Range"))
		require.Equal(t, tag, r.header.Get("ETag"))
	}
	r := s.do("GET", "/kv/a", "", "Range", "bytes=10-")
	r.problem(api.BadRange)
	require.Equal(t, "bytes */10", r.header.Get("Content-Range"))
	require.Equal(t, http.StatusOK, s.do("HEAD", "/kv/a", "", "Range", "bytes=2-4").status)
}

func TestListingsHaveETags(t *testing.T) {
	s := newTree(t)
	first := s.do("GET", "/kv/d/", "", "Accept-Encoding", "identity")
	tag := first.header.Get("ETag")
	require.True(t, strings.HasPrefix(tag, `W/"`), tag)
	require.Equal(t, "no-cache", first.header.Get("Cache-Control"))
	same := s.do("GET", "/kv/d/", "", "If-None-Match", tag)
	require.Equal(t, http.StatusNotModified, same.status)
	require.Empty(t, same.body)
	require.Equal(t, tag, same.header.Get("ETag"))
	require.NotEqual(t, tag, s.do("GET", "/kv/d/?limit=1", "").header.Get("ETag"))

	head := s.do("HEAD", "/kv/d/", "", "Accept-Encoding", "identity")
	require.Equal(t, http.StatusOK, head.status)
	require.Equal(t, tag, head.header.Get("ETag"))
	require.Equal(t, first.header.Get("Content-Length"), head.header.Get("Content-Length"))
	require.Equal(t, http.StatusNotModified, s.do("HEAD", "/kv/d/", "", "If-None-Match", tag).status)

	require.Equal(t, http.StatusNoContent, s.do("PUT", "/kv/d/1", "other").status)
	changed := s.do("GET", "/kv/d/", "", "If-None-Match", tag)
	require.Equal(t, http.StatusOK, changed.status)
	require.NotEqual(t, tag, changed.header.Get("ETag"))
}

func TestListingsAreCompressed(t *testing.T) {
	s := newTree(t)
	plain := s.do("GET", "/kv/?recursive=true", "", "Accept-Encoding", "identity")
	require.Empty(t, plain.header.Get("Content-Encoding"), "a client that does not ask for it")
	r := s.do("GET", "/kv/?recursive=true", "", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", r.header.Get("Content-Encoding"))
	require.Contains(t, r.header.Get("Vary"), "Accept-Encoding")
	require.Equal(t, plain.header.Get("ETag"), r.header.Get("ETag"))
	require.Less(t, len(r.body), len(plain.body))
	unzip, err := gzip.NewReader(strings.NewReader(r.body))
	require.NoError(t, err)
	text, err := io.ReadAll(unzip)
	require.NoError(t, err)
	require.Equal(t, plain.body, string(text))

	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/text", strings.Repeat("x", 900), "Content-Type",
		"text/plain").status)
	require.Empty(t, s.do("GET", "/kv/text", "", "Accept-Encoding", "gzip").header.Get("Content-Encoding"),
		"values are as they are")
}

func TestOptions(t *testing.T) {
	s := newSite(t)
	for target, allow := range map[string]string{"/kv/a": "GET, HEAD, PUT, DELETE, PATCH, OPTIONS",
		"/batch": "POST, OPTIONS", "/status": "GET, HEAD, OPTIONS"} {
		r := s.do("OPTIONS", target, "")
		require.Equal(t, http.StatusNoContent, r.status, target)
		require.ElementsMatch(t, strings.Split(allow, ", "), strings.Split(r.header.Get("Allow"), ", "))
		require.Empty(t, r.header.Get("Access-Control-Allow-Origin"), "off by default")
	}
	s.do("OPTIONS", "/none", "").problem(api.NoRoute)
	s.do("POST", "/kv/a", "").problem(api.BadMethod)
}

// A preflight request has no credentials; the request after it has to have them.
func TestOtherOrigins(t *testing.T) {
	const app = "https://app.example.org"
	g := newGuarded(t, func(o *Options) { o.CORSOrigins = []string{app} })
	g.store("a")
	ask := func(origin string) reply {
		return g.as("", "OPTIONS", "/kv/a", "", "Origin", origin, "Access-Control-Request-Method", "PATCH",
			"Access-Control-Request-Headers", "authorization,kvs-ttl")
	}
	r := ask(app)
	require.Equal(t, http.StatusNoContent, r.status)
	require.Equal(t, app, r.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, r.header.Get("Access-Control-Allow-Methods"), "PATCH")
	require.Contains(t, r.header.Get("Access-Control-Allow-Headers"), "Kvs-TTL")
	require.Empty(t, r.header.Get("Access-Control-Allow-Credentials"))
	require.Empty(t, ask("https://evil.example.org").header.Get("Access-Control-Allow-Origin"))

	r = g.as("", "GET", "/kv/a", "", "Origin", app)
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.Equal(t, app, r.header.Get("Access-Control-Allow-Origin"), "the script may read why")
	r = g.as("admin", "GET", "/kv/a", "", "Origin", app)
	require.Equal(t, "v", r.body)
	require.Contains(t, r.header.Get("Access-Control-Expose-Headers"), "ETag")
}

func TestRenew(t *testing.T) {
	s := newSite(t)
	r := s.do("PUT", "/kv/a", "value", "Content-Type", "x/y", api.HeaderTTL, "60")
	require.Equal(t, http.StatusCreated, r.status)
	before := s.do("GET", "/kv/a", "")
	r = s.do("PATCH", "/kv/a?return=version", "", api.HeaderTTL, "90m", "If-Match", before.header.Get("ETag"))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "linearizable", r.header.Get(api.HeaderConsistency))
	after := s.do("GET", "/kv/a", "")
	require.Equal(t, "value", after.body)
	require.Equal(t, "x/y", after.header.Get("Content-Type"))
	require.Equal(t, after.header.Get("ETag"), r.header.Get("ETag"))
	require.NotEqual(t, before.header.Get("ETag"), after.header.Get("ETag"))
	require.NotEqual(t, before.header.Get(api.HeaderExpires), after.header.Get(api.HeaderExpires))
	taken := s.core.taken()
	require.Equal(t, node.IfMatch, taken[len(taken)-1].Condition.Kind, "it writes what it has read, or nothing")

	require.Equal(t, http.StatusNoContent, s.do("PATCH", "/kv/a", "", api.HeaderTTL, "none").status)
	require.Empty(t, s.do("GET", "/kv/a", "").header.Get(api.HeaderExpires))

	r = s.do("PATCH", "/kv/a", "", api.HeaderTTL, "60", "If-Match", before.header.Get("ETag"))
	require.Equal(t, api.NotApplied, r.problem(api.Precondition).Outcome)
	require.NotEmpty(t, r.header.Get("ETag"))
	for code, r := range map[api.Code]reply{
		api.NotFound:     s.do("PATCH", "/kv/none", "", api.HeaderTTL, "60"),
		api.BadHeader:    s.do("PATCH", "/kv/a", ""),
		api.BadBody:      s.do("PATCH", "/kv/a", "x", api.HeaderTTL, "60"),
		api.BadPath:      s.do("PATCH", "/kv/a/", "", api.HeaderTTL, "60"),
		api.BadParameter: s.do("PATCH", "/kv/a?ttl=60", "", api.HeaderTTL, "60"),
	} {
		require.Equal(t, api.NotApplied, r.problem(code).Outcome)
	}
	s.do("PATCH", "/kv/a", "", api.HeaderTTL, "soon").problem(api.BadHeader)
	s.do("PATCH", "/kv/a", "", api.HeaderTTL, "60", api.HeaderIdempotencyKey, "k").problem(api.BadHeader)
}

// A write that comes between the reading and the writing of a renewal is what is renewed.
func TestRenewalDoesNotBringBackOlderValues(t *testing.T) {
	s := newSite(t)
	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/a", "old").status)
	between := 0
	s.core.set(func(f *fakeCore) {
		f.answer = func(_ context.Context, r *node.Request) (node.Response, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if r.Op == node.OpPut && between < 3 {
				between++
				_, err := f.run(&node.Request{Op: node.OpPut, Path: "a", Value: fmt.Append(nil, "newer ", between)})
				if err != nil {
					return node.Response{}, err
				}
			}
			return f.run(r)
		}
	})
	require.Equal(t, http.StatusNoContent, s.do("PATCH", "/kv/a", "", api.HeaderTTL, "60").status)
	r := s.do("GET", "/kv/a", "")
	require.Equal(t, "newer 3", r.body)
	require.NotEmpty(t, r.header.Get(api.HeaderExpires))
}
