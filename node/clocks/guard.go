package clocks

import (
	"fmt"
	"time"

	"kvs/node/contract"
)

// Timestamps order versions, so the writes of a member whose clock is ahead win over later writes, and those of a
// member whose clock is behind lose to earlier ones. A record does not show this, and refusing records by their
// timestamps would keep members from converging for ever. So the guard is where timestamps are made: a node whose clock
// differs by more than Tuning.MaxClockOffset from most of its peers takes no writes until the clock is right again.
//
// A peer counts as off only if its offset is beyond the bound whatever the error of the measurement (see Peer), and as
// right only if the error is below the bound. The rule asks for more than half of the peers that are alive. With this
// node counted that means: it agrees with less than a majority. "Half of the peers" would stop all members of a cluster
// of three for one wrong clock: it is one of two peers of each other member.
//
// The limits of the rule: when two members differ, the rule cannot decide which one is right, so both stop, and so do
// both halves of four. A node without measurements, because it is alone, trusts its clock: eventual writes do not wait
// for others. Neither harms the data: hybrid timestamps only ever rise, so what a wrong clock wrote can be overwritten
// by any member that has seen it.
//
// It takes writes again when it has not been found off for a while, with a bound a quarter narrower, so that a clock
// near the bound does not go to and fro: three probe intervals if enough peers are measured, otherwise as long as
// measurements last.
const calmProbes = 3

// opinion is what the measurements of the peers say of this node's clock.
type opinion struct{ alive, off, right int }

// enough reports whether enough peers were measured for the opinion to count.
func (o *opinion) enough() bool { return o.off+o.right > 0 && 2*(o.off+o.right) >= o.alive }

// against reports whether the clock is off: more than half of all peers that are alive say so, measured or not, because
// the first that is measured may be the one that is wrong. Once it is off, it stays so until as many say that it is
// right.
func (o *opinion) against(already bool) bool {
	if already {
		return o.off > o.right
	}
	return 2*o.off > o.alive
}

func (m *Machine) opinion(bound time.Duration) (o opinion) {
	for i := range m.owner.PeerClocks() {
		p, alive := m.owner.PeerClock(i)
		if !alive {
			continue
		}
		o.alive++
		offset, give, ok := m.Offset(p)
		switch {
		case !ok:
		case offset.Abs()-give > bound:
			o.off++
		case give <= bound:
			o.right++
		}
	}
	return o
}

// Watch judges the clock. The node calls it after each pulse, and when time has passed.
func (m *Machine) Watch() {
	m.watchOffsets()
	m.watchExhaustion()
}

// watchExhaustion takes the node read-only while it has no timestamp left: because its own clock claims the year 6429,
// or, for good, because some version carries that time.
func (m *Machine) watchExhaustion() {
	err := m.Exhausted()
	if m.exhausted == (err != nil) {
		return
	}
	m.exhausted = err != nil
	if m.exhausted {
		m.Log(contract.LogError, err.Error(), "clock", m.HLC.Last().String(), "wall", m.Now.Wall)
	} else {
		m.Log(contract.LogInfo, "the hybrid clock has timestamps again")
	}
	m.owner.SetReadOnly(&contract.SetReadOnly{Reason: contract.ReasonExhausted, On: m.exhausted})
}

// watchOffsets compares the clock with those of the peers.
func (m *Machine) watchOffsets() {
	defer func() { m.ClockWrong = m.off }()
	bound := m.Tuning.MaxClockOffset
	if m.off {
		bound -= bound / 4
	}
	o := m.opinion(bound)
	switch {
	case !m.off && o.against(false):
		m.off, m.calmSince = true, 0
		m.Log(contract.LogWarn, "clock too far off, writes are refused until it is right: check that this machine "+
			"keeps its time (NTP)",
			"max_clock_offset", m.Tuning.MaxClockOffset, "peers_off", o.off, "peers_right", o.right, "offsets",
			m.offsets())
		m.owner.SetReadOnly(&contract.SetReadOnly{Reason: contract.ReasonClock, On: true})
	case !m.off:
	case o.against(true):
		m.calmSince = 0
	case m.calmSince == 0:
		m.calmSince = m.Now.Mono
	default:
		calm := sampleAgeMax
		if o.enough() {
			calm = calmProbes * m.probeInterval
		}
		if m.Now.Mono-m.calmSince >= calm {
			m.off, m.calmSince = false, 0
			m.Log(contract.LogInfo, "clock is right again", "peers_right", o.right, "offsets", m.offsets())
			m.owner.SetReadOnly(&contract.SetReadOnly{Reason: contract.ReasonClock})
		}
	}
}

// offsets lists for people how far the clocks of the peers are ahead of this node's.
func (m *Machine) offsets() []string {
	var out []string
	for i := range m.owner.PeerClocks() {
		p, alive := m.owner.PeerClock(i)
		if !alive {
			continue
		}
		if offset, give, ok := m.Offset(p); ok {
			out = append(out, fmt.Sprintf("%s %+d ms (+/- %d ms)", m.owner.MemberName(p.ID), offset.Milliseconds(),
				give.Milliseconds()))
		}
	}
	return out
}
