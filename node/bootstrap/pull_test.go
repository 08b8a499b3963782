package bootstrap

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokenBucket(t *testing.T) {
	b := tokenBucket{rate: 1000, burst: 100}
	require.Zero(t, b.take(time.Hour, 100))
	wait := b.take(time.Hour, 500)
	require.InDelta(t, 500*time.Millisecond, wait, float64(time.Microsecond))
	require.Zero(t, b.take(time.Hour+wait, 0))
	require.NotZero(t, b.take(time.Hour+wait, 10))
	total, now := 0, 2*time.Hour
	for now < 2*time.Hour+10*time.Second {
		total += 77
		now += b.take(now, 77)
	}
	require.InDelta(t, 10_000, total, 300)
}
