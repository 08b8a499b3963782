package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

func TestLifeOfAValue(t *testing.T) {
	s := newSite(t)
	r := s.do("PUT", "/kv/a/b", "hello", "Content-Type", "text/plain; charset=utf-8")
	require.Equal(t, http.StatusCreated, r.status, r.body)
	require.Empty(t, r.body)
	created := r.header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]+-[0-9a-f]{32}"$`, created)
	require.Equal(t, "eventual", r.header.Get(api.HeaderConsistency))
	require.Equal(t, "1700000000000.00001", r.header.Get(api.HeaderTimestamp))
	require.Equal(t, "n%201", r.header.Get(api.HeaderNode))
	require.Empty(t, r.header.Get("Server"))

	r = s.do("GET", "/kv/a/b", "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "hello", r.body)
	require.Equal(t, "text/plain; charset=utf-8", r.header.Get("Content-Type"))
	require.Equal(t, created, r.header.Get("ETag"))
	require.Equal(t, "1700000000000.00001", r.header.Get(api.HeaderTimestamp))
	require.Equal(t, "eventual", r.header.Get(api.HeaderConsistency))
	require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))

	r = s.do("HEAD", "/kv/a/b", "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "5", r.header.Get("Content-Length"))
	require.Equal(t, created, r.header.Get("ETag"))
	require.Empty(t, r.body)

	r = s.do("PUT", "/kv/a/b", "")
	require.Equal(t, http.StatusNoContent, r.status)
	require.NotEqual(t, created, r.header.Get("ETag"))
	r = s.do("GET", "/kv/a/b", "")
	require.Equal(t, http.StatusOK, r.status)
	require.Empty(t, r.body)
	require.Equal(t, "application/octet-stream", r.header.Get("Content-Type"),
		"what is put without a type has this one")

	r = s.do("DELETE", "/kv/a/b", "")
	require.Equal(t, http.StatusNoContent, r.status)
	deleted := r.header.Get(api.HeaderTimestamp)
	require.Equal(t, "1700000000000.00003", deleted)
	r = s.do("GET", "/kv/a/b", "")
	p := r.problem(api.NotFound)
	require.Empty(t, p.Outcome, "a read has none")
	require.Equal(t, deleted, r.header.Get(api.HeaderTimestamp), "the tombstone's")
	require.Equal(t, http.StatusNotFound, s.do("HEAD", "/kv/a/b", "").status)
	require.Equal(t, http.StatusNoContent, s.do("DELETE", "/kv/never/was", "").status)
	r = s.do("GET", "/kv/nothing", "")
	r.problem(api.NotFound)
	require.Empty(t, r.header.Get(api.HeaderTimestamp))
}

func TestReturnVersion(t *testing.T) {
	s := newSite(t)
	var v api.Version
	r := s.do("PUT", "/kv/a?return=version", "1")
	require.Equal(t, http.StatusCreated, r.status)
	r.json(&v)
	require.Equal(t, "a", v.Path)
	require.Equal(t, "1700000000000.00001", v.Timestamp)
	require.Equal(t, `"`+v.ETag+`"`, r.header.Get("ETag"))
	_, err := slot.ParseUUID(v.UUID)
	require.NoError(t, err)
	r = s.do("PUT", "/kv/a?return=version", "2")
	require.Equal(t, http.StatusOK, r.status)
	r = s.do("DELETE", "/kv/a?return=version", "")
	require.Equal(t, http.StatusOK, r.status)
	r.json(&v)
	require.Equal(t, "1700000000000.00003", v.Timestamp)
	require.Empty(t, r.header.Get("ETag"), "what is not there has no ETag")
	s.do("PUT", "/kv/a?return=everything", "1").problem(api.BadParameter)
	s.do("GET", "/kv/a?return=version", "").problem(api.BadParameter)
}

func TestConditionalReads(t *testing.T) {
	s := newSite(t)
	etag := s.do("PUT", "/kv/a", "1").header.Get("ETag")
	for list, want := range map[string]int{
		etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, "*": 304, `"x"`: 200, "": 200, strings.Trim(etag, `"`): 200,
	} {
		r := s.do("GET", "/kv/a", "", "If-None-Match", list)
		require.Equal(t, want, r.status, list)
		require.Equal(t, etag, r.header.Get("ETag"))
		if want == 304 {
			require.Empty(t, r.body)
		}
	}
	for list, want := range map[string]int{etag: 200, "*": 200, `"x",` + etag: 200, `"x"`: 412, "W/" + etag: 412,
		"": 412} {
		r := s.do("GET", "/kv/a", "", "If-Match", list)
		require.Equal(t, want, r.status, list)
		require.Equal(t, etag, r.header.Get("ETag"))
	}
	r := s.do("GET", "/kv/a", "", "If-None-Match", `"x"`, "If-None-Match", etag)
	require.Equal(t, 304, r.status, "a list may come in several lines")
}

