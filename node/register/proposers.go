package register

import "time"

// After misses a member is not asked for a while, and after many anew whether it takes operations.
const (
	muteMin   = 500 * time.Millisecond
	muteMax   = 8 * time.Second
	missesMax = 4 // in a row.
)

// route is what this member knows of another one as a proposer of its operations.
type route struct {
	run     uint64        // of the peer, see wire.Introduction; zero: it is not known to take operations.
	older   bool          // it said that it takes none.
	askedAt time.Duration // whether it takes operations; zero: never.
	delay   time.Duration // from a message to it to the next one from it, smoothed; zero: none was measured.
	waits   time.Duration // since when such a message is out, without one from it; zero: none is.
	misses  int           // answers in a row that did not come in time.
	heardAt time.Duration // when anything about rounds came from it last.
	muted   time.Duration // after misses: until when nothing is forwarded to it.
}

// heard notes a message of a peer, and how long it was waited for.
func (r *route) heard(now time.Duration) {
	r.heardAt = now
	if r.waits == 0 {
		return
	}
	took := now - r.waits
	if r.waits = 0; r.delay == 0 {
		r.delay = took
	}
	r.delay += (took - r.delay) / 8
}

// missed notes that a peer was silent.
func (r *route) missed(now time.Duration) {
	r.waits = 0 // it is no measure.
	r.muted = now + min(muteMin<<min(r.misses, 8), muteMax)
	if r.misses++; r.misses >= missesMax {
		r.run, r.askedAt = 0, now
	}
}
