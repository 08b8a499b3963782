package chaos

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestChance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for range 10_000 {
		require.False(t, Chance(rng, 0))
		require.True(t, Chance(rng, PPMAll))
		if Chance(rng, 250_000) {
			hits++
		}
	}
	require.InDelta(t, 2500, hits, 200)
}

func TestDrawDuration(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[time.Duration]int{}
	for range 1000 {
		seen[DrawDuration(rng, 3, 5)]++
	}
	require.Len(t, seen, 3)
	require.NotZero(t, seen[3])
	require.NotZero(t, seen[5])
	require.Equal(t, time.Second, DrawDuration(rng, time.Second, time.Second))
}

func TestDrawLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range [][2]int64{{0, 0}, {0, 1}, {1, 1}, {1, 2}, {3, 4}, {0, 1000}, {7, 1_000_000},
		{5, int64(DurationMax)}, {150, 151}} {
		lowest, highest := c[1], c[0]
		for range 5000 {
			v := DrawLog(rng, c[0], c[1])
			require.GreaterOrEqual(t, v, c[0])
			require.LessOrEqual(t, v, c[1])
			lowest, highest = min(lowest, v), max(highest, v)
		}
		require.LessOrEqual(t, lowest, c[0]*11/10+1, "%v", c)
		require.GreaterOrEqual(t, highest, c[1]*8/10, "%v", c)
	}
	decades := [3]int{}
	for range 3000 {
		switch v := DrawLog(rng, 1, 1000); {
		case v < 10:
			decades[0]++
		case v < 100:
			decades[1]++
		default:
			decades[2]++
		}
	}
	for _, n := range decades {
		require.InDelta(t, 1000, n, 250, "%v: every order of magnitude as likely", decades)
	}
	require.Panics(t, func() { DrawLog(rng, -1, 5) })
}

func TestDrawKinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	on := map[Kind]int{}
	for range 1000 {
		kinds := DrawKinds(rng, Disturbances())
		require.True(t, slices.IsSorted(kinds), "order of the constants")
		for _, k := range kinds {
			on[k]++
		}
	}
	for _, k := range Disturbances() {
		require.InDelta(t, 500, on[k], 100, k)
	}
}
