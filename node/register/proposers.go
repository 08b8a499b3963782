package register

import (
	"slices"
	"time"

	"kvs/node/slot"
	"kvs/node/wire"
)

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
	varies  time.Duration // by how much delays differ from that one, smoothed.
	waits   time.Duration // since when such a message is out, without one from it; zero: none is.
	misses  int           // answers in a row that did not come in time.
	heardAt time.Duration // when anything about rounds came from it last.
	muted   time.Duration // after misses: until when nothing is forwarded to it.
	untold  time.Duration // it left a question about a record open: until when it is asked none, see askDescent.
}

// heard notes a message of a peer, and how long it was waited for.
func (r *route) heard(now time.Duration) {
	r.heardAt = now
	if r.waits == 0 {
		return
	}
	took := now - r.waits
	if r.waits = 0; r.delay == 0 {
		r.delay, r.varies = took, took/2
	}
	r.varies += (max(took-r.delay, r.delay-took) - r.varies) / 4
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

const (
	descentBytesMax = 1 << 20
	stretchesMax    = 128 // of a path, of this member, and as many that others have told.
)

// stretch is ballots of one proposer in a row.
type stretch struct {
	from   slot.Ballot
	before slot.Ballot // that of the record which from's followed, of another proposer, see Machine.follow.
	after  slot.Ballot // of this member alone: that of an own record in between, which from's followed; zero: none is.
	upTo   slot.Ballot // the last one that is known to be in it.
}

// descent is what this member knows of the records of a path.
type descent struct {
	own  []stretch // of this member, in order.
	told []stretch
}

// end is the last of some ballots that is in a stretch and below at, which is in it as well, or else the one before it.
func (s *stretch) end(sent []slot.Ballot, at slot.Ballot) slot.Ballot {
	for _, b := range slices.Backward(sent) {
		if b.Member == at.Member && b.Compare(s.from) >= 0 && b.Compare(at) < 0 {
			return b
		}
	}
	if !s.after.IsZero() {
		return s.after
	}
	return s.before
}

// find is the stretch that a ballot is in; nil: it is not known. d may be nil.
func (d *descent) find(b slot.Ballot, self slot.ID) *stretch {
	if d == nil {
		return nil
	}
	if b.Member == self {
		for i := range slices.Backward(d.own) {
			if d.own[i].from.Compare(b) <= 0 {
				return &d.own[i]
			}
		}
		return nil
	}
	var best *stretch
	for i := range d.told {
		s := &d.told[i]
		if s.from.Member == b.Member && s.from.Compare(b) <= 0 && b.Compare(s.upTo) <= 0 &&
			(best == nil || best.from.Compare(s.from) < 0) {
			best = s
		}
	}
	return best
}

// note keeps what another member has told.
func (d *descent) note(a *wire.Descended) {
	upTo := a.Ballot
	for _, s := range a.Stretches {
		d.told = slices.DeleteFunc(d.told, func(t stretch) bool {
			if t.from == s.From && t.upTo.Compare(upTo) > 0 {
				upTo = t.upTo
			}
			return t.from == s.From
		})
		d.told = keepStretch(d.told, stretch{from: s.From, before: s.Before, upTo: upTo})
		upTo = s.From
		upTo.TS-- // that ballot is not in the one before, which may be kept for longer.
	}
}

// keepStretch adds a stretch to a list, without the oldest if it is too long.
func keepStretch(list []stretch, s stretch) []stretch {
	if len(list) == stretchesMax {
		list = slices.Delete(list, 0, 1)
	}
	return append(list, s)
}
