package view

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"

	"github.com/stretchr/testify/require"
)

// mapStore is the simplest store: what it is given is durable at once.
type mapStore struct {
	m       map[string][]byte
	keys    []string // sorted.
	getErr  error
	scanErr error
}

func newMapStore() *mapStore { return &mapStore{m: map[string][]byte{}} }

func (s *mapStore) Get(key string) ([]byte, bool, error) {
	v, ok := s.m[key]
	return v, ok, s.getErr
}

func (s *mapStore) Scan(prefix, from string, fn func(string, []byte) bool) error {
	i, _ := slices.BinarySearch(s.keys, max(prefix, from))
	for ; i < len(s.keys) && strings.HasPrefix(s.keys[i], prefix); i++ {
		if !fn(s.keys[i], s.m[s.keys[i]]) {
			break
		}
	}
	return s.scanErr
}

func (s *mapStore) Apply(changes []contract.Change) error {
	for _, change := range changes {
		i, found := slices.BinarySearch(s.keys, change.Key)
		switch {
		case change.Value == nil && found:
			s.keys = slices.Delete(s.keys, i, i+1)
			delete(s.m, change.Key)
		case change.Value != nil:
			if !found {
				s.keys = slices.Insert(s.keys, i, change.Key)
			}
			s.m[change.Key] = slices.Clone(change.Value)
		}
	}
	return nil
}

func (s *mapStore) Close() error { return nil }

func (s *mapStore) put(path string, r slot.Record) {
	if r.TS == 0 {
		r.TS, r.UUID = 1, slot.UUID{1}
	}
	stored := slot.Of(&r)
	_ = s.Apply([]contract.Change{{Key: schema.PrefixRecord + path, Value: slot.Encode(path, &stored)}})
}

func paths(l Listing) []string {
	var out []string
	for _, e := range l.Entries {
		out = append(out, e.Path)
	}
	return out
}

func TestListChildren(t *testing.T) {
	s := newMapStore()
	for _, p := range []string{"a", "a/b", "a/b/c", "a/b/d", "a/c/x", "a-b", "a0", "b/only/deep"} {
		s.put(p, slot.Record{})
	}
	s.put("gone/x", slot.Record{Tombstone: true})
	s.put("a/dead", slot.Record{Tombstone: true})
	_ = s.Apply([]contract.Change{
		{Key: schema.PrefixMeta + "identity", Value: []byte("x")}, {Key: "s/after", Value: []byte("x")},
	})
	v := New(s, slot.NewElectorate(nil))
	for _, c := range []struct {
		req  ListRequest
		want []string
		more bool
	}{
		{ListRequest{Directory: ""}, []string{"a", "a-b", "a/", "a0", "b/"}, false},
		{ListRequest{Directory: "a/"}, []string{"a/b", "a/b/", "a/c/"}, false},
		{ListRequest{Directory: "a/", Recursive: true}, []string{"a/b", "a/b/c", "a/b/d", "a/c/x"}, false},
		{ListRequest{Directory: "gone/"}, nil, false},
		{ListRequest{Directory: "nothing/"}, nil, false},
		{ListRequest{Directory: "", Limit: 2}, []string{"a", "a-b"}, true},
		{ListRequest{Directory: "", Limit: 2, After: "a-b"}, []string{"a/", "a0"}, true},
		{ListRequest{Directory: "", Limit: 2, After: "a0"}, []string{"b/"}, false},
		{ListRequest{Directory: "", Limit: 3, After: "a/"}, []string{"a0", "b/"}, false},
		{ListRequest{Directory: "a/", After: "a/b"}, []string{"a/b/", "a/c/"}, false},
		{ListRequest{Directory: "a/", After: "a/b/c"}, []string{"a/c/"}, false},
		{ListRequest{Directory: "a/", After: "a/b/", Recursive: true}, []string{"a/b/c", "a/b/d", "a/c/x"}, false},
		{ListRequest{Directory: "a/", After: "a0"}, nil, false},
	} {
		if c.req.Limit == 0 {
			c.req.Limit = ListLimitDefault
		}
		got, err := v.List(c.req)
		require.NoError(t, err)
		require.Equal(t, c.want, paths(got), "%+v", c.req)
		require.Equal(t, c.more, got.More, "%+v", c.req)
	}
}

