package node

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"kvs/node/swim"
)

// A pulse opens the body of every gossip datagram, before the bytes of node/swim: what a member says about itself all the time,
// at no message of its own. Integers are little-endian.
//
//	0      pulse format, 1; a datagram with another one is dropped and counted
//	1      mode of the sender; unknown ones are kept as they are, and are not ModeNormal
//	2-9    wall clock of the sender, milliseconds since the Unix epoch, signed
//	10-17  stamp: the sender's monotonic clock, in nanoseconds from a point that only the sender knows
//	18-25  echo: the stamp that the sender heard last from the one it writes to; zero: none
//	26-29  held: how long ago that was, in microseconds
//	30-37  digest of what the sender holds; zero: unknown
//
// From stamp, echo and held the receiver knows the round trip without anybody's wall clock; half of it bounds the error of
// the offset between the two wall clocks. That is the exchange of NTP (RFC 5905 section 8), but for one thing: the sender's
// wall clock at the receipt is not sent. The offset is taken on the way back alone, so that a step of the receiver's clock
// between question and answer does not matter.
const (
	pulseFormat = 1
	pulseBytes  = 1 + 1 + 8 + 8 + 8 + 4 + 8
)

type pulse struct {
	mode   Mode
	wall   int64
	stamp  uint64
	echo   uint64
	held   time.Duration // in whole microseconds.
	digest uint64
}

func appendPulse(b []byte, m *pulse) []byte {
	b = append(b, pulseFormat, byte(m.mode))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.wall))
	b = binary.LittleEndian.AppendUint64(b, m.stamp)
	b = binary.LittleEndian.AppendUint64(b, m.echo)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.held/time.Microsecond))
	return binary.LittleEndian.AppendUint64(b, m.digest)
}

// decodePulse returns what follows the pulse too; it shares body's memory.
func decodePulse(body []byte) (m pulse, rest []byte, err error) {
	r := wireReader{b: body}
	format := r.u8()
	m.mode, m.wall, m.stamp, m.echo = Mode(r.u8()), int64(r.u64()), r.u64(), r.u64()
	m.held = time.Duration(r.u32()) * time.Microsecond
	m.digest = r.u64()
	switch {
	case r.bad:
		return pulse{}, nil, fmt.Errorf("%w: a pulse of %d bytes", ErrBadMessage, len(body))
	case format != pulseFormat:
		return pulse{}, nil, fmt.Errorf("%w: pulse format %d", ErrBadMessage, format)
	}
	return m, r.b, nil
}

// heard is what a peer's pulses have told.
type heard struct {
	mode   Mode
	digest uint64
	stamp  uint64        // of the latest pulse; zero: none yet.
	at     time.Duration // when it came.
	offset offsetEstimate
}

// salt makes the stamps of one run mean nothing in the next one: the monotonic clock may start anywhere, and an echo of a former
// run's stamp would pass for a recent one. The start is on disk before anything is said, so no two runs share it.
func (n *Node) salt() uint64 { return n.boots * 0x9e3779b97f4a7c15 }

// makePulse is the pulse of a datagram to an address.
func (n *Node) makePulse(to string) pulse {
	m := pulse{mode: n.mode(), wall: n.now.Wall, stamp: uint64(n.now.Mono) + n.salt(), digest: n.digest}
	for _, p := range n.peers {
		held := n.now.Mono - p.pulse.at
		if p.addr == to && p.pulse.stamp != 0 && held/time.Microsecond <= math.MaxUint32 {
			m.echo, m.held = p.pulse.stamp, held.Truncate(time.Microsecond)
			break
		}
	}
	return m
}

