package replication

import (
	"time"

	"kvs/node/contract"
	"kvs/node/step"
	"kvs/node/wire"
)

// Hints are the writes that wait for a member that is dead (hinted handoff: DeCandia et al., "Dynamo", SOSP 2007,
// section 4.6). They are the entries of its queue, so they are bounded in bytes like every queue; and they are bounded
// in time: a member that stays away for longer than HintTTL has missed so much that a comparison is cheaper than hints.
// All its hints are dropped then, and no more are kept until it returns. Hints are in memory: a restart of their holder
// loses them. In each of these cases the comparison of members brings the returned member what it missed; hints make it
// faster.

// hintCounts are the hints of one peer that were dropped, by reason.
type hintCounts struct {
	full    uint64 // the queue was full; the oldest went.
	expired uint64 // the peer was away for too long.
}

// away is how long a peer has been dead; zero for one that is not.
func (m *Machine) away(p *step.Peer) time.Duration {
	if !p.Dead() {
		return 0
	}
	return max(m.Now.Mono-p.DiedAt, 1)
}

// hint keeps a record for a dead peer.
func (m *Machine) hint(p *step.Peer, e wire.Entry) {
	if m.away(p) >= m.Tuning.HintTTL {
		m.dropHints(p, 1)
		return
	}
	l := m.lines.Of(p)
	dropped := l.queue.push(e, m.Tuning.QueueBytesMax)
	l.hints.full += dropped
	m.Counters.HintsFull += dropped
}

func (m *Machine) dropHints(p *step.Peer, entries int) {
	m.lines.Of(p).hints.expired += uint64(entries)
	m.Counters.HintsExpired += uint64(entries)
}

// expireHints drops what waits for a peer that has been dead for too long.
func (m *Machine) expireHints(p *step.Peer) {
	l := m.lines.Of(p)
	if !p.Dead() || !l.hinted() || m.away(p) < m.Tuning.HintTTL {
		return
	}
	entries, bytes := l.waiting()
	m.Log(contract.LogWarn, "hints dropped: the member is away for too long, comparing will bring it what it missed",
		"member", m.owner.MemberName(p.ID), "entries", entries, "bytes", bytes, "away", m.away(p).String())
	m.dropHints(p, entries)
	m.Forget(p)
}