// Pages of any size, put together, are the whole listing, and the whole listing is what a plain filter over all keys
// finds.
func TestListPagesAgainstAPlainFilter(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	whole := listMax
	defer func() { listMax = whole }()
	for turn := range 100 {
		if listMax = whole; turn%2 == 1 { // pages that end before they are full.
			listMax = budget{keys: 1 + rng.IntN(5), bytes: 1 + rng.IntN(500)}
		}
		s := newMapStore()
		live := map[string]bool{}
		segs := []string{"a", "b", "a-", "a0", "é"}
		for range rng.IntN(40) {
			p := segs[rng.IntN(5)]
			for range rng.IntN(3) {
				p += "/" + segs[rng.IntN(5)]
			}
			dead := rng.IntN(4) == 0
			s.put(p, slot.Record{Tombstone: dead})
			live[p] = !dead
		}
		for _, dir := range []string{"", "a/", "a/b/", "a-/"} {
			for _, rec := range []bool{false, true} {
				want := map[string]bool{}
				for p, ok := range live {
					if rest, in := strings.CutPrefix(p, dir); ok && in {
						if i := strings.IndexByte(rest, '/'); i >= 0 && !rec {
							p = dir + rest[:i+1]
						}
						want[p] = true
					}
				}
				var got []string
				req := ListRequest{Directory: dir, Recursive: rec, Limit: 1 + rng.IntN(4)}
				for {
					l, err := New(s, slot.NewElectorate(nil)).List(req)
					require.NoError(t, err)
					got = append(got, paths(l)...)
					if !l.More {
						break
					}
					require.Greater(t, l.Next, req.After)
					req.After = l.Next
				}
				require.True(t, slices.IsSorted(got))
				require.Len(t, got, len(want), "%q recursive=%v: %v", dir, rec, got)
				for _, p := range got {
					require.True(t, want[p], p)
				}
				listMax = whole
				for range 5 {
					// A page may also begin where no former one ended: at any path or directory, also one that is no
					// entry.
					after := dir
					for range 1 + rng.IntN(3) {
						after += segs[rng.IntN(5)] + []string{"", "/"}[rng.IntN(2)]
					}
					req := ListRequest{Directory: dir, Recursive: rec, Limit: ListLimitMax, After: after}
					l, err := New(s, slot.NewElectorate(nil)).List(req)
					require.NoError(t, err)
					i, found := slices.BinarySearch(got, after)
					if found {
						i++
					}
					require.Equal(t, slices.Concat(got[i:]), paths(l), "%q recursive=%v after %q", dir, rec, after)
				}
			}
		}
	}
}

func TestViewReportsRotAndStoreErrors(t *testing.T) {
	s := newMapStore()
	s.put("a", slot.Record{Value: []byte("good")})
	s.m[schema.PrefixRecord+"a"][41] ^= 1
	v := New(s, slot.NewElectorate(nil))
	_, err := v.Get("a")
	require.ErrorIs(t, err, codec.ErrCorrupt)
	_, err = v.List(ListRequest{Limit: 1})
	require.ErrorIs(t, err, codec.ErrCorrupt)
	s.getErr, s.scanErr = errors.New("io"), errors.New("io")
	_, err = v.Get("zz")
	require.ErrorContains(t, err, "io")
	_, err = v.List(ListRequest{Limit: 1, Directory: "z/"})
	require.ErrorContains(t, err, "io")
}

