package chaos

import (
	"fmt"
	"time"
)

// ClockError is the error of a wall clock without faults, in milliseconds and milliseconds since the Unix epoch.
type ClockError struct {
	Offset int64 // how far it is ahead at the time Since.
	PPM    int64 // how fast it runs away from there.
	Since  int64
}

func (e ClockError) ahead(now int64) int64 { return e.Offset + (now-e.Since)*e.PPM/PPMAll }

// WallClock is the state of a real machine's wall clock under faults, in milliseconds since the Unix epoch. The zero
// value is a clock without faults. Real targets share it, so that a plan means the same to all; its text is sent to a
// node, too.
type WallClock struct {
	Natural  ClockError // its own error, which no fault changes and no heal removes.
	Offset   int64      // milliseconds that faults have put it ahead, at the time Since.
	PPM      int64      // how fast it runs away from there.
	Since    int64
	Frozen   bool
	FrozenAt int64 // what it shows while it is frozen.
}

// Shows is the reading of the clock when a correct one shows now.
func (c *WallClock) Shows(now int64) int64 {
	if c.Frozen {
		return c.FrozenAt
	}
	return c.natural(now) + c.ahead(now)
}

// natural is what it would show without faults.
func (c *WallClock) natural(now int64) int64 { return now + c.Natural.ahead(now) }

func (c *WallClock) ahead(now int64) int64 { return c.Offset + (now-c.Since)*c.PPM/PPMAll }

// Apply applies f to the clock, and reports whether f concerns clocks at all. The caller chooses the clock.
func (c *WallClock) Apply(f Fault, now int64) bool {
	amount := int64(f.Amount / time.Millisecond)
	switch f.Kind {
	case Skew:
		c.set(now, amount)
		c.FrozenAt = c.natural(now) + amount
	case Jump:
		c.set(now, c.ahead(now)+amount)
		c.FrozenAt += amount
	case Drift:
		c.set(now, c.ahead(now))
		c.PPM = f.PPM
	case FreezeClock:
		c.Frozen, c.FrozenAt = true, c.Shows(now)
	case ThawClock: // it goes on from its frozen time.
		c.Frozen = false
		c.set(now, c.FrozenAt-c.natural(now))
	case HealClocks, Recover:
		*c = WallClock{Natural: c.Natural, Since: now}
	default:
		return false
	}
	return true
}

func (c *WallClock) set(now, offset int64) { c.Offset, c.Since = offset, now }

// String is the line that a node reads: offset, ppm and since, the clock's own error included, then what the clock
// shows while it is frozen, or "runs". It is padded to one length, so that a file is replaced in place by one write.
func (c *WallClock) String() string {
	frozen := "runs"
	if c.Frozen {
		frozen = fmt.Sprint(c.FrozenAt)
	}
	return fmt.Sprintf("%-95s\n", fmt.Sprintf("%d %d %d %s", c.Offset+c.Natural.ahead(c.Since), c.PPM+c.Natural.PPM,
		c.Since, frozen))
}
