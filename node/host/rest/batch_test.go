package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
)

func (s *site) batch(body string) api.BatchResults {
	s.t.Helper()
	r := s.do("POST", "/batch", body, "Content-Type", api.ContentTypeJSON)
	require.Equal(s.t, http.StatusMultiStatus, r.status, r.body)
	var out api.BatchResults
	r.json(&out)
	return out
}

func TestBatch(t *testing.T) {
	s := newSite(t)
	got := s.batch(`[
		{"op":"put","path":"a","value":"ü","content_type":"text/plain","ttl":"60"},
		{"op":"put","path":"b","value_base64":"AP8=","consistency":"quorum"},
		{"op":"get","path":"a"}, {"op":"get","path":"b"}, {"op":"get","path":".kvs/tokens"},
		{"op":"put","path":"b","if_none_match":["*"]}, {"op":"put","path":"a/"}]`)
	require.Equal(t, 3, got.Failed)
	require.Equal(t, "ü", *got.Results[2].Text)
	require.Equal(t, "text/plain", got.Results[2].ContentType)
	require.NotEmpty(t, got.Results[2].Expires)
	require.Equal(t, []byte{0, 0xff}, got.Results[3].Base64)
	require.Equal(t, api.BadPath, got.Results[4].Problem.Code)
	require.Equal(t, api.Precondition, got.Results[5].Problem.Code)
	require.Equal(t, got.Results[1].ETag, got.Results[5].ETag)
	require.Equal(t, api.NotApplied, got.Results[5].Problem.Outcome)
	require.Equal(t, "n 1", got.Results[5].Problem.Node)
	require.Equal(t, api.BadPath, got.Results[6].Problem.Code)
	require.Equal(t, "ü", s.do("GET", "/kv/a", "").body)
	levels := map[string]node.Level{} // operations on different paths come in any order.
	for _, r := range s.core.taken() {
		if r.Op == node.OpPut && r.Level != node.Linearizable {
			levels[r.Path] = r.Level
		}
	}
	require.Equal(t, map[string]node.Level{"a": node.Eventual, "b": node.Quorum}, levels)

	r := s.do("POST", "/batch", "{\"op\":\"get\",\"path\":\"a\"}\n{\"op\":\"get\",\"path\":\"none\"}\n", "Content-Type",
		api.ContentTypeLines)
	require.Equal(t, http.StatusMultiStatus, r.status)
	require.Equal(t, api.ContentTypeLines, r.header.Get("Content-Type"))
	lines := strings.Split(strings.TrimSpace(r.body), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], `"value":"ü"`)
	require.Contains(t, lines[1], `"code":"not_found"`)
}

// A batch that is refused has done nothing.
func TestBatchIsRefusedAsAWhole(t *testing.T) {
	s := newSite(t)
	ask := func(body string, headers ...string) reply { return s.do("POST", "/batch", body, headers...) }
	json := []string{"Content-Type", api.ContentTypeJSON}
	put := `[{"op":"put","path":"a","value":"x"}]`
	for want, r := range map[api.Code]reply{
		api.BadMediaType: ask(put, "Content-Type", "text/plain"),
		api.BadBody:      ask(`[{"op":"put","path":"a"},{"op":"put","path":"b","tll":"60"}]`, json...),
		api.Overdue:      ask(put, append(json, api.HeaderDeadline, "1")...),
		api.BadParameter: s.do("POST", "/batch?atomic=true", put, json...),
		api.BodyTooLarge: ask(`[`+strings.Repeat(" ", api.BatchBytesMax)+`]`, json...),
	} {
		require.Equal(t, api.NotApplied, r.problem(want).Outcome)
	}
	for mode, code := range map[node.Mode]api.Code{node.ModeSyncing: api.Syncing, node.ModeFailed: api.StorageFailed} {
		s.core.set(func(f *fakeCore) { f.snapshot.Mode = mode })
		ask(put, json...).problem(code)
		s.do("DELETE", "/kv/?recursive=true&confirm=/", "").problem(code)
	}
	require.Empty(t, s.core.taken())
}

