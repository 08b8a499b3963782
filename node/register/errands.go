package register

import (
	"slices"
	"time"

	"kvs/node/slot"
	"kvs/node/wire"
)

// What a member remembers of operations that one member runs for another: route.go, forward.go and forwarded.go.

// errand is the part of another member in an operation.
type errand struct {
	peer  slot.ID
	round uint64 // the answer repeats it.
	tries int
	over  bool // this member has taken the operation over.
	last  bool // and there is nothing left for it to do but wait for the answer.
}

const errandTriesMax = 3 // of one operation that is declined.

// origin is the member for whose client an operation is.
type origin struct {
	peer  slot.ID
	round uint64
}

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

// windowMax bounds the stamps that are remembered of one peer. A message below them is not run.
const windowMax = 1024

// window is which of a peer's messages were taken in.
type window struct {
	begun  bool
	since  slot.Timestamp // messages from before the window are not known: their clocks are at or below it.
	floor  wire.Stamp     // stamps at or below it are not known any more.
	stamps []wire.Stamp   // sorted.
}

// take notes a stamp, and reports whether it is new.
func (w *window) take(stamp wire.Stamp) bool {
	i, known := slices.BinarySearch(w.stamps, stamp)
	if known || stamp <= w.floor {
		return false
	}
	w.stamps = slices.Insert(w.stamps, i, stamp)
	if len(w.stamps) > windowMax {
		w.floor = w.stamps[0]
		w.stamps = slices.Delete(w.stamps, 0, 1)
	}
	return true
}
