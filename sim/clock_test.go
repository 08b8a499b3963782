package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const s = time.Second

// wrong is by how much a clock is off.
func wrong(c *clock, now time.Duration) time.Duration { return c.shows(now) - now }

func TestClockFaults(t *testing.T) {
	c := clock{naturalOffset: 100 * time.Millisecond, naturalPPM: 1000}
	require.Equal(t, 100*time.Millisecond, wrong(&c, 0))
	require.Equal(t, 110*time.Millisecond, wrong(&c, 10*s), "it runs a thousandth too fast")

	c.skew(10*s, 5*s)
	require.Equal(t, 5*s+110*time.Millisecond, wrong(&c, 10*s))
	c.skew(10*s, -5*s)
	require.Equal(t, -5*s+110*time.Millisecond, wrong(&c, 10*s), "a skew replaces the former")
	c.jump(10*s, 2*s)
	c.jump(10*s, 1*s)
	require.Equal(t, -2*s+110*time.Millisecond, wrong(&c, 10*s), "jumps add up")

	c.drift(10*s, -100_000)
	require.Equal(t, -3*s+120*time.Millisecond, wrong(&c, 20*s), "it loses a second in ten on top")

	c.freeze(20 * s)
	stood := c.shows(20 * s)
	require.Equal(t, stood, c.shows(25*s))
	c.jump(25*s, time.Millisecond)
	require.Equal(t, stood+time.Millisecond, c.shows(26*s))
	c.thaw(30 * s)
	require.Equal(t, stood+time.Millisecond, c.shows(30*s), "it goes on from where it stood")
	require.Equal(t, stood+time.Millisecond+901*time.Millisecond, c.shows(31*s))

	c.heal(31 * s)
	require.Equal(t, 131*time.Millisecond, wrong(&c, 31*s), "only its own error is left")
	require.Equal(t, int64(epochMillis+31_131), c.wall(31*s))
}

func TestMonotonicClockIsApart(t *testing.T) {
	for _, ppm := range []int64{-monoPPMMax, 0, monoPPMMax} {
		c := clock{monoPPM: ppm}
		c.bootMono(7*s, 1000*s)
		require.Equal(t, 1000*s, c.mono(7*s))
		c.jump(7*s, -time.Hour)
		c.freeze(8 * s)
		last := c.mono(8 * s)
		for now := 8 * s; now < 9*s; now += 77 * time.Millisecond {
			require.GreaterOrEqual(t, c.mono(now), last)
			last = c.mono(now)
		}
		for _, m := range []time.Duration{1000 * s, 1001 * s, 4600*s + 1, 90_000 * s} {
			at := c.whenMono(m)
			require.GreaterOrEqual(t, c.mono(at), m, "ppm %d: a tick that comes early comes again and again", ppm)
			require.Less(t, c.mono(at-time.Microsecond), m, "ppm %d: and not late", ppm)
		}
	}
}
