package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
	"kvs/sim/scenario"
)

func TestClocksAreDrawnWithinTheirBounds(t *testing.T) {
	s := scenarios.Default()
	clocks, _ := Needs(&s)
	require.False(t, clocks)
	s.Nodes = 9
	s.Clocks = scenario.Clocks{Skew: time.Second, SkewMax: 2 * time.Second, Drift: 10, DriftMax: 20}
	clocks, _ = Needs(&s)
	require.True(t, clocks)
	ahead, behind := 0, 0
	for seed := range uint64(5) {
		all := Clocks(&s, seed, 77)
		require.Len(t, all, 9)
		require.Equal(t, all, Clocks(&s, seed, 77))
		for _, c := range all {
			if c.Offset > 0 {
				ahead++
			} else {
				behind++
			}
			require.Equal(t, int64(77), c.Since)
			require.True(t, max(c.Offset, -c.Offset) >= 1000 && max(c.Offset, -c.Offset) <= 2000, c)
			require.True(t, max(c.PPM, -c.PPM) >= 10 && max(c.PPM, -c.PPM) <= 20, c)
		}
	}
	require.Positive(t, ahead)
	require.Positive(t, behind)
}

func TestSettings(t *testing.T) {
	s := scenarios.Default()
	require.Empty(t, Settings(&s))
	scenarios.Of(&s).Tuning.Grace = 3 * time.Second
	require.Contains(t, Settings(&s), "  tombstone_grace: 3s\n")
}
