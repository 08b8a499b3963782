package node

import (
	"errors"
	"time"
)

// askServer asks the server for what comes next, or asks again.
func (n *Node) askServer() {
	b := &n.bootstrap
	p := n.peer(b.server)
	if p == nil {
		n.leaveServer("it has left")
		return
	}
	if b.tries >= bootTriesMax {
		p.standing = standingUnknown // until it says again how it stands.
		n.leaveServer("it is silent")
		return
	}
	b.tries++
	b.seq++
	switch b.phase {
	case bootWaiting:
		b.askAt = n.now.Mono + bootAskInterval
		n.send(TransportFrame, p.addr, 0, n.encodePlanAsk(n.exchangeID(b.seq)))
	case bootPulling:
		b.askAt = n.now.Mono + n.tuning.SyncTimeout
		lo, hi := b.plan.band(b.cursor.band)
		ask := pageAsk{seq: n.exchangeID(b.seq), lo: lo, hi: hi, from: b.cursor.from, bytesMax: uint32(n.pageBytes())}
		n.send(TransportFrame, p.addr, b.after, n.encodePageAsk(&ask))
	case bootComparing:
		if b.after > n.durable { // a comparison sees what is durable.
			b.tries--
			b.askAt = n.now.Mono + bootDurableInterval
			return
		}
		if n.sync.peer != 0 { // another comparison is under way, and may do as well.
			b.tries--
			b.askAt = n.now.Mono + bootRoundInterval
			return
		}
		b.askAt = n.now.Mono + n.tuning.SyncTimeout + bootRoundInterval
		n.compareWith(p)
	}
}

// pageBytes is smaller at a low rate: then it does not pull much at once and rest for long.
func (n *Node) pageBytes() int {
	return min(n.tuning.BootstrapPageBytes, max(n.tuning.BootstrapRate/4, 1))
}

// handlePlan takes in how the server's data is spread over time. One that is not ready shows that the server is at work.
func (n *Node) handlePlan(from *peer, body []byte) error {
	m, err := decodePlan(body)
	if err != nil {
		return err
	}
	b := &n.bootstrap
	if b.phase != bootWaiting || from.id != b.server {
		return nil
	}
	b.tries = 0
	n.extendWait()
	if !m.ready {
		return nil
	}
	b.phase, b.plan = bootPulling, m.bootPlan
	n.extendWait()
	n.log(LogInfo, "bootstrap: begins", "member", from.id.String(), "keys", m.keys, "bytes", m.bytes, "bands", len(m.bounds))
	n.noteBootstrap()
	n.tellStanding()
	n.askServer()
	return nil
}

// handlePage merges a page and notes in the same persist how far that brings this node.
func (n *Node) handlePage(from *peer, body []byte) error {
	m, err := decodePage(body)
	if err != nil {
		return err
	}
	b := &n.bootstrap
	if b.phase != bootPulling || from.id != b.server || m.seq != n.exchangeID(b.seq) {
		return nil // an answer to a question that was asked again.
	}
	size := 0
	for i := range m.entries {
		e := &m.entries[i]
		size += e.wireBytes()
		if _, err := n.merge(from, e.path, e.record); errors.Is(err, errRead) {
			return err // the page is asked for again.
		} else if err != nil {
			n.counters.FramesBad++
			n.log(LogError, "record from a peer refused", "peer", from.id.String(), "path", e.path, "error", err.Error())
		}
	}
	n.counters.BootstrapPages++
	n.counters.BootstrapKeys += uint64(len(m.entries))
	b.cursor.keys += uint64(len(m.entries))
	b.cursor.bytes += uint64(size)
	b.meter.add(n.now.Mono, uint64(size))
	b.cursor.advance(m.next)
	if b.cursor.band == len(b.plan.bounds) {
		b.phase = bootComparing
	}
	n.noteBootstrap()
	n.extendWait()
	b.tries, b.after = 0, n.nextPersist()
	// What the server only looked at costs it little: a quarter.
	cost := max(size, int(m.scanned/4))
	if wait := b.bucket.take(n.now.Mono, cost); wait > 0 {
		b.askAt = n.now.Mono + wait
		return nil
	}
	n.askServer()
	return nil
}

// bootstrapCompared is told of every comparison that ended; whole: to its end, and not because the peer fell silent.
func (n *Node) bootstrapCompared(with ID, whole, differs bool) {
	b := &n.bootstrap
	p := n.peer(with)
	if b.phase != bootComparing || !whole || p == nil || !p.standing.serves() {
		return
	}
	b.tries = 0
	n.extendWait()
	b.rounds++
	if !differs || b.rounds >= bootRoundsMax {
		n.endBootstrap()
		return
	}
	b.askAt = n.now.Mono + bootRoundInterval // what it asked for is on its way.
}

// tokenBucket allows a number of bytes a second, on monotonic time. What was taken beyond what is there is a debt that has
// to be waited for: a page is taken whole.
type tokenBucket struct {
	rate   int // bytes a second.
	burst  int // bytes that may gather while nothing is taken.
	tokens int64
	at     time.Duration
}

// take takes bytes and returns how long to wait before the next ones.
func (t *tokenBucket) take(now time.Duration, bytes int) time.Duration {
	elapsed := min(now-t.at, time.Hour)
	t.tokens = min(t.tokens+scale(uint64(t.rate), elapsed), int64(t.burst)) - int64(bytes)
	t.at = now
	if t.tokens >= 0 {
		return 0
	}
	return time.Duration(-t.tokens)*time.Second/time.Duration(t.rate) + 1
}

// scale is how much of a quantity a second comes together in d.
func scale(perSecond uint64, d time.Duration) int64 {
	ms := uint64(d / time.Microsecond)
	return int64(perSecond / 1000 * ms / 1000)
}

// rateMeter measures bytes a second: the mean of the last seconds, newer ones weighing more.
type rateMeter struct {
	since time.Duration
	bytes uint64
	rate  uint64
}

func (r *rateMeter) add(now time.Duration, bytes uint64) {
	if r.since == 0 {
		r.since = now
	}
	r.bytes += bytes
	elapsed := now - r.since
	if elapsed < time.Second {
		return
	}
	latest := r.bytes * 1000 / uint64(elapsed/time.Millisecond)
	if r.rate == 0 {
		r.rate = latest
	}
	r.rate = (3*r.rate + latest) / 4
	r.since, r.bytes = now, 0
}

// eta is how long the rest takes at the measured rate; zero: that is not known.
func (r *rateMeter) eta(rest uint64) time.Duration {
	if r.rate == 0 {
		return 0
	}
	return min(time.Duration(rest/r.rate), 1<<31) * time.Second
}
