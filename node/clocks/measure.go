package clocks

import (
	"math"
	"time"

	"kvs/node/slot"
)

// Peer is what this member knows about the wall clock of another one. Its owner keeps one Peer for each peer, and reads
// ID only.
type Peer struct {
	ID     slot.ID
	salt   uint64        // of the stamps of pulses to this peer; zero: none was sent yet.
	stamp  uint64        // of the latest pulse; zero: none yet.
	at     time.Duration // when it came.
	offset estimate
}

// Echo is what a pulse to the peer says about the peer's latest one: its stamp, and for how long it has been held, in
// whole microseconds. Both are zero if there is none, or one that came too long ago for the format.
func (m *Machine) Echo(p *Peer) (stamp uint64, held time.Duration) {
	held = m.Now.Mono - p.at
	if p.stamp == 0 || held/time.Microsecond > math.MaxUint32 {
		return 0, 0
	}
	return p.stamp, held.Truncate(time.Microsecond)
}

// Stamp is the stamp of a pulse that is sent to a peer now. Only its echo is a measurement. The salt is drawn for each
// peer in each run, so no other process knows the stamp, and an echo to a former run does not count. Otherwise forged
// datagrams could make every member take its own clock for wrong.
func (m *Machine) Stamp(p *Peer) uint64 {
	if p.salt == 0 {
		p.salt = m.Rand.Uint64() | 1
	}
	return uint64(m.Now.Mono) + p.salt
}

// Pulse is what a peer's gossip says about its clocks, see node/pulse.go for the fields.
type Pulse struct {
	Wall  int64
	Stamp uint64
	Echo  uint64
	Held  time.Duration
}

// Hear takes in the pulse of a peer: its stamp is echoed from now on, and what it echoes is a measurement of the peer's
// clock.
func (m *Machine) Hear(p *Peer, in Pulse) {
	p.stamp, p.at = in.Stamp, m.Now.Mono
	if in.Echo == 0 || p.salt == 0 {
		return
	}
	away := time.Duration(in.Echo - p.salt) // since when: this node's own clock.
	if away < 0 || away > m.Now.Mono || m.Now.Mono-away > tripMax {
		return // no echo of a pulse of this run, or one held for too long to be a measurement.
	}
	trip := m.Now.Mono - away - in.Held
	if trip < 0 {
		return
	}
	offset := millis(in.Wall) - millis(m.Now.Wall) + trip/2
	p.offset.add(sample{at: m.Now.Mono, offset: offset, bound: trip/2 + wallResolution, drift: m.wallDrift()})
}

// Offset is how far a peer's wall clock is ahead of this node's, give or take bound; ok: there is a recent measurement.
func (m *Machine) Offset(p *Peer) (offset, bound time.Duration, ok bool) {
	return p.offset.best(m.wallDrift(), m.Now.Mono)
}

// wallDrift is the distance of this node's wall clock from its monotonic one, up to a constant: it changes when the
// wall clock is stepped, drifts or stands still.
func (m *Machine) wallDrift() time.Duration { return millis(m.Now.Wall) - m.Now.Mono }

const (
	tripMax        = 10 * time.Minute
	wallResolution = 2 * time.Millisecond // both wall clocks are read in whole milliseconds.
	millisMax      = int64(math.MaxInt64 / time.Millisecond / 4)

	samplesMax   = 4
	sampleAgeMax = 30 * time.Second // an older sample does not count.
)

// millis is a wall reading as a duration; impossible ones, which a hostile or broken clock may show, are cut so that
// differences do not overflow.
func millis(wall int64) time.Duration {
	return time.Duration(min(max(wall, -millisMax), millisMax)) * time.Millisecond
}

// sample is one measurement of a peer's wall clock against this node's.
type sample struct {
	at     time.Duration
	offset time.Duration // the peer's clock minus this node's.
	bound  time.Duration // the offset is off by no more than this.
	drift  time.Duration // wallDrift at that time.
}

// estimate keeps the latest samples of one peer and chooses the one with the least error, as the clock filter of NTP
// does (RFC 5905 section 10).
type estimate struct {
	samples [samplesMax]sample
	count   int // of samples used; they are in order, the latest first.
}

// add takes in a sample. Older samples that contradict it are dropped: one of the two clocks was stepped since.
func (e *estimate) add(s sample) {
	kept := estimate{count: 1}
	kept.samples[0] = s
	for _, old := range e.samples[:e.count] {
		if kept.count < samplesMax && (old.offset-s.offset).Abs() <= old.bound+s.bound+agingOf(&old, s.drift, s.at) {
			kept.samples[kept.count] = old
			kept.count++
		}
	}
	*e = kept
}

// agingOf is the growth of a sample's error: the distance that this node's wall clock has moved against the monotonic
// one, by a step, by drift or by standing still, and a little for the drift of the peer's clock.
func agingOf(s *sample, drift, now time.Duration) time.Duration {
	const peerDriftPPM = 500
	return (drift - s.drift).Abs() + (now-s.at)*peerDriftPPM/1_000_000
}

// best returns the offset of the peer's clock and the bound of its error, now. There is none without a recent sample.
func (e *estimate) best(drift, now time.Duration) (offset, bound time.Duration, ok bool) {
	for i := range e.samples[:e.count] {
		s := &e.samples[i]
		if now-s.at > sampleAgeMax {
			break
		}
		if b := s.bound + agingOf(s, drift, now); !ok || b < bound {
			offset, bound, ok = s.offset, b, true
		}
	}
	return offset, bound, ok
}
