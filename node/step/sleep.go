package step

import (
	"time"

	"kvs/node/contract"
)

// Vigil is a wait for others, after which their silence counts as an answer. It counts the time in which this process
// was awake: while a process is stopped or starved it hears nothing, and what was said to it meanwhile may be what it
// hears next. So the process looks every so often; a longer time between two looks is a stop, and does not count. After
// a stop there is time to hear what was said.
//
// A suspended machine may stop the monotonic clock too, but not the wall clock, so a leap of the wall clock is a stop
// as well. Stops are counted, so that a process that is starved for ever comes to an end.
type Vigil struct {
	ends   time.Duration
	every  time.Duration // from one look to the next, at most.
	looked contract.Time // last.
	stops  int
}

const (
	vigilLateMax   = 100 * time.Millisecond // a process that looks later than that after it was due was stopped.
	vigilListenMin = time.Second            // from a stop to the end, at least.
	vigilStopsMax  = 20                     // more of them are not noticed.
)

// NewVigil begins a wait with a look every so often.
func NewVigil(now contract.Time, wait, every time.Duration) Vigil {
	return Vigil{ends: now.Mono + wait, every: every, looked: now}
}

// Over looks, and reports whether the wait is over.
func (v *Vigil) Over(now contract.Time) bool {
	gap := now.Mono - v.looked.Mono
	leap := time.Duration(now.Wall-v.looked.Wall) * time.Millisecond
	if max(gap, leap) > v.every+vigilLateMax && v.stops < vigilStopsMax {
		v.stops++
		v.ends = max(v.ends+gap, now.Mono+vigilListenMin)
	}
	v.looked = now
	return now.Mono >= v.ends
}

// Due is when Over has to be called at the latest.
func (v *Vigil) Due() time.Duration { return min(v.ends, v.looked.Mono+v.every) }
