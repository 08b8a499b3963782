package chaos

import (
	"math/rand/v2"
	"time"
)

// Chance is true for ppm of a million draws.
func Chance(rng *rand.Rand, ppm int64) bool {
	if ppm <= 0 {
		return false
	}
	return ppm >= PPMAll || rng.Int64N(PPMAll) < ppm
}

// DrawDuration returns a duration between lo and hi, both included, every one as likely.
func DrawDuration(rng *rand.Rand, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(rng.Int64N(int64(hi-lo)+1))
}

// DrawLog returns a number between lo and hi, both included, every order of magnitude about as likely, rounded to two
// digits for people. Lo must not be negative.
func DrawLog(rng *rand.Rand, lo, hi int64) int64 {
	if lo < 0 {
		panic("chaos: DrawLog below zero")
	}
	if hi <= lo {
		return lo
	}
	doublings := 0
	for v := max(lo, 1); v < hi; v *= 2 {
		doublings++
		if v > hi/2 {
			break
		}
	}
	from := max(lo, 1) << rng.IntN(max(doublings, 1))
	to := from*2 - 1
	if to > hi || from > hi/2 {
		to = hi
	}
	if lo == 0 && from == 1 {
		from = 0
	}
	v := from + rng.Int64N(to-from+1)
	return min(max(roundTwoDigits(v), lo), hi)
}

// roundTwoDigits rounds down to two decimal digits: 1234 is 1200.
func roundTwoDigits(v int64) int64 {
	unit := int64(1)
	for v/unit >= 100 {
		unit *= 10
	}
	return v / unit * unit
}
