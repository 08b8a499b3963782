package rest

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

func newTree(t *testing.T) *site {
	s := newSite(t)
	for _, path := range []string{"a", "d/1", "d/2", "d/e/1", "d/e/f/1", "d/gone", "d/z", "ü/1"} {
		require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/"+path, path, "Content-Type", "text/plain").status)
	}
	require.Equal(t, http.StatusNoContent, s.do("DELETE", "/kv/d/gone", "").status)
	return s
}

func (s *site) page(target string) api.Listing {
	s.t.Helper()
	r := s.do("GET", target, "")
	require.Equal(s.t, http.StatusOK, r.status, r.body)
	require.Equal(s.t, "eventual", r.header.Get(api.HeaderConsistency))
	var l api.Listing
	r.json(&l)
	require.NotNil(s.t, l.Entries)
	return l
}

func pathsOf(l api.Listing) (out []string) {
	for _, e := range l.Entries {
		out = append(out, e.Path)
	}
	return out
}

func TestListings(t *testing.T) {
	s := newTree(t)
	require.Equal(t, []string{"a", "d/", "ü/"}, pathsOf(s.page("/kv/")))
	require.Equal(t, []string{"d/1", "d/2", "d/e/", "d/z"}, pathsOf(s.page("/kv/d/")))
	require.Equal(t, []string{"d/1", "d/2", "d/e/1", "d/e/f/1", "d/z"}, pathsOf(s.page("/kv/d/?recursive=true")))
	require.Equal(t, []string{"d/1", "d/2", "d/e/", "d/z"}, pathsOf(s.page("/kv/d%2F?recursive=false")))
	require.Equal(t, []string{"ü/1"}, pathsOf(s.page("/kv/%C3%BC/")))
	require.Empty(t, s.page("/kv/nothing/here/").Entries)
	require.Equal(t, http.StatusOK, s.do("HEAD", "/kv/d/", "").status)

	l := s.page("/kv/d/?limit=3&consistency=eventual")
	require.Equal(t, "d/", l.Directory)
	require.Equal(t, api.Entry{Path: "d/e/", Name: "e/", Directory: true}, l.Entries[2])
	value := l.Entries[0]
	require.Equal(t, "1", value.Name)
	require.Equal(t, "text/plain", value.ContentType)
	require.Equal(t, 3, *value.Bytes)
	require.Equal(t, "1700000000000.00002", value.Timestamp)
	require.Equal(t, `"`+value.ETag+`"`, s.do("GET", "/kv/d/1", "").header.Get("ETag"))
}

func TestListingPages(t *testing.T) {
	s := newTree(t)
	for base, all := range map[string]string{
		"/kv/d/?limit=1": "/kv/d/", "/kv/d/?recursive=true&limit=2": "/kv/d/?recursive=true",
		"/kv/d/?limit=4": "/kv/d/", "/kv/?limit=2": "/kv/",
	} {
		whole := pathsOf(s.page(all))
		var got []string
		for after := ""; ; {
			l := s.page(base + "&after=" + url.QueryEscape(after))
			got = append(got, pathsOf(l)...)
			require.Equal(t, l.More, l.Next != "")
			if !l.More {
				break
			}
			require.Greater(t, l.Next, after)
			after = l.Next
		}
		require.Equal(t, whole, got, base)
	}
	require.Equal(t, []string{"d/z"}, pathsOf(s.page("/kv/d/?after=d/m")), "what comes before need not exist")
}

func TestListingParameters(t *testing.T) {
	s := newTree(t)
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=10001", "limit=x", "limit=", "limit=1e3", "limit=1&limit=2", "recursive=yes",
		"recursive=1", "Recursive=true",
		"after=e/1", "after=%FF", "after=/d/1", "prefix=d", "limit=%zz", "a;b", "=", "return=version",
	} {
		s.target("GET", "/kv/d/?"+query).problem(api.BadParameter)
	}
	require.Contains(t, s.target("GET", "/kv/d/?limt=3").problem(api.BadParameter).Detail, `"limt"`)
	s.target("GET", "/kv/d/?consistency=nonsense").problem(api.BadConsistency)
	s.target("GET", "/kv/d/?consistency=linearizable").problem(api.NotImplemented)
	require.Len(t, s.page("/kv/d/?limit=10000").Entries, 4)
	require.Len(t, s.page("/kv/d/?recursive").Entries, 5)
	s.target("GET", "/kv/d/1?limit=3").problem(api.BadParameter)
}
