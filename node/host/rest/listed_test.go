package rest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

// What may not be listed is not told of: not in a page, nor by its length, nor by where the next one begins.
func TestListingsShowWhatMayBeListed(t *testing.T) {
	g := newGuarded(t)
	for i := range 30 {
		g.store(fmt.Sprintf("a/%02d", i))
		g.store(fmt.Sprintf("b/x/%02d", i))
		g.store(fmt.Sprintf("c%02d", i))
	}
	g.store("b/x/open/1")
	g.store("b/y")
	g.store("d")
	g.give("some", api.WantedToken{Rules: []api.TokenRule{allow("", "list"), deny("a", "list"), deny("b/x", "list"),
		allow("b/x/open", "list"), deny("c07", "list"), deny("d", "list")}})
	g.give("one", api.WantedToken{
		Rules: []api.TokenRule{allow("", "list"), deny("a", "list"), deny("b", "list"), deny("d", "list")}})
	pages := func(name, dir, query string, limit int) (paths []string) {
		after := ""
		for {
			r := g.as(name, http.MethodGet, fmt.Sprintf("/kv/%s?limit=%d&after=%s%s", dir, limit, after, query), "")
			require.Equal(t, http.StatusOK, r.status, r.body)
			var l api.Listing
			r.json(&l)
			for _, e := range l.Entries {
				paths = append(paths, e.Path)
			}
			if !l.More {
				require.Empty(t, l.Next)
				return paths
			}
			require.Len(t, l.Entries, limit, "a page is full if there is another")
			require.Equal(t, paths[len(paths)-1], l.Next)
			after = l.Next
		}
	}
	var want, dirs []string
	want = append(want, "b/x/open/1", "b/y")
	dirs = append(dirs, "b/")
	for i := range 30 {
		if i != 7 {
			want = append(want, fmt.Sprintf("c%02d", i))
			dirs = append(dirs, fmt.Sprintf("c%02d", i))
		}
	}
	for _, limit := range []int{1, 2, 7, 31, 32, 1000} {
		require.Equal(t, want, pages("some", "", "&recursive=true", limit))
		require.Equal(t, dirs, pages("some", "", "", limit))
		require.Len(t, pages("one", "", "&recursive=true", limit), 30, "c00 to c29")
		require.Len(t, pages("admin", "", "&recursive=true", limit), 93)
		require.NotContains(t, pages("admin", "", "", limit), ".kvs/")
	}
	require.Equal(t, http.StatusForbidden, g.as("some", http.MethodGet, "/kv/a/", "").status)
}

func TestConflictsShowWhatMayBeListed(t *testing.T) {
	g := newGuarded(t)
	g.give("some", api.WantedToken{Rules: []api.TokenRule{allow("open", "list")}})
	g.core.set(func(f *fakeCore) {
		for _, p := range []string{"secret/a", "open/a", TokensPath, "open/b", "secret/b"} {
			f.conflict = append(f.conflict, node.ConflictRecord{Path: p, Slot: slot.Slot{TS: 1 << 16}})
		}
	})
	var doc api.Conflicts
	g.as("some", http.MethodGet, "/conflicts?limit=2", "").json(&doc)
	require.Len(t, doc.Conflicts, 2)
	require.Equal(t, "open/b", doc.Conflicts[1].Path)
	g.as("admin", http.MethodGet, "/conflicts", "").json(&doc)
	require.Len(t, doc.Conflicts, 4)
}
