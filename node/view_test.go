package node

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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

func (s *mapStore) Apply(ops []Op) error {
	for _, op := range ops {
		i, found := slices.BinarySearch(s.keys, op.Key)
		switch {
		case op.Value == nil && found:
			s.keys = slices.Delete(s.keys, i, i+1)
			delete(s.m, op.Key)
		case op.Value != nil:
			if !found {
				s.keys = slices.Insert(s.keys, i, op.Key)
			}
			s.m[op.Key] = slices.Clone(op.Value)
		}
	}
	return nil
}

func (s *mapStore) Close() error { return nil }

func (s *mapStore) put(path string, r Record) {
	if r.TS == 0 {
		r.TS, r.UUID = 1, UUID{1}
	}
	_ = s.Apply([]Op{{Key: prefixRecord + path, Value: encodeRecord(path, &r)}})
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
		s.put(p, Record{})
	}
	s.put("gone/x", Record{Tombstone: true})
	s.put("a/dead", Record{Tombstone: true})
	_ = s.Apply([]Op{{Key: prefixMeta + "identity", Value: []byte("x")}, {Key: "s/after", Value: []byte("x")}})
	v := NewView(s, NewElectorate(nil))
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

// Pages of any size, put together, are the whole listing, and the whole listing is what a plain filter over all keys finds.
func TestListPagesAgainstAPlainFilter(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		s := newMapStore()
		live := map[string]bool{}
		segs := []string{"a", "b", "a-", "a0", "é"}
		for range rng.IntN(40) {
			p := segs[rng.IntN(5)]
			for range rng.IntN(3) {
				p += "/" + segs[rng.IntN(5)]
			}
			dead := rng.IntN(4) == 0
			s.put(p, Record{Tombstone: dead})
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
					l, err := NewView(s, NewElectorate(nil)).List(req)
					require.NoError(t, err)
					got = append(got, paths(l)...)
					if !l.More {
						break
					}
					req.After = got[len(got)-1]
				}
				require.True(t, slices.IsSorted(got))
				require.Len(t, got, len(want), "%q recursive=%v: %v", dir, rec, got)
				for _, p := range got {
					require.True(t, want[p], p)
				}
				for range 5 { // a page may also begin where no former one ended: at any path or directory, also one that is no entry.
					after := dir
					for range 1 + rng.IntN(3) {
						after += segs[rng.IntN(5)] + []string{"", "/"}[rng.IntN(2)]
					}
					l, err := NewView(s, NewElectorate(nil)).List(ListRequest{Directory: dir, Recursive: rec, Limit: ListLimitMax, After: after})
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
	s.put("a", Record{Value: []byte("good")})
	s.m[prefixRecord+"a"][41] ^= 1
	v := NewView(s, NewElectorate(nil))
	_, err := v.Get("a")
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = v.List(ListRequest{Limit: 1})
	require.ErrorIs(t, err, ErrCorrupt)
	s.getErr, s.scanErr = errors.New("io"), errors.New("io")
	_, err = v.Get("zz")
	require.ErrorContains(t, err, "io")
	_, err = v.List(ListRequest{Limit: 1, Directory: "z/"})
	require.ErrorContains(t, err, "io")
}

func TestGateHoldsUntilDurable(t *testing.T) {
	var g Gate
	eff := Effects{
		Sends:   []Send{{After: 2, To: "late"}, {To: "now"}, {After: 1, To: "soon"}},
		Replies: []Reply{{After: 2, Response: Response{ID: 2}}, {After: 1, Response: Response{ID: 1}}},
	}
	g.Pass(&eff)
	require.Equal(t, []Send{{To: "now"}}, eff.Sends)
	require.Empty(t, eff.Replies)
	eff.Reset()
	g.Durable(1, &eff)
	require.Equal(t, "soon", eff.Sends[0].To)
	require.Len(t, eff.Replies, 1)
	require.Equal(t, 2, g.Waiting())
	eff.Reset()
	g.Fail("disk", &eff)
	require.Empty(t, eff.Sends)
	require.Equal(t, Reply{Response: Response{ID: 2, Code: CodeFailed, Outcome: OutcomeUnknown, Detail: "disk"}}, eff.Replies[0])
	require.Panics(t, func() { g.Durable(0, &eff) })
}

func ExampleView_List() {
	s := newMapStore()
	for _, p := range []string{"users/ann", "users/bob/mail", "users/bob/name", "zoo"} {
		s.put(p, Record{Value: []byte("x")})
	}
	l, _ := NewView(s, NewElectorate(nil)).List(ListRequest{Directory: "users/", Limit: 10})
	for _, e := range l.Entries {
		fmt.Println(e.Path, e.Directory)
	}
	// Output:
	// users/ann false
	// users/bob/ true
}
