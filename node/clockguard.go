package node

import (
	"fmt"
	"time"

	"kvs/node/swim"
)

// Timestamps order versions, so a member whose clock is ahead wins over writes that came later, and one whose clock is behind
// loses to writes that came before. No member can see that in a record, and refusing records by their timestamps would keep
// members apart for ever. So the guard stands where timestamps are made: a node that finds its own clock further off than
// Tuning.MaxClockOffset against most of its peers takes no writes until it is right again.
//
// A peer counts as off only if its offset is beyond the bound whatever the error of the measurement (pulse.go), and as right only
// if the error is below the bound. The rule asks for more than half of the peers that are alive. With this node itself that makes:
// it agrees with less than a majority. "Half of the peers" would stop all of a cluster of three for one wrong clock: each of the two others has it as one of two peers.
//
// What this cannot know: of two members that differ nobody can tell which is right, so both stop, and so do both halves of
// four. A node that measures nobody, because it is alone, trusts its clock: eventual writes do not wait for others. Neither harms
// the data: hybrid timestamps only ever rise, so what a wrong clock wrote can be overwritten by any member that has seen it.
//
// It takes writes again when it has not been found off for a while, with a bound a quarter narrower, so that a clock near the
// bound does not go to and fro: three probe intervals if enough peers are measured, otherwise as long as measurements last.
type clockGuard struct {
	off       bool
	calmSince time.Duration // while it is off: since then nothing speaks against the clock; zero: something does.
}

const clockCalmProbes = 3

// clockOpinion is what the measured peers say of the own clock.
type clockOpinion struct{ alive, off, right int }

// enough reports whether so many peers were measured that their opinion counts.
func (o *clockOpinion) enough() bool { return o.off+o.right > 0 && 2*(o.off+o.right) >= o.alive }

// against reports whether the clock is off: more than half of all peers that are alive say so, measured or not, because the first
// that is measured may be the one that is wrong. Once it is off, it stays so until as many say that it is right.
func (o *clockOpinion) against(already bool) bool {
	if already {
		return o.off > o.right
	}
	return 2*o.off > o.alive
}

func (n *Node) clockOpinion(bound time.Duration) (o clockOpinion) {
	for _, p := range n.peers {
		if p.state != swim.Alive {
			continue
		}
		o.alive++
		offset, give, ok := n.clockOffset(p)
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

// watchClock runs whenever something may have changed: a pulse has come, or time has passed.
func (n *Node) watchClock() {
	g := &n.clockGuard
	bound := n.tuning.MaxClockOffset
	if g.off {
		bound -= bound / 4
	}
	o := n.clockOpinion(bound)
	switch {
	case !g.off && o.against(false):
		*g = clockGuard{off: true}
		n.log(LogWarn, "clock too far off, writes are refused until it is right: check that this machine keeps its time (NTP)",
			"max_clock_offset", n.tuning.MaxClockOffset, "peers_off", o.off, "peers_right", o.right, "offsets", n.clockOffsets())
		n.setReadOnly(&SetReadOnly{Reason: ReasonClock, On: true})
	case !g.off:
	case o.against(true):
		g.calmSince = 0
	case g.calmSince == 0:
		g.calmSince = n.now.Mono
	default:
		calm := offsetAgeMax
		if o.enough() {
			calm = clockCalmProbes * n.opts.Swim.ProbeInterval
		}
		if n.now.Mono-g.calmSince >= calm {
			*g = clockGuard{}
			n.log(LogInfo, "clock is right again", "peers_right", o.right, "offsets", n.clockOffsets())
			n.setReadOnly(&SetReadOnly{Reason: ReasonClock})
		}
	}
}

// clockOffsets lists for people how far the clocks of the peers are ahead of the own one.
func (n *Node) clockOffsets() []string {
	var out []string
	for _, p := range n.peers {
		if offset, give, ok := n.clockOffset(p); ok {
			m, _ := n.swim.Lookup(p.id)
			out = append(out, fmt.Sprintf("%s %+d ms (+/- %d ms)", m.Name, offset.Milliseconds(), give.Milliseconds()))
		}
	}
	return out
}
