package hlc_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/hlc"
)

func TestNextFollowsTheWallAndNeverRepeats(t *testing.T) {
	var c hlc.Clock
	last := hlc.Timestamp(0)
	walls := []int64{1000, 1000, 1001, 5, 5, 1001, 3_600_000, 1002, -7}
	for _, w := range walls {
		ts, _, err := c.Next(w, 0)
		require.NoError(t, err)
		require.Greater(t, ts, last)
		require.GreaterOrEqual(t, ts, hlc.Make(w, 0))
		last = ts
	}
	require.Equal(t, int64(3_600_000), last.Wall(), "a clock that went back does not take the timestamps with it")
}

func TestNextIsAboveWhatWasSeenAndAsked(t *testing.T) {
	var c hlc.Clock
	c.Observe(hlc.Make(9000, 3))
	ts, _, err := c.Next(1000, 0)
	require.NoError(t, err)
	require.Equal(t, hlc.Make(9000, 4), ts)
	ts, _, err = c.Next(1000, hlc.Make(20000, 65535))
	require.NoError(t, err)
	require.Equal(t, hlc.Make(20001, 0), ts, "a full counter carries into the wall part")
}

// A crash at any moment, with exactly those bounds durable that had to be, never leads to a value issued twice.
func TestResumeNeverRepeats(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var c hlc.Clock
		var durable, highest hlc.Timestamp
		wall := int64(1_000_000)
		for range 300 {
			wall += rng.Int64N(400) - 150
			ts, bound, err := c.Next(wall, 0)
			require.NoError(t, err)
			require.Greater(t, ts, highest, "round %d", round)
			if bound != 0 {
				require.GreaterOrEqual(t, bound, ts)
				durable = bound // shares the persist with what carries ts.
			}
			require.LessOrEqual(t, ts, durable)
			highest = ts
			if rng.IntN(20) == 0 {
				c = hlc.Resume(durable)
				wall -= rng.Int64N(100_000)
			}
		}
	}
}

func TestExhaustedIsAnError(t *testing.T) {
	var c hlc.Clock
	c.Observe(hlc.Last + 1)
	ts, _, err := c.Next(1, 0)
	require.NoError(t, err, "what no clock can have issued is not heeded")
	require.Equal(t, hlc.Make(1, 0), ts)
	_, _, err = c.Next(1, hlc.Last)
	require.ErrorIs(t, err, hlc.ErrExhausted)
	c.Observe(hlc.Last - 1)
	ts, bound, err := c.Next(1, 0)
	require.NoError(t, err)
	require.Equal(t, hlc.Last, ts)
	require.Equal(t, hlc.Last, bound, "the bound is never absurd")
	require.True(t, c.Exhausted(1))
	_, _, err = c.Next(1, 0)
	require.ErrorIs(t, err, hlc.ErrExhausted)
	c = hlc.Resume(bound)
	require.True(t, c.Exhausted(1), "for good")
}

// A wall clock in a far year harms nothing but itself, and goes on when it is right again.
func TestAnAbsurdWallClockIsNotFollowed(t *testing.T) {
	var c hlc.Clock
	_, _, err := c.Next(1000, 0)
	require.NoError(t, err)
	absurd := hlc.Last.Wall() + 1
	require.True(t, c.Exhausted(absurd))
	_, _, err = c.Next(absurd, 0)
	require.ErrorIs(t, err, hlc.ErrExhausted)
	ts, _, err := c.Next(1001, 0)
	require.NoError(t, err)
	require.Equal(t, hlc.Make(1001, 0), ts)
}

func TestTextRoundTrip(t *testing.T) {
	for _, ts := range []hlc.Timestamp{0, 1, hlc.Make(1_700_000_000_000, 42), hlc.Last} {
		got, err := hlc.Parse(ts.String())
		require.NoError(t, err)
		require.Equal(t, ts, got)
	}
	for _, bad := range []string{
		"", "1", "1.2", "x.00001", "1.99999", "-1.00001", "281474976710656.00000", "1.000011",
	} {
		_, err := hlc.Parse(bad)
		require.Error(t, err, bad)
	}
}

func ExampleClock() {
	var c hlc.Clock
	a, bound, _ := c.Next(1000, 0)
	fmt.Println(a, "bound", bound)
	b, _, _ := c.Next(400, 0) // the wall clock went backwards.
	fmt.Println(b)
	c = hlc.Resume(bound) // after a restart.
	d, _, _ := c.Next(400, 0)
	fmt.Println(d)
	// Output:
	// 1000.00000 bound 2000.00000
	// 1000.00001
	// 2000.00001
}
