// Package hlc is a hybrid logical clock: timestamps near wall time that never run backwards and follow causality.
//
// The algorithm is that of Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
// Databases" (2014), section 3, with one addition: a clock never issues a value twice, restarts included, because it
// tells its owner which upper bound has to be durable before a value may become visible, and resumes above that bound.
//
// It is not a source of time: the wall clock's reading is an argument. Begin with Clock.Next.
package hlc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Timestamp is 48 bits of wall time in milliseconds since the Unix epoch above 16 bits of logical counter, so that
// comparing two is comparing two integers. The wall part lasts until the year 10889. Zero comes before every issued
// one.
type Timestamp uint64

const logicalBits = 16

// Last is the highest timestamp that a clock issues, and that a member accepts from another: the wall part ends in the
// year 6429. A higher timestamp can only be damage or a forgery. All members refuse it alike, wherever it appears, so
// they converge without it.
const Last = Timestamp(1<<63 - 1)

// Make puts a timestamp together. Walls below zero count as zero, walls too large as the largest.
func Make(wallMillis int64, logical uint16) Timestamp {
	const wallMax = int64(1)<<48 - 1
	wallMillis = min(max(wallMillis, 0), wallMax)
	return Timestamp(wallMillis)<<logicalBits | Timestamp(logical)
}

// Wall is the wall part in milliseconds since the Unix epoch.
func (t Timestamp) Wall() int64 { return int64(t >> logicalBits) }

// Logical is the counter among timestamps of one millisecond.
func (t Timestamp) Logical() uint16 { return uint16(t) }

// String prints wall and counter as "1700000000000.00042", five digits for the counter so that text sorts like time.
func (t Timestamp) String() string {
	var b [20 + 1 + 5]byte
	return string(t.Append(b[:0]))
}

// Append adds what String prints.
func (t Timestamp) Append(b []byte) []byte {
	b = append(strconv.AppendInt(b, t.Wall(), 10), '.')
	for unit := 10000; unit > 0; unit /= 10 {
		b = append(b, '0'+byte(int(t.Logical())/unit%10))
	}
	return b
}

// Parse reads what Timestamp.String prints.
func Parse(s string) (Timestamp, error) {
	w, l, ok := strings.Cut(s, ".")
	if ok && len(l) == 5 {
		wall, err1 := strconv.ParseUint(w, 10, 48)
		logical, err2 := strconv.ParseUint(l, 10, 16)
		if err1 == nil && err2 == nil {
			return Make(int64(wall), uint16(logical)), nil
		}
	}
	return 0, fmt.Errorf("timestamp %q: want MILLISECONDS.COUNTER, the counter in five digits", s)
}

// Absurd reports whether no clock can have issued t.
func (t Timestamp) Absurd() bool { return t > Last }

// ErrExhausted says that the next value would be above Last: some clock has claimed the year 6429.
var ErrExhausted = errors.New("the hybrid clock has no timestamp left: some clock has claimed the year 6429; " +
	"set the clock of this machine right, and if it is, some version carries that time: see docs/reference/modes.md")

// BoundWindowMillis is how far ahead of an issued value the durable bound is put, so that one persist serves many
// values. A restart moves the clock ahead by up to this much.
const BoundWindowMillis = 1000

// Clock issues timestamps. It is not safe for concurrent use. The zero Clock has issued nothing.
type Clock struct {
	last  Timestamp // highest issued or seen.
	bound Timestamp // every issued value is at or below it, and Next returns it when it must become durable.
}

// Resume returns a clock that continues a former run, which had made bound durable: every value it issues is above
// bound.
func Resume(bound Timestamp) Clock { return Clock{last: bound, bound: bound} }

// Next issues a timestamp above everything this clock issued or saw, above `above`, and not below the wall reading.
//
// When newBound is not zero the caller must make it durable no later than ts becomes visible outside of this node;
// putting both into one atomic persist does that.
func (c *Clock) Next(wallMillis int64, above Timestamp) (ts, newBound Timestamp, err error) {
	if c.Exhausted(wallMillis) || above >= Last {
		return 0, 0, ErrExhausted
	}
	ts = max(Make(wallMillis, 0), c.last+1, above+1)
	c.last = ts
	if ts > c.bound {
		c.bound = max(ts, min(Make(ts.Wall()+BoundWindowMillis, 0), Last))
		newBound = c.bound
	}
	return ts, newBound, nil
}

// Exhausted reports whether no timestamp is left to issue at a reading of the wall clock. If the wall clock is right,
// that is permanent.
func (c *Clock) Exhausted(wallMillis int64) bool { return c.last >= Last || Make(wallMillis, 0) > Last }

// Observe takes in a timestamp of another member, so that later timestamps of this clock are above it. It refuses
// nothing that a clock can have issued, however far ahead: a clock that refused would keep members from converging.
func (c *Clock) Observe(ts Timestamp) {
	if ts > c.last && ts <= Last {
		c.last = ts
	}
}

// Last is the highest value issued or seen.
func (c *Clock) Last() Timestamp { return c.last }
