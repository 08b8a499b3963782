package step

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A second implementation, as slow as it is plain, keeps the same.
func TestRecentKeepsWhatWasUsedLast(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const costMax = 40 * recentOverhead
	r := NewRecent[int](costMax)
	type plain struct{ value, cost int }
	kept, order := map[string]plain{}, []string{} // the order in which they were used, the last one last.
	used := func(key string) {
		order = append(slices.DeleteFunc(order, func(k string) bool { return k == key }), key)
	}
	drop := func(key string) {
		delete(kept, key)
		order = slices.DeleteFunc(order, func(k string) bool { return k == key })
	}
	for i := range 20_000 {
		key := fmt.Sprintf("k%d", rng.IntN(60))
		switch rng.IntN(6) {
		case 0:
			r.Drop(key)
			drop(key)
		case 1, 2:
			got := r.Get(key)
			want, there := kept[key]
			require.Equal(t, there, got != nil, "step %d", i)
			if there {
				require.Equal(t, want.value, *got)
				used(key)
			}
		case 3:
			got := r.Look(key)
			want, there := kept[key]
			require.Equal(t, there, got != nil, "step %d", i)
			if there {
				require.Equal(t, want.value, *got)
			}
		default:
			extra := rng.IntN(5 * recentOverhead)
			r.Put(key, i, extra)
			cost := extra + len(key) + recentOverhead
			if cost > costMax/8 {
				drop(key)
				break
			}
			kept[key] = plain{i, cost}
			used(key)
			total := 0
			for _, p := range kept {
				total += p.cost
			}
			for total > costMax {
				total -= kept[order[0]].cost
				drop(order[0])
			}
		}
		require.Equal(t, len(kept), r.Len())
	}
	require.Greater(t, r.Len(), 10)
	r.Clear()
	require.Zero(t, r.Len())
	require.Nil(t, r.Get("k1"))
	r.Put("k1", 7, 0)
	require.Equal(t, 7, *r.Get("k1"))
}
