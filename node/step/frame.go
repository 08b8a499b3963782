package step

import (
	"slices"

	"kvs/node/wire"
)

// Frame encodes and seals a message under a stamp of its own. The content of m must have been read in the running step:
// see wire.Stamp.
func (s *Shared) Frame(kind wire.Kind, m wire.Body) []byte {
	b := wire.Seal(m.Append(s.Begin(kind, m.Room())))
	if kind.Lasts() {
		s.sealed.put(wire.ReadStamp(b), wire.ReadSum(b))
	}
	return b
}

// HasSealed reports whether this member has sealed, in this run and not long ago, an envelope of a kind that lasts with
// this stamp and seal.
func (s *Shared) HasSealed(stamp wire.Stamp, sum uint32) bool { return s.sealed.holds(stamp, sum) }

// sealedMax is how many envelopes are remembered: a member sends the configuration to all others at once.
const sealedMax = 4096

// sealedRing remembers envelopes, and forgets the oldest first.
type sealedRing struct {
	ring []sealedEnvelope
	next int
}

type sealedEnvelope struct {
	stamp wire.Stamp
	sum   uint32
}

func (r *sealedRing) put(stamp wire.Stamp, sum uint32) {
	if len(r.ring) < sealedMax {
		r.ring = append(r.ring, sealedEnvelope{stamp, sum})
		return
	}
	r.ring[r.next] = sealedEnvelope{stamp, sum}
	r.next = (r.next + 1) % sealedMax
}

func (r *sealedRing) holds(stamp wire.Stamp, sum uint32) bool {
	return slices.Contains(r.ring, sealedEnvelope{stamp, sum})
}
