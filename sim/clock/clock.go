// Package clock is the clocks of a simulated machine: a wall clock that may show any time, and a monotonic one with a
// slightly wrong rate. Both are functions of the virtual time.
package clock

import "time"

// MonoPPMMax bounds the error of a monotonic clock's rate, in parts per million, either way.
const MonoPPMMax = 50

// epochMillis is what a perfect wall clock shows at virtual time zero: 14 November 2023.
const epochMillis = 1_700_000_000_000

// Clock is the clocks of one machine.
//
// The wall clock is the true time, plus an error of its own (natural), plus what faults have done to it. The monotonic
// clock is independent of it: it begins at an arbitrary value at every start of the machine's process, runs at its own
// slightly wrong rate, and has no faults.
type Clock struct {
	NaturalOffset time.Duration // the error of its own at virtual time zero,
	NaturalPPM    int64         // and how it grows.

	// The error that faults add: offset at the moment since, growing with ppm from then on.
	offset time.Duration
	ppm    int64
	since  time.Duration

	frozen   bool
	frozenAt time.Duration // what the frozen clock shows, as virtual time.

	MonoBase time.Duration // what the monotonic clock showed at monoFrom.
	monoFrom time.Duration
	MonoPPM  int64 // the error of its rate.
}

// gained is how far a clock with an error of ppm runs ahead in d. Within 24 hours it is far from an overflow.
func gained(d time.Duration, ppm int64) time.Duration {
	const million = 1_000_000
	return d/million*time.Duration(ppm) + d%million*time.Duration(ppm)/million
}

func (c *Clock) natural(now time.Duration) time.Duration {
	return now + c.NaturalOffset + gained(now, c.NaturalPPM)
}

func (c *Clock) faultError(now time.Duration) time.Duration {
	return c.offset + gained(now-c.since, c.ppm)
}

// Shows is the wall clock's reading as a virtual time.
func (c *Clock) Shows(now time.Duration) time.Duration {
	if c.frozen {
		return c.frozenAt
	}
	return c.natural(now) + c.faultError(now)
}

// Wall is the wall clock's reading in milliseconds since the Unix epoch.
func (c *Clock) Wall(now time.Duration) int64 {
	return epochMillis + c.Shows(now).Milliseconds()
}

// setError makes the faults' error as large as offset from now on.
func (c *Clock) setError(now, offset time.Duration) { c.offset, c.since = offset, now }

// Skew makes the error of the wall clock offset, beside that of its own.
func (c *Clock) Skew(now, offset time.Duration) {
	c.setError(now, offset)
	if c.frozen {
		c.frozenAt = c.natural(now) + offset
	}
}

// Jump adds to the error of the wall clock.
func (c *Clock) Jump(now, by time.Duration) {
	c.setError(now, c.faultError(now)+by)
	c.frozenAt += by
}

// Drift makes the error of the wall clock grow from now on.
func (c *Clock) Drift(now time.Duration, ppm int64) {
	c.setError(now, c.faultError(now))
	c.ppm = ppm
}

// Freeze stops the wall clock.
func (c *Clock) Freeze(now time.Duration) { c.frozen, c.frozenAt = true, c.Shows(now) }

// Thaw makes the clock go on from its frozen time.
func (c *Clock) Thaw(now time.Duration) {
	if c.frozen {
		c.frozen = false
		c.setError(now, c.frozenAt-c.natural(now))
	}
}

// Heal removes the errors of faults from the wall clock, so that only its own error is left.
func (c *Clock) Heal(now time.Duration) {
	c.frozen, c.ppm = false, 0
	c.setError(now, 0)
}

// BootMono gives a starting process a monotonic clock that shows base now.
func (c *Clock) BootMono(now, base time.Duration) { c.MonoBase, c.monoFrom = base, now }

// Gain moves both clocks ahead at once.
func (c *Clock) Gain(by time.Duration) {
	c.MonoBase += by
	c.NaturalOffset += by
}

// Mono is what the monotonic clock shows.
func (c *Clock) Mono(now time.Duration) time.Duration {
	d := now - c.monoFrom
	return c.MonoBase + d + gained(d, c.MonoPPM)
}

// WhenMono is the first virtual time, about, at which the monotonic clock shows at least m. It may be in the past.
func (c *Clock) WhenMono(m time.Duration) time.Duration {
	want := m - c.MonoBase
	d := want - gained(want, c.MonoPPM)
	for range 8 { // the error shrinks by a factor of ppm/1e6 each time; two rounds are enough.
		short := want - d - gained(d, c.MonoPPM)
		if short <= 0 {
			break
		}
		d += short
	}
	return c.monoFrom + d
}
