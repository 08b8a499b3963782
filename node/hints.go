package node

import "time"

// Hints are the writes that wait for a member that is dead (hinted handoff: DeCandia et al., "Dynamo", SOSP 2007, section 4.6).
// They are what stands in its queue, so they are bounded in bytes like every queue; and they are bounded in time: a member that
// stays away for longer than HintTTL has missed so much that comparing with it is cheaper than remembering. Everything is
// dropped then, and nothing more is kept for it until it returns. They live in memory: a restart of their holder loses them. In
// each of these cases the comparison of members (sync.go) brings the returned member what it missed; hints make it faster.

// hintCounts are the hints of one peer that were dropped, by reason.
type hintCounts struct {
	full    uint64 // the queue was full; the oldest went.
	expired uint64 // the peer was away for too long.
}

// hinted reports whether anything waits for p.
func (p *peer) hinted() bool { return p.queue.len() > 0 || p.inflight.frame != nil }

// away is how long a peer has been dead; zero for one that is not.
func (n *Node) away(p *peer) time.Duration {
	if !p.dead() {
		return 0
	}
	return max(n.now.Mono-p.diedAt, 1)
}

// hint keeps a record for a dead peer.
func (n *Node) hint(p *peer, e entry) {
	if n.away(p) >= n.tuning.HintTTL {
		n.dropHints(p, 1)
		return
	}
	dropped := p.queue.push(e, n.tuning.QueueBytesMax)
	p.hints.full += dropped
	n.counters.HintsFull += dropped
}

func (n *Node) dropHints(p *peer, entries int) {
	p.hints.expired += uint64(entries)
	n.counters.HintsExpired += uint64(entries)
}

// expireHints drops what waits for a peer that has been dead for too long.
func (n *Node) expireHints(p *peer) {
	if !p.dead() || !p.hinted() || n.away(p) < n.tuning.HintTTL {
		return
	}
	entries := p.queue.len() + len(p.inflight.entries)
	n.log(LogWarn, "hints dropped: the member is away for too long, comparing will bring it what it missed",
		"member", n.memberName(p.id), "entries", entries, "bytes", p.queue.bytes+p.inflight.bytes, "away", n.away(p).String())
	n.dropHints(p, entries)
	p.queue, p.inflight = sendQueue{}, batch{}
}
