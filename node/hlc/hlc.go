// Package hlc is a hybrid logical clock: timestamps near wall time that never run backwards and follow causality.
//
// The algorithm is that of Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
// Databases" (2014), section 3, with one addition: a clock never issues a value twice, restarts included, because it tells
// its owner which upper bound has to be durable before a value may be shown to anybody, and resumes above that bound.
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
// comparing two is comparing two integers. The wall part lasts until the year 10889. Zero comes before every issued one.
type Timestamp uint64

const logicalBits = 16

// Max is the highest timestamp there is. It is never issued.
const Max = Timestamp(1<<64 - 1)

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
	return strconv.FormatInt(t.Wall(), 10) + "." + fmt.Sprintf("%05d", t.Logical())
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

// ErrExhausted says that the next value would not fit, which means that some clock claimed the year 10889.
var ErrExhausted = errors.New("hybrid logical clock exhausted: some member's wall clock claims the year 10889; set it right and restore the data from before")

// BoundWindowMillis is how far ahead of an issued value the durable bound is put, so that one persist serves many values. A
// restart moves the clock ahead by up to this much.
const BoundWindowMillis = 1000

// Clock issues timestamps. It is not safe for concurrent use. The zero Clock has issued nothing.
type Clock struct {
	last  Timestamp // highest issued or seen.
	bound Timestamp // every issued value is at or below it, and whoever persists is told to make it durable.
}

// Resume returns a clock whose former self had made bound durable: everything it issues lies above.
func Resume(bound Timestamp) Clock { return Clock{last: bound, bound: bound} }

// Next issues a timestamp above everything this clock issued or saw, above `above`, and not below the wall reading.
//
// When newBound is not zero the caller must make it durable no later than anything that carries ts becomes visible to
// anybody; putting both into one atomic persist does that.
func (c *Clock) Next(wallMillis int64, above Timestamp) (ts, newBound Timestamp, err error) {
	ts = max(Make(wallMillis, 0), c.last+1, above+1)
	if above >= Max-1 || c.last >= Max-1 {
		return 0, 0, ErrExhausted
	}
	c.last = ts
	if ts > c.bound {
		c.bound = max(ts, Make(ts.Wall()+BoundWindowMillis, 0))
		newBound = c.bound
	}
	return ts, newBound, nil
}

// Observe takes note of a timestamp made elsewhere, so that whatever this clock issues later lies above it. It refuses
// nothing, however far ahead: a clock that refused would keep members from converging.
func (c *Clock) Observe(ts Timestamp) {
	if ts > c.last && ts < Max-1 {
		c.last = ts
	}
}

// Last is the highest value issued or seen.
func (c *Clock) Last() Timestamp { return c.last }
