package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const s = time.Second

// wrong is by how much a clock is off.
func wrong(c *Clock, now time.Duration) time.Duration { return c.Shows(now) - now }

func TestClockFaults(t *testing.T) {
	c := Clock{NaturalOffset: 100 * time.Millisecond, NaturalPPM: 1000}
	require.Equal(t, 100*time.Millisecond, wrong(&c, 0))
	require.Equal(t, 110*time.Millisecond, wrong(&c, 10*s), "it runs a thousandth too fast")

	c.Skew(10*s, 5*s)
	require.Equal(t, 5*s+110*time.Millisecond, wrong(&c, 10*s))
	c.Skew(10*s, -5*s)
	require.Equal(t, -5*s+110*time.Millisecond, wrong(&c, 10*s), "a skew replaces the former")
	c.Jump(10*s, 2*s)
	c.Jump(10*s, 1*s)
	require.Equal(t, -2*s+110*time.Millisecond, wrong(&c, 10*s), "jumps add up")

	c.Drift(10*s, -100_000)
	require.Equal(t, -3*s+120*time.Millisecond, wrong(&c, 20*s), "it loses a second in ten on top")

	c.Freeze(20 * s)
	stood := c.Shows(20 * s)
	require.Equal(t, stood, c.Shows(25*s))
	c.Jump(25*s, time.Millisecond)
	require.Equal(t, stood+time.Millisecond, c.Shows(26*s))
	c.Thaw(30 * s)
	require.Equal(t, stood+time.Millisecond, c.Shows(30*s), "it goes on from where it stood")
	require.Equal(t, stood+time.Millisecond+901*time.Millisecond, c.Shows(31*s))

	c.Heal(31 * s)
	require.Equal(t, 131*time.Millisecond, wrong(&c, 31*s), "only its own error is left")
	require.Equal(t, int64(epochMillis+31_131), c.Wall(31*s))
}

func TestMonotonicClockIsApart(t *testing.T) {
	for _, ppm := range []int64{-MonoPPMMax, 0, MonoPPMMax} {
		c := Clock{MonoPPM: ppm}
		c.BootMono(7*s, 1000*s)
		require.Equal(t, 1000*s, c.Mono(7*s))
		c.Jump(7*s, -time.Hour)
		c.Freeze(8 * s)
		last := c.Mono(8 * s)
		for now := 8 * s; now < 9*s; now += 77 * time.Millisecond {
			require.GreaterOrEqual(t, c.Mono(now), last)
			last = c.Mono(now)
		}
		for _, m := range []time.Duration{1000 * s, 1001 * s, 4600*s + 1, 90_000 * s} {
			at := c.WhenMono(m)
			require.GreaterOrEqual(t, c.Mono(at), m, "ppm %d: a tick that comes early comes again and again", ppm)
			require.Less(t, c.Mono(at-time.Microsecond), m, "ppm %d: and not late", ppm)
		}
	}
}
