package step

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
)

const look = 100 * time.Millisecond

// at is a moment of a machine whose two clocks run alike.
func at(mono time.Duration) contract.Time {
	return contract.Time{Mono: mono, Wall: mono.Milliseconds()}
}

// ends is when a vigil ends that is looked at as often as it wants to be, but for the stops.
func ends(wait time.Duration, stops ...[2]time.Duration) time.Duration {
	v := NewVigil(at(0), wait, look)
	for {
		now := v.Due()
		for _, s := range stops {
			if now > s[0] && now < s[1] {
				now = s[1]
			}
		}
		if v.Over(at(now)) {
			return now
		}
	}
}

func TestVigilCountsTimeAwake(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name  string
		stops [][2]time.Duration
		ends  time.Duration
	}{
		{"awake all the time", nil, 5 * s},
		{"stopped for long", [][2]time.Duration{{3 * s, 20 * s}}, 22 * s},
		{"over the end", [][2]time.Duration{{4 * s, 5050 * ms}}, 6050 * ms},
		{"until just before the end", [][2]time.Duration{{s, 4999 * ms}}, 8999 * ms},
		{"just before the end", [][2]time.Duration{{4600 * ms, 4900 * ms}}, 5900 * ms},
		{"as long as a busy machine may be late", [][2]time.Duration{{4700 * ms, 4900 * ms}}, 5 * s},
		{"again and again", [][2]time.Duration{{s, 2 * s}, {4 * s, 6 * s}, {6500 * ms, 7 * s}}, 8500 * ms},
	} {
		require.Equal(t, c.ends, ends(5*s, c.stops...), c.name)
	}
}

// A process that is starved all the time comes to an end.
func TestVigilOfAStarvedProcess(t *testing.T) {
	for _, pace := range []time.Duration{250 * time.Millisecond, time.Second, time.Minute} {
		v, now, looks := NewVigil(at(0), 5*time.Second, look), time.Duration(0), 0
		for done := false; !done; looks++ {
			now += pace
			done = v.Over(at(now))
		}
		require.LessOrEqual(t, looks, vigilStopsMax+int(5*time.Second/pace)+1, pace)
	}
}

// The monotonic clock of a suspended machine may stop.
func TestVigilOfASuspendedMachine(t *testing.T) {
	v := NewVigil(at(0), time.Second, look)
	require.False(t, v.Over(at(700*time.Millisecond)))
	late := at(900 * time.Millisecond)
	late.Wall += 3_600_000
	require.False(t, v.Over(late))
	for range 9 {
		late.Mono += 100 * time.Millisecond
		require.False(t, v.Over(late))
	}
	late.Mono += 100 * time.Millisecond
	require.True(t, v.Over(late))
}
