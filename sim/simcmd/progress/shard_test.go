package progress

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShardsAreTheWhole(t *testing.T) {
	for _, c := range []struct {
		first, last uint64
		count       int
	}{{1, 10, 3}, {5, 5, 1}, {7, 106, 7}, {1, 8, 8}} {
		next := c.first
		for i := 1; i <= c.count; i++ {
			first, last, err := Shard{i, c.count}.Of(c.first, c.last)
			require.NoError(t, err)
			require.Equal(t, next, first)
			require.InDelta(t, float64(c.last-c.first+1)/float64(c.count), float64(last-first+1), 1)
			next = last + 1
		}
		require.Equal(t, c.last+1, next)
	}
	_, _, err := Shard{1, 3}.Of(1, 2)
	require.ErrorContains(t, err, "only 2 seeds")
	for _, bad := range []string{"0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "1/2x"} {
		_, err := ParseShard(bad)
		require.Error(t, err, bad)
	}
}