// Each operation needs its own right, is a request of its own for the limit, and has its line in the audit log.
func TestBatchWithCredentials(t *testing.T) {
	var mu sync.Mutex
	var log []string
	g := newGuarded(t, func(o *Options) {
		o.Limits = DefaultLimits
		o.Limits.RequestsPerSecond = 10
		o.Audit = func(a Audited) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprint(a.Method, " ", a.Path, " ", a.Status, " ", a.Code, " ", a.Who != ""))
		}
	})
	g.store("secret/a")
	g.give("mixed", api.WantedToken{Rules: []api.TokenRule{allow("open", "read", "write"), allow("secret", "list"),
		allow("open/r", "read"), deny("open/r", "write")}})
	log = nil
	r := g.as("mixed", "POST", "/batch", `[{"op":"put","path":"open/ä","value":"x"},{"op":"get","path":"open/ä"},
		{"op":"put","path":"open/r","value":"x"},{"op":"get","path":"secret/a"},{"op":"delete","path":"secret/a"}]`,
		"Content-Type", api.ContentTypeJSON)
	var out api.BatchResults
	r.json(&out)
	var codes []api.Code
	for i := range out.Results {
		codes = append(codes, "")
		if p := out.Results[i].Problem; p != nil {
			codes[i] = p.Code
		}
	}
	require.Equal(t, []api.Code{"", "", api.NotAllowed, api.NotAllowed, api.NotAllowed}, codes)
	for _, want := range []string{"PUT /kv/open/%C3%A4 201  true", "GET /kv/open/%C3%A4 200  true",
		"PUT /kv/open/r 403 not_allowed true", "GET /kv/secret/a 403 not_allowed true",
		"DELETE /kv/secret/a 403 not_allowed true", "POST /batch 207  true"} {
		require.Contains(t, log, want)
	}

	var many []string
	for i := range api.BatchOperationsMax {
		many = append(many, fmt.Sprintf(`{"op":"get","path":"open/%d"}`, i))
	}
	g.as("mixed", "POST", "/batch", "["+strings.Join(many, ",")+"]", "Content-Type", api.ContentTypeJSON).json(&out)
	overloaded := 0
	for i := range out.Results {
		if out.Results[i].Problem.Code == api.Overloaded {
			overloaded++
		}
	}
	require.Positive(t, overloaded, "the limit of requests a second counts operations")
}

func TestDeleteBelow(t *testing.T) {
	s := newTree(t)
	for target, code := range map[string]api.Code{
		"/kv/d/":                                            api.BadPath,
		"/kv/d/?recursive=true":                             api.BadParameter,
		"/kv/d/?recursive=true&confirm=d":                   api.BadParameter,
		"/kv/?recursive=true&confirm=":                      api.BadParameter,
		"/kv/d/?recursive=true&confirm=e/":                  api.BadParameter,
		"/kv/d/?recursive=yes&confirm=d/":                   api.BadParameter,
		"/kv/d/?recursive=true&confirm=d/&limit=0":          api.BadParameter,
		"/kv/d/?recursive=true&confirm=d/&after=x":          api.BadParameter,
		"/kv/d/?recursive=true&confirm=d/&consistency=best": api.BadConsistency,
	} {
		require.Equal(t, api.NotApplied, s.do("DELETE", target, "").problem(code).Outcome, target)
	}
	s.do("DELETE", "/kv/d/?recursive=true&confirm=d/", "", "If-Match", "*").problem(api.BadHeader)
	before := len(s.core.taken())
	var got api.Deletion
	s.do("DELETE", "/kv/d/?recursive=true&confirm=d/&limit=3&consistency=quorum", "").json(&got)
	require.Equal(t, api.Deletion{Directory: "d/", Deleted: 3, Failed: []api.BatchResult{}, More: true,
		Next: "d/e/1"}, got)
	require.Equal(t, node.Quorum, s.core.taken()[before].Level)
	got = api.Deletion{}
	s.do("DELETE", "/kv/d/?recursive=true&confirm=d/&after="+"d/e/1", "").json(&got)
	require.Equal(t, api.Deletion{Directory: "d/", Deleted: 2, Failed: []api.BatchResult{}}, got)
	require.Equal(t, []string{"a", "ü/1"}, pathsOf(s.page("/kv/?recursive=true")))
	s.do("DELETE", "/kv/?recursive=true&confirm=/", "").json(&got)
	require.Equal(t, 2, got.Deleted)
}