func TestConditionalWrites(t *testing.T) {
	s := newSite(t)
	created := s.do("PUT", "/kv/a", "1", "If-None-Match", "*")
	require.Equal(t, http.StatusCreated, created.status)
	require.Equal(t, "linearizable", created.header.Get(api.HeaderConsistency), "whatever the default is")
	etag := created.header.Get("ETag")

	again := s.do("PUT", "/kv/a", "2", "If-None-Match", "*")
	require.Equal(t, api.NotApplied, again.problem(api.Precondition).Outcome)
	require.Equal(t, etag, again.header.Get("ETag"), "what is there instead")
	for _, list := range []string{`"x"`, `"x,y" , ,"z"`, "W/" + etag} {
		s.do("PUT", "/kv/a?consistency=eventual", "2", "If-Match", list).problem(api.Precondition)
	}
	s.do("PUT", "/kv/a", "2", "If-None-Match", "W/"+etag).problem(api.Precondition)
	s.do("PUT", "/kv/a", "2", "If-None-Match", etag, "If-Match", etag).problem(api.BadHeader)
	s.do("PUT", "/kv/a", "2", "If-Match", strings.Repeat(etag+",", 65)).problem(api.BadHeader)

	updated := s.do("PUT", "/kv/a", "2", "If-Match", `"x", `+etag)
	require.Equal(t, http.StatusNoContent, updated.status)
	require.NotEqual(t, etag, updated.header.Get("ETag"))
	s.do("DELETE", "/kv/a", "", "If-Match", etag).problem(api.Precondition)
	require.Equal(t, http.StatusNoContent, s.do("DELETE", "/kv/a", "", "If-Match", "*").status)
	gone := s.do("PUT", "/kv/a", "3", "If-Match", "*")
	gone.problem(api.Precondition)
	require.Empty(t, gone.header.Get("ETag"), "nothing is there")
	for _, r := range s.core.taken() {
		require.Equal(t, node.Linearizable, r.Level)
	}
}

// A header that cannot be understood is not taken for one that is not there.
func TestHeadersOfWritesAreNotIgnored(t *testing.T) {
	s := newSite(t)
	etag := strings.Trim(s.do("PUT", "/kv/a", "1").header.Get("ETag"), `"`)
	before := len(s.core.taken())
	for _, c := range []struct {
		method  string
		headers []string
	}{
		{"PUT", []string{"Content-Range", "bytes 0-0/3"}},
		{"PUT", []string{"Content-Range", ""}},
		{"PUT", []string{api.HeaderIdempotencyKey, ""}},
		{"DELETE", []string{api.HeaderIdempotencyKey, ""}},
		{"PUT", []string{api.HeaderIdempotencyKey, "x", api.HeaderIdempotencyKey, "y"}},
		{"PUT", []string{api.HeaderTTL, "60", api.HeaderTTL, "90"}},
		{"PUT", []string{api.HeaderTTL, ""}},
		{"DELETE", []string{api.HeaderTTL, "60"}},
		{"DELETE", []string{api.HeaderTTL, "60", api.HeaderTTL, "60"}},
	} {
		p := s.do(c.method, "/kv/a", "", c.headers...).problem(api.BadHeader)
		require.Equal(t, api.NotApplied, p.Outcome, "%v", c)
	}
	for _, header := range []string{"If-Match", "If-None-Match"} {
		for _, list := range []string{etag, "garbage", "", ", ,", `"x`, `"x" "y"`, `"x",` + etag, `W/x`, "W/", `w/"x"`,
			`*x`, `x"y"`} {
			for _, method := range []string{"PUT", "DELETE"} {
				require.Contains(t, s.do(method, "/kv/a", "", header, list).problem(api.BadHeader).Detail, header, list)
			}
		}
	}
	require.Len(t, s.core.taken(), before)
}