// hearPulse takes in what a member says about itself.
func (n *Node) hearPulse(from ID, m *pulse) {
	p := n.peer(from)
	if p == nil {
		return // not a member yet.
	}
	p.pulse.mode, p.pulse.digest = m.mode, m.digest
	p.pulse.stamp, p.pulse.at = m.stamp, n.now.Mono
	n.digestHeard(p)
	if m.echo == 0 {
		return
	}
	away := time.Duration(m.echo - n.salt()) // since when: this node's own clock.
	if away < 0 || away > n.now.Mono || n.now.Mono-away > pulseTripMax {
		return // of a former run, or held for too long to tell anything.
	}
	trip := n.now.Mono - away - m.held
	if trip < 0 {
		return
	}
	offset := millis(m.wall) - millis(n.now.Wall) + trip/2
	p.pulse.offset.add(offsetSample{at: n.now.Mono, offset: offset, bound: trip/2 + wallResolution, drift: n.wallDrift()})
}

// wallDrift is how far the own wall clock is ahead of the monotonic one, but for a constant: it changes when the wall clock is
// stepped, drifts or stands still.
func (n *Node) wallDrift() time.Duration { return millis(n.now.Wall) - n.now.Mono }

const (
	pulseTripMax   = 10 * time.Minute
	wallResolution = 2 * time.Millisecond // both wall clocks are read in whole milliseconds.
	millisMax      = int64(math.MaxInt64 / time.Millisecond / 4)

	offsetSamplesMax = 4
	offsetAgeMax     = 30 * time.Second // an older sample is none.
)

// millis is a wall reading as a duration; impossible ones, which a hostile or broken clock may show, are cut so that differences
// do not overflow.
func millis(wall int64) time.Duration {
	return time.Duration(min(max(wall, -millisMax), millisMax)) * time.Millisecond
}

// offsetSample is one measurement of a peer's wall clock against the own one.
type offsetSample struct {
	at     time.Duration
	offset time.Duration // the peer's clock minus the own one.
	bound  time.Duration // the offset is off by no more than this.
	drift  time.Duration // wallDrift at that time.
}

// offsetEstimate keeps the latest samples of one peer and tells the best of them, the one with the least error, as the clock
// filter of NTP does (RFC 5905 section 10).
type offsetEstimate struct {
	samples [offsetSamplesMax]offsetSample
	count   int // of samples used; they are in order, the latest first.
}

// add takes in a sample. Older ones that cannot be true together with it are dropped: one of the two clocks was stepped since.
func (e *offsetEstimate) add(s offsetSample) {
	kept := offsetEstimate{count: 1}
	kept.samples[0] = s
	for _, old := range e.samples[:e.count] {
		if kept.count < offsetSamplesMax && (old.offset-s.offset).Abs() <= old.bound+s.bound+agingOf(&old, s.drift, s.at) {
			kept.samples[kept.count] = old
			kept.count++
		}
	}
	*e = kept
}

// agingOf is what a sample's error has grown by: as much as the own wall clock has moved against the monotonic one, whether by a
// step, by drift or because it stands still, and a little for the drift of the peer's.
func agingOf(s *offsetSample, drift, now time.Duration) time.Duration {
	const peerDriftPPM = 500
	return (drift - s.drift).Abs() + (now-s.at)*peerDriftPPM/1_000_000
}

// best returns the offset of the peer's clock and the bound of its error, now. There is none without a recent sample.
func (e *offsetEstimate) best(drift, now time.Duration) (offset, bound time.Duration, ok bool) {
	for i := range e.samples[:e.count] {
		s := &e.samples[i]
		if now-s.at > offsetAgeMax {
			break
		}
		if b := s.bound + agingOf(s, drift, now); !ok || b < bound {
			offset, bound, ok = s.offset, b, true
		}
	}
	return offset, bound, ok
}

// clockOffset is how far a peer's wall clock is ahead of the own one, give or take bound.
func (n *Node) clockOffset(p *peer) (offset, bound time.Duration, ok bool) {
	if p.state != swim.Alive {
		return 0, 0, false
	}
	return p.pulse.offset.best(n.wallDrift(), n.now.Mono)
}
