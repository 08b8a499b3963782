package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A clock through a plan: what it shows when an honest one shows the milliseconds at the left.
func TestWallClock(t *testing.T) {
	var c WallClock
	for _, step := range []struct {
		now   int64
		fault string
		shows int64
	}{
		{1000, "", 1000},
		{2000, "skew n1 +1500ms", 3500},
		{3000, "", 4500},
		{3000, "jump n1 -1s", 3500},
		{4000, "drift n1 +100000ppm", 4500},
		{5000, "", 5600},
		{6000, "freeze-clock n1", 6700},
		{9000, "", 6700},
		{9000, "jump n1 +1s", 7700},
		{9000, "thaw-clock n1", 7700},
		{10000, "", 8800}, // it still drifts.
		{10000, "skew n1 -1s", 9000},
		{10000, "heal-clocks n1", 10000},
		{10000, "freeze-clock n1", 10000},
		{12000, "skew n1 +1s", 13000},
		{13000, "", 13000},
		{13000, "recover", 13000},
		{14000, "", 14000},
	} {
		if step.fault != "" {
			f, err := ParseFault(step.fault)
			require.NoError(t, err)
			require.True(t, c.Apply(f, step.now), step.fault)
		}
		require.Equal(t, step.shows, c.Shows(step.now), "%d %s", step.now, step.fault)
		require.Len(t, c.String(), 96)
	}
	require.False(t, c.Apply(Fault{Kind: Heal}, 0))
	c = WallClock{Offset: -5, PPM: 7, Since: 1700000000000}
	require.Regexp(t, `^-5 7 1700000000000 runs +\n$`, c.String())
	c = WallClock{Frozen: true, FrozenAt: 1700000000001}
	require.Regexp(t, `^0 0 0 1700000000001 +\n$`, c.String())
}

// A clock that is wrong by itself: faults come on top, and nothing heals it.
func TestNaturalErrorsOfClocks(t *testing.T) {
	c := WallClock{Natural: ClockError{Offset: 100, PPM: 1000, Since: 1000}, Since: 1000}
	for _, step := range []struct {
		now   int64
		fault string
		shows int64
	}{
		{1000, "", 1100},
		{11000, "", 11110},
		{11000, "skew n1 +1s", 12110},
		{11000, "freeze-clock n1", 12110},
		{21000, "skew n1 -1s", 20120},
		{21000, "thaw-clock n1", 20120},
		{31000, "", 30130},
		{31000, "heal-clocks", 31130},
		{41000, "jump n1 +1s", 42140},
		{41000, "recover", 41140},
	} {
		if step.fault != "" {
			f, err := ParseFault(step.fault)
			require.NoError(t, err)
			require.True(t, c.Apply(f, step.now), step.fault)
		}
		require.Equal(t, step.shows, c.Shows(step.now), "%d %s", step.now, step.fault)
	}
	require.Regexp(t, `^140 1000 41000 runs +\n$`, c.String())
}