func ExampleView_List() {
	s := newMapStore()
	for _, p := range []string{"users/ann", "users/bob/mail", "users/bob/name", "zoo"} {
		s.put(p, slot.Record{Value: []byte("x")})
	}
	l, _ := New(s, slot.NewElectorate(nil)).List(ListRequest{Directory: "users/", Limit: 10})
	for _, e := range l.Entries {
		fmt.Println(e.Path, e.Directory)
	}
	// Output:
	// users/ann false
	// users/bob/ true
}

// countedStore counts the records that a listing reads.
type countedStore struct {
	*mapStore
	read, bytes int
}

func (s *countedStore) Scan(prefix, from string, fn func(string, []byte) bool) error {
	return s.mapStore.Scan(prefix, from, func(key string, value []byte) bool {
		s.read++
		s.bytes += len(value)
		return fn(key, value)
	})
}

// A page looks at a bounded number of tombstones, and reads a bounded number of bytes, however few entries that gives.
func TestAPageIsBounded(t *testing.T) {
	s := &countedStore{mapStore: newMapStore()}
	for i := range 3 * listMax.keys / 2 {
		s.put(fmt.Sprintf("d/%06d", i), slot.Record{Tombstone: true})
	}
	s.put("d/live", slot.Record{})
	v := New(s, slot.NewElectorate(nil))
	for _, recursive := range []bool{false, true} {
		for _, dir := range []string{"", "d/"} {
			s.read = 0
			l, err := v.List(ListRequest{Directory: dir, Recursive: recursive, Limit: 10})
			require.NoError(t, err)
			require.Empty(t, l.Entries)
			require.True(t, l.More)
			require.LessOrEqual(t, s.read, listMax.keys+1)
			l, err = v.List(ListRequest{Directory: dir, Recursive: recursive, Limit: 10, After: l.Next})
			require.NoError(t, err)
			require.Len(t, l.Entries, 1)
			require.False(t, l.More)
		}
	}
	s = &countedStore{mapStore: newMapStore()}
	for i := range 10 {
		s.put(fmt.Sprintf("d/%06d", i), slot.Record{Value: make([]byte, 8<<20)})
	}
	l, err := New(s, slot.NewElectorate(nil)).List(ListRequest{Directory: "d/", Limit: 1000})
	require.NoError(t, err)
	require.Len(t, l.Entries, 4)
	require.True(t, l.More)
	require.LessOrEqual(t, s.bytes, listMax.bytes+16<<20)
}

// A page with values ends before the value that would exceed its bytes, and a first value is always given.
func TestListWithValues(t *testing.T) {
	s := newMapStore()
	big := []byte(strings.Repeat("x", ValuesBytesMax/2+1))
	s.put("a", slot.Record{Value: big, Expires: 7})
	s.put("b", slot.Record{Value: big})
	s.put("c", slot.Record{Value: []byte("small")})
	s.put("d", slot.Record{Value: []byte(strings.Repeat("y", ValuesBytesMax+1))})
	s.put("e/f", slot.Record{Value: []byte("below")})
	v := New(s, slot.NewElectorate(nil))
	req := ListRequest{Limit: 10, Values: true}
	var pages [][]string
	values := map[string]string{}
	for {
		l, err := v.List(req)
		require.NoError(t, err)
		pages = append(pages, paths(l))
		for _, e := range l.Entries {
			values[e.Path] = string(e.Value)
			require.Equal(t, len(e.Value), e.Bytes)
		}
		if !l.More {
			break
		}
		req.After = l.Next
	}
	require.Equal(t, [][]string{{"a"}, {"b", "c"}, {"d"}, {"e/"}}, pages)
	require.Equal(t, string(big), values["a"])
	require.Equal(t, "small", values["c"])
	require.Empty(t, values["e/"])
	l, err := v.List(ListRequest{Limit: 10})
	require.NoError(t, err)
	require.Len(t, l.Entries, 5)
	require.Equal(t, int64(7), l.Entries[0].Expires)
	require.Nil(t, l.Entries[0].Value)
}
