package chaos

import (
	"fmt"
	"time"
)

// WallClock is what faults have done to the wall clock of a real machine, in milliseconds since the Unix epoch. The zero value
// is a clock without faults. Real targets share it, so that a plan means the same to all; its text tells a node, too.
type WallClock struct {
	Offset   int64 // milliseconds that it is ahead, at the time Since.
	PPM      int64 // how fast it runs away from there.
	Since    int64
	Frozen   bool
	FrozenAt int64 // what it shows while it is frozen.
}

// Shows is the reading of the clock when an honest one shows now.
func (c *WallClock) Shows(now int64) int64 {
	if c.Frozen {
		return c.FrozenAt
	}
	return now + c.ahead(now)
}

func (c *WallClock) ahead(now int64) int64 { return c.Offset + (now-c.Since)*c.PPM/PPMAll }

// Apply does to the clock what f says, and reports whether f concerns clocks at all. Which clock f is about, the caller knows.
func (c *WallClock) Apply(f Fault, now int64) bool {
	amount := int64(f.Amount / time.Millisecond)
	switch f.Kind {
	case Skew:
		c.set(now, amount)
		c.FrozenAt = now + amount
	case Jump:
		c.set(now, c.ahead(now)+amount)
		c.FrozenAt += amount
	case Drift:
		c.set(now, c.ahead(now))
		c.PPM = f.PPM
	case FreezeClock:
		c.Frozen, c.FrozenAt = true, c.Shows(now)
	case ThawClock: // it goes on from where it stood.
		c.Frozen = false
		c.set(now, c.FrozenAt-now)
	case HealClocks, Recover:
		*c = WallClock{Since: now}
	default:
		return false
	}
	return true
}

func (c *WallClock) set(now, offset int64) { c.Offset, c.Since = offset, now }

// String is the line that a node reads: offset, ppm and since, then what the clock shows while it is frozen, or "runs". It is
// padded to one length, so that a file is replaced in place by one write.
func (c *WallClock) String() string {
	frozen := "runs"
	if c.Frozen {
		frozen = fmt.Sprint(c.FrozenAt)
	}
	return fmt.Sprintf("%-95s\n", fmt.Sprintf("%d %d %d %s", c.Offset, c.PPM, c.Since, frozen))
}
