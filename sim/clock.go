package sim

import "time"

// epochMillis is what a perfect wall clock shows at virtual time zero: 14 November 2023.
const epochMillis = 1_700_000_000_000

// clock is what one machine believes the time is.
//
// The wall clock is the true time, plus an error of its own (natural), plus what faults have done to it. The monotonic
// clock has nothing to do with it: it begins anywhere at every start of the machine's process, runs at its own slightly wrong
// rate, and no fault touches it.
type clock struct {
	naturalOffset time.Duration
	naturalPPM    int64

	// The error that faults add: offset at the moment since, growing with ppm from then on.
	offset time.Duration
	ppm    int64
	since  time.Duration

	frozen   bool
	frozenAt time.Duration // what the frozen clock shows, as virtual time.

	monoBase time.Duration // what the monotonic clock showed at monoFrom.
	monoFrom time.Duration
	monoPPM  int64
}

// gained is how far a clock with an error of ppm runs ahead in d. It does not overflow within 24 hours by far.
func gained(d time.Duration, ppm int64) time.Duration {
	const million = 1_000_000
	return d/million*time.Duration(ppm) + d%million*time.Duration(ppm)/million
}

func (c *clock) natural(now time.Duration) time.Duration {
	return now + c.naturalOffset + gained(now, c.naturalPPM)
}

func (c *clock) faultError(now time.Duration) time.Duration {
	return c.offset + gained(now-c.since, c.ppm)
}

// shows is the wall clock's reading as a virtual time.
func (c *clock) shows(now time.Duration) time.Duration {
	if c.frozen {
		return c.frozenAt
	}
	return c.natural(now) + c.faultError(now)
}

// wall is the wall clock's reading in milliseconds since the Unix epoch.
func (c *clock) wall(now time.Duration) int64 {
	return epochMillis + c.shows(now).Milliseconds()
}

// setError makes the faults' error as large as offset from now on.
func (c *clock) setError(now, offset time.Duration) { c.offset, c.since = offset, now }

func (c *clock) skew(now, offset time.Duration) {
	c.setError(now, offset)
	if c.frozen {
		c.frozenAt = c.natural(now) + offset
	}
}

func (c *clock) jump(now, by time.Duration) {
	c.setError(now, c.faultError(now)+by)
	c.frozenAt += by
}

func (c *clock) drift(now time.Duration, ppm int64) {
	c.setError(now, c.faultError(now))
	c.ppm = ppm
}

func (c *clock) freeze(now time.Duration) { c.frozen, c.frozenAt = true, c.shows(now) }

// thaw lets the clock go on from where it stood.
func (c *clock) thaw(now time.Duration) {
	if c.frozen {
		c.frozen = false
		c.setError(now, c.frozenAt-c.natural(now))
	}
}

func (c *clock) heal(now time.Duration) {
	c.frozen, c.ppm = false, 0
	c.setError(now, 0)
}

// bootMono gives a starting process a monotonic clock that shows base now.
func (c *clock) bootMono(now, base time.Duration) { c.monoBase, c.monoFrom = base, now }

func (c *clock) mono(now time.Duration) time.Duration {
	d := now - c.monoFrom
	return c.monoBase + d + gained(d, c.monoPPM)
}

// whenMono is the first virtual time, about, at which the monotonic clock shows at least m. It may be in the past.
func (c *clock) whenMono(m time.Duration) time.Duration {
	want := m - c.monoBase
	d := want - gained(want, c.monoPPM)
	for range 8 { // the error shrinks by a factor of ppm/1e6 each time; two rounds are enough.
		short := want - d - gained(d, c.monoPPM)
		if short <= 0 {
			break
		}
		d += short
	}
	return c.monoFrom + d
}