// A tree of which parts are hidden or not to be written: those stay, and only what may be listed is named.
func TestDeleteBelowWithCredentials(t *testing.T) {
	g := newGuarded(t)
	for _, p := range []string{"d/a", "d/hidden/a", "d/kept/a", "d/z"} {
		g.store(p)
	}
	g.give("some", api.WantedToken{Rules: []api.TokenRule{allow("d", "read", "list", "write"),
		deny("d/hidden", "list", "write"), deny("d/kept", "write")}})
	r := g.as("some", "DELETE", "/kv/d/?recursive=true&confirm=d/", "")
	require.Equal(t, http.StatusMultiStatus, r.status, r.body)
	var got api.Deletion
	r.json(&got)
	require.Equal(t, 2, got.Deleted)
	require.Len(t, got.Failed, 1)
	require.Equal(t, "d/kept/a", got.Failed[0].Path)
	require.Equal(t, api.NotAllowed, got.Failed[0].Problem.Code)
	require.NotContains(t, r.body, "hidden")
	require.Equal(t, http.StatusOK, g.as("admin", "GET", "/kv/d/hidden/a", "").status)
}

func TestListValuesAndCount(t *testing.T) {
	s := newTree(t)
	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/d/bytes", "\xff\x00", api.HeaderTTL, "60").status)
	l := s.page("/kv/d/?values=true")
	values := map[string]string{}
	for i := range l.Entries {
		e := &l.Entries[i]
		values[e.Path] = string(api.JoinValue(e.Text, e.Base64))
		require.Equal(t, e.Path == "d/bytes", e.Expires != "")
		require.Equal(t, e.Path == "d/bytes", e.Base64 != nil)
		require.Equal(t, e.Directory, e.Text == nil && e.Base64 == nil)
	}
	require.Equal(t, map[string]string{"d/1": "d/1", "d/2": "d/2", "d/bytes": "\xff\x00", "d/e/": "", "d/z": "d/z"},
		values)
	require.Nil(t, s.page("/kv/d/").Entries[0].Text)

	var n api.Count
	s.do("GET", "/kv/d/?count=true", "").json(&n)
	require.Equal(t, api.Count{Directory: "d/", Values: 4, Directories: 1, Bytes: 11}, n)
	s.do("GET", "/kv/?count=true&recursive=true&values=true", "").json(&n)
	require.Equal(t, api.Count{Values: 8, Bytes: 28}, n)
	s.do("GET", "/kv/?count=maybe", "").problem(api.BadParameter)
	s.do("GET", "/kv/?values=maybe", "").problem(api.BadParameter)
}

// Who may list a path and not read it sees it without its value.
func TestListValuesWithCredentials(t *testing.T) {
	g := newGuarded(t)
	g.store("d/a")
	g.store("d/b")
	g.give("lister", api.WantedToken{Rules: []api.TokenRule{allow("d", "list"), allow("d/b", "read")}})
	r := g.as("lister", "GET", "/kv/d/?values=true", "")
	var l api.Listing
	r.json(&l)
	require.Equal(t, []string{"d/a", "d/b"}, pathsOf(l))
	require.Nil(t, l.Entries[0].Text)
	require.Equal(t, "v", *l.Entries[1].Text)
}
