package memstore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A second implementation holds the same after every change, and shows the same from every key on.
func TestSortedIsASortedMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s sorted
	plain := map[string][]byte{}
	// short keys and long ones, many of which begin alike, and zero bytes, which are no end.
	draw := func() string {
		key := []string{"", "r/", "h/", "r/a directory/", "\x00", "\xff"}[rng.IntN(6)]
		key += strings.Repeat("\x00", rng.IntN(3)) + fmt.Sprint(rng.IntN(300))[:rng.IntN(2)]
		return key + fmt.Sprint(rng.IntN(120))
	}
	for round := range 20_000 {
		key := draw()
		want, there := plain[key]
		if rng.IntN(5) < 2+round/5_000%2 {
			former, found := s.remove(key)
			require.Equal(t, there, found)
			require.Equal(t, want, former)
			delete(plain, key)
		} else {
			value := []byte{byte(round), byte(round >> 8)}
			former, replaced := s.set(key, value)
			require.Equal(t, there, replaced)
			require.Equal(t, want, former)
			plain[key] = value
		}
		key = draw()
		got, found := s.get(key)
		require.Equal(t, plain[key], got)
		require.Equal(t, plain[key] != nil, found)
		require.Equal(t, len(plain), s.length)
		if round%50 != 0 {
			continue
		}
		from := draw()
		prefix := from[:rng.IntN(len(from)+1)]
		var keys []string
		s.ascend(prefix, from, func(key string, value []byte) bool {
			require.Equal(t, plain[key], value)
			keys = append(keys, key)
			return true
		})
		expected := slices.DeleteFunc(slices.Sorted(maps.Keys(plain)), func(key string) bool {
			return key < from || !strings.HasPrefix(key, prefix)
		})
		require.True(t, slices.Equal(expected, keys), "from %q below %q: %q, want %q", from, prefix, keys, expected)
	}
	require.Greater(t, len(s.blocks), 2)
	c := s.clone()
	s.set("r/", []byte("changed"))
	for key, value := range plain {
		got, _ := c.get(key)
		require.Equal(t, value, got)
	}
}
