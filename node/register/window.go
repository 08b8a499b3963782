package register

import (
	"slices"

	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

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

// windowOf is the window of a peer, which begins now if there is none; clock is that of this member.
func windowOf(t *step.PeerTable[window], p *step.Peer, clock slot.Timestamp) *window {
	w := t.Of(p)
	if !w.begun {
		w.begun, w.since = true, clock
	}
	return w
}