func TestIdempotencyKeyReachesTheCore(t *testing.T) {
	s := newSite(t)
	require.Equal(t, "linearizable", s.do("PUT", "/kv/a?consistency=eventual", "1", api.HeaderIdempotencyKey,
		"mine").header.Get(api.HeaderConsistency))
	s.do("DELETE", "/kv/a", "", api.HeaderIdempotencyKey, "mine")
	s.do("PUT", "/kv/a", "1", api.HeaderIdempotencyKey, "other")
	s.do("PUT", "/kv/a", "1")
	s.do("PUT", "/kv/a", "1", api.HeaderIdempotencyKey, strings.Repeat("x", 256)).problem(api.BadHeader)
	taken := s.core.taken()
	require.Len(t, taken, 4)
	require.Equal(t, taken[0].Key, taken[1].Key)
	require.NotEqual(t, taken[0].Fingerprint, taken[1].Fingerprint, "another request under the same key")
	require.Equal(t, taken[0].Fingerprint, taken[2].Fingerprint, "the same request under another key")
	require.Zero(t, taken[3].Fingerprint)
	require.NotEqual(t, taken[0].Key, taken[2].Key)
	require.True(t, taken[3].Key.IsZero())
}

func TestLevels(t *testing.T) {
	s := newSite(t)
	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/a?consistency=eventual", "1").status)
	require.Equal(t, http.StatusOK, s.do("GET", "/kv/a?consistency=eventual", "").status)
	for _, level := range []string{"quorum", "linearizable"} {
		for _, method := range []string{"PUT", "GET", "DELETE"} {
			r := s.do(method, "/kv/a?consistency="+level, "")
			require.Less(t, r.status, 300, level)
			require.Equal(t, level, r.header.Get(api.HeaderConsistency))
		}
	}
	require.Len(t, s.core.taken(), 7, "only eventual reads go around the core")
	for _, level := range []string{"strong", "", "default", "Eventual", "level(0)"} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			s.do(method, "/kv/a?consistency="+level, "").problem(api.BadConsistency)
		}
	}
	s = newSite(t, func(o *Options) { o.DefaultLevel = node.Quorum })
	require.Equal(t, "quorum", s.do("GET", "/kv/a", "").header.Get(api.HeaderConsistency))
	require.Equal(t, http.StatusOK, s.do("GET", "/kv/", "").status, "listings are eventual whatever the default")
	s.do("GET", "/kv/?consistency=quorum", "").problem(api.NotImplemented)
}

// A read at a higher level shows what the core answers.
func TestReadThroughTheCore(t *testing.T) {
	s := newSite(t)
	rec := node.Record{TS: 7 << 16, UUID: node.UUID{1}, ContentType: "text/x", Value: []byte("from the core")}
	s.core.answer = func(_ context.Context, r *node.Request) (node.Response, error) {
		require.Equal(t, node.OpGet, r.Op)
		return node.Response{Code: node.CodeOK, Level: r.Level, Record: rec}, nil
	}
	r := s.do("GET", "/kv/a?consistency=linearizable", "")
	require.Equal(t, "from the core", r.body)
	require.Equal(t, "text/x", r.header.Get("Content-Type"))
	require.Equal(t, "linearizable", r.header.Get(api.HeaderConsistency))
	s.core.set(func(f *fakeCore) {
		f.answer = func(context.Context, *node.Request) (node.Response, error) {
			return node.Response{
				Code: node.CodeNotFound, Level: node.Quorum, Record: node.Record{TS: 9 << 16, Tombstone: true}}, nil
		}
	})
	r = s.do("GET", "/kv/a?consistency=quorum", "")
	r.problem(api.NotFound)
	require.Equal(t, "9.00000", r.header.Get(api.HeaderTimestamp))
}

// Every code that the core has is answered as api says, for reads and for writes.
func TestCoreRefusals(t *testing.T) {
	s := newSite(t)
	for _, code := range node.Codes() {
		want, refused := api.FromNode(code)
		if !refused {
			continue
		}
		for _, outcome := range []node.Outcome{node.OutcomeNotApplied, node.OutcomeUnknown} {
			s.core.set(func(f *fakeCore) {
				f.answer = func(_ context.Context, r *node.Request) (node.Response, error) {
					return node.Response{Code: code, Outcome: outcome, Level: r.Level, Detail: "because",
						RetryAfter: 1500 * time.Millisecond}, nil
				}
			})
			r := s.do("PUT", "/kv/a", "1")
			p := r.problem(want)
			require.Equal(t, outcome.String(), p.Outcome)
			require.Equal(t, "because", p.Detail)
			switch r.status {
			case 429, 503, 507:
				require.Equal(t, "2", r.header.Get("Retry-After"), "rounded up")
				require.Equal(t, 2, p.RetryAfter)
			default:
				require.Empty(t, r.header.Get("Retry-After"))
				require.Zero(t, p.RetryAfter)
			}
		}
		if code != node.CodeNotFound {
			require.Empty(t, s.do("GET", "/kv/a?consistency=quorum", "").problem(want).Outcome)
		}
	}
}

