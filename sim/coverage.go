package sim

import (
	"time"

	"kvs/chaos"
)

// Coverage is the set of situations that a run came through: a message of some kind arrived at a node in some state, or a fault of some
// kind began there, while some faults were on. It is a bitmap of hashes, as in AFL: two situations may share a bit. It only listens: with
// it a run is the same run, a little slower.
type Coverage struct {
	met [SituationsMax / 64]uint64
}

// SituationsMax is how many situations can be told apart.
const SituationsMax = 1 << 16

// Situations lists those met, rising, each below SituationsMax.
func (c *Coverage) Situations() (out []uint32) {
	for i, word := range c.met {
		for b := range uint32(64) {
			if word&(1<<b) != 0 {
				out = append(out, uint32(i)*64+b)
			}
		}
	}
	return out
}

// Words that tell situations of different nature apart.
const (
	coverMessage = 1 << 40
	coverFault   = 2 << 40
)

// coverArrival notes that a message arrives. What the network calls its kind is its second byte.
func (w *world) coverArrival(r *replica, p *packet) {
	if w.coverage != nil && len(p.data) > 1 {
		w.coverage.note(coverMessage|uint64(r.node.RoughState())<<8|uint64(p.data[1]), w.troubles(r, int(p.from)))
	}
}

// coverFault notes that a fault comes over a node.
func (w *world) coverFault(r *replica, k chaos.Kind) {
	if w.coverage == nil {
		return
	}
	what := coverFault | uint64(k)
	if r.node != nil {
		what |= uint64(r.node.RoughState()) << 8
	}
	w.coverage.note(what, w.troubles(r, 0))
}

func (c *Coverage) note(what, troubles uint64) {
	at := splitMix(splitMix(what)^splitMix(troubles)) % SituationsMax
	c.met[at/64] |= 1 << (at % 64)
}

// coverYoung is how long a run of a process counts as one that has just begun.
const coverYoung = time.Second

// troubles sums up the faults that are on at a replica, on the link from another one if that is above zero, and among the rest.
// Faults of much the same effect count as one: else nearly every run would come through something new.
func (w *world) troubles(r *replica, from int) (bits uint64) {
	c, off := &r.clock, r.clock.faultError(w.now)
	link := chaos.Link{}
	blocked := false
	if from > 0 {
		link = w.net.links.Link(from, r.number)
		blocked = w.net.links.Blocked(r.number, from)
	}
	down := 0
	for n := 1; n <= w.nodes; n++ {
		if other := &w.replicas[n]; other.node == nil || other.paused {
			down++
		}
	}
	for i, is := range [...]bool{
		off > coverClock, off < -coverClock || c.frozen, r.disk.slow > 0, r.disk.errorPPM > 0 || r.disk.full || r.disk.broken,
		len(r.disk.waiting) > r.disk.syncing, r.run > 1 && w.now-r.presence.since < coverYoung, blocked,
		link.Loss > w.sc.Network.Loss, link.DelayMax > w.sc.Network.DelayMax, down > 0, 2*down > w.nodes, w.recovering,
	} {
		if is {
			bits |= 1 << i
		}
	}
	return bits
}

// coverClock is how far off a clock counts as wrong.
const coverClock = 100 * time.Millisecond
