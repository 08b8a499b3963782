package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/slot"
)

// Paths as they come over the wire, which most clients would tidy up before.
func TestPathsOnTheWire(t *testing.T) {
	s := newSite(t)
	good := map[string]string{
		"/kv/a":                      "a",
		"/kv/a%2Fb":                  "a/b",
		"/kv/a%252Fb":                "a%2Fb",
		"/kv/a+b":                    "a+b",
		"/kv/a%20b":                  "a b",
		"/kv/%E2%82%AC":              "€",
		"/kv/€":                      "€",
		"/kv/a%3Fb%23c":              "a?b#c",
		"/kv/a:b@c;d=e,f&g":          "a:b@c;d=e,f&g",
		"/kv/...":                    "...",
		"/kv/kv/kv":                  "kv/kv",
		"/kv/%6b%76":                 "kv",
		"http://elsewhere/kv/a":      "a",
		"/kv/a?consistency=eventual": "a",
		"/kv/" + strings.Repeat("%41", slot.SegmentBytesMax): strings.Repeat(
			"A", slot.SegmentBytesMax),
		"/kv/" + strings.Repeat(strings.Repeat("x", slot.SegmentBytesMax)+"/", 4)[:slot.PathBytesMax-1]: strings.Repeat(
			strings.Repeat("x", slot.SegmentBytesMax)+"/", 4)[:slot.PathBytesMax-1],
	}
	for target, path := range good {
		before := len(s.core.taken())
		r := s.target("PUT", target)
		require.Less(t, r.status, 300, "%s: %s", target, r.body)
		taken := s.core.taken()
		require.Len(t, taken, before+1)
		require.Equal(t, path, taken[before].Path, target)
		require.Equal(t, http.StatusOK, s.target("GET", target).status, target)
	}

	bad := []string{
		"/kv//a", "/kv/a//b", "/kv/a/../b", "/kv/../a", "/kv/%2e%2e/b", "/kv/.", "/kv/a/.", "/kv/./a", "/kv/%2Fa",
		"/kv/a%2F%2Fb",
		"/kv/%00", "/kv/a%00b", "/kv/a%0Ab", "/kv/%7F", "/kv/%C2%85", "/kv/%zz", "/kv/a%", "/kv/a%4", "/kv/%FF",
		"/kv/%C0%AF", "/kv/\xff",
		"/kv/" + strings.Repeat("x", slot.SegmentBytesMax+1), "/kv/" + strings.Repeat("x/", slot.PathBytesMax/2) + "x",
		"/kv/a#b", "/kv/a?consistency=eventual#b",
	}
	before := len(s.core.taken())
	for _, target := range bad {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			p := s.target(method, target).problem(api.BadPath)
			require.Equal(t, method != "GET", p.Outcome == api.NotApplied, target)
		}
	}
	for _, target := range []string{"/kv/", "/kv/a/", "/kv/a%2F"} {
		s.target("PUT", target).problem(api.BadPath)
		s.target("DELETE", target).problem(api.BadPath)
	}
	for _, target := range []string{"/kv", "/KV/a", "//kv/a", "/kvs/a", "/x/../kv/a", "/%6bv/a", "/kv%2Fa"} {
		s.target("PUT", target).problem(api.NoRoute)
	}
	require.Len(t, s.core.taken(), before, "none of them reached the core")
}

func FuzzKVPath(f *testing.F) {
	for _, seed := range []string{"/kv/a", "/kv/", "/kv/a/", "/kv/%2e%2E/", "/kv/a%2fb", "/kv/%", "/kv/\x80", "/kv", "",
		"/kv/%25%30%30"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, original []byte) {
		path, directory, err := kvPath(original)
		switch {
		case err != nil:
			require.Empty(t, path)
		case directory:
			require.NoError(t, slot.CheckDirectory(path))
		default:
			require.NoError(t, slot.CheckPath(path))
		}
	})
}