func TestCoreWithoutAnAnswer(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		err     error
		code    api.Code
		outcome string
	}{
		{fmt.Errorf("%w: bye", ErrStopping), api.ShuttingDown, api.NotApplied},
		{fmt.Errorf("waited: %w", context.DeadlineExceeded), api.Timeout, api.Unknown},
		{errors.New("something else"), api.Internal, api.Unknown},
	} {
		s.core.set(func(f *fakeCore) {
			f.answer = func(context.Context, *node.Request) (node.Response, error) { return node.Response{}, c.err }
		})
		require.Equal(t, c.outcome, s.do("PUT", "/kv/a", "1").problem(c.code).Outcome)
		require.Equal(t, c.outcome, s.do("DELETE", "/kv/a", "").problem(c.code).Outcome)
		require.Empty(t, s.do("GET", "/kv/a?consistency=quorum", "").problem(c.code).Outcome)
	}
	require.Contains(t, s.log.String(), "something else")
}

// The deadline is the server's: a core that never answers is left when it has passed.
func TestRequestTimeout(t *testing.T) {
	s := newSite(t, func(o *Options) { o.RequestTimeout = 10 * time.Millisecond })
	s.core.answer = func(ctx context.Context, _ *node.Request) (node.Response, error) {
		<-ctx.Done()
		return node.Response{}, ctx.Err()
	}
	p := s.do("PUT", "/kv/a", "1").problem(api.Timeout)
	require.Equal(t, api.Unknown, p.Outcome)
	require.Contains(t, p.Detail, "10ms")
}

func TestPanicIsAProblem(t *testing.T) {
	s := newSite(t)
	s.core.answer = func(context.Context, *node.Request) (node.Response, error) { panic("a planted bug") }
	require.Equal(t, api.Unknown, s.do("PUT", "/kv/a", "1").problem(api.Internal).Outcome)
	require.Empty(t, s.do("GET", "/kv/a?consistency=quorum", "").problem(api.Internal).Outcome)
	require.Contains(t, s.log.String(), "a planted bug")
	require.Equal(t, http.StatusOK, s.do("GET", "/livez", "").status, "the server lives on")
}

func TestDamagedRecord(t *testing.T) {
	s := newSite(t)
	require.NoError(t, s.core.store.Apply([]node.Change{{Key: "r/d/a", Value: []byte("rot")}}))
	s.do("GET", "/kv/d/a", "").problem(api.StorageCorrupt)
	s.do("GET", "/kv/d/", "").problem(api.StorageCorrupt)
	require.Contains(t, s.log.String(), "d/a")
}

func TestContentTypeRules(t *testing.T) {
	s := newSite(t)
	long := "text/" + strings.Repeat("x", slot.ContentTypeBytesMax-5)
	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/a", "", "Content-Type", long).status)
	require.Equal(t, long, s.do("GET", "/kv/a", "").header.Get("Content-Type"))
	s.do("PUT", "/kv/a", "", "Content-Type", long+"x").problem(api.BadHeader)
	s.do("PUT", "/kv/a", "", "Content-Type", "text/ü").problem(api.BadHeader)
}

func TestTimeToLive(t *testing.T) {
	s := newSite(t)
	for text, expires := range map[string]string{"90": "2023-11-14T22:14:50Z", "1h": "2023-11-14T23:13:20Z"} {
		r := s.do("PUT", "/kv/a", "x", api.HeaderTTL, text)
		require.Equal(t, expires, r.header.Get(api.HeaderExpires), text)
		r = s.do("GET", "/kv/a", "")
		require.Equal(t, expires, r.header.Get(api.HeaderExpires))
	}
	s.do("PUT", "/kv/a", "for ever")
	require.Empty(t, s.do("GET", "/kv/a", "").header.Get(api.HeaderExpires))
	for _, bad := range []string{"0", "-5", "1ms", "soon", "1.5", "999999h"} {
		p := s.do("PUT", "/kv/b", "x", api.HeaderTTL, bad).problem(api.BadHeader)
		require.Equal(t, api.NotApplied, p.Outcome, bad)
	}
	s.do("GET", "/kv/b", "").problem(api.NotFound)
}
