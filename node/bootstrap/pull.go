package bootstrap

import (
	"errors"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// askServer asks the server for the next part, or asks again.
func (m *Machine) askServer() {
	b := &m.newcomer
	p := m.Peer(b.server)
	if p == nil {
		m.leaveServer("it has left")
		return
	}
	if b.tries >= triesMax {
		m.standings.Of(p).standing = wire.StandingUnknown // until it sends its standing again.
		m.leaveServer("it is silent")
		return
	}
	b.tries++
	b.seq++
	switch b.phase {
	case phaseWaiting:
		b.askAt = m.Now.Mono + askInterval
		m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindPlanAsk, &wire.PlanAsk{Seq: m.ExchangeID(b.seq)}))
	case phasePulling:
		b.askAt = m.Now.Mono + m.Tuning.SyncTimeout
		lo, hi := b.plan.Band(b.cursor.band)
		ask := wire.PageAsk{
			Seq: m.ExchangeID(b.seq), Lo: lo, Hi: hi, From: b.cursor.from, BytesMax: uint32(m.pageBytes()),
		}
		m.Send(contract.TransportFrame, p.Addr, b.after, m.Frame(wire.KindPageAsk, &ask))
	case phaseComparing:
		if b.after > m.Durable { // a comparison sees what is durable.
			b.tries--
			b.askAt = m.Now.Mono + durableInterval
			return
		}
		if m.owner.Comparing() { // another comparison is under way, and may do the same.
			b.tries--
			b.askAt = m.Now.Mono + roundInterval
			return
		}
		b.askAt = m.Now.Mono + m.Tuning.SyncTimeout + roundInterval
		m.owner.Compare(p)
	}
}

// pageBytes is smaller at a low rate, so that pauses between pages stay short.
func (m *Machine) pageBytes() int {
	return min(m.Tuning.BootstrapPageBytes, max(m.Tuning.BootstrapRate/4, 1))
}

// HandlePlan takes in how the server's data is spread over time. A plan that is not ready shows that the server is
// working on it.
func (m *Machine) HandlePlan(from *step.Peer, in *wire.Plan) error {
	b := &m.newcomer
	if b.phase != phaseWaiting || from.ID != b.server {
		return nil
	}
	b.tries = 0
	m.extendWait()
	if !in.Ready {
		return nil
	}
	b.phase, b.plan = phasePulling, in.Bands
	m.extendWait()
	m.Log(contract.LogInfo, "bootstrap: begins", "member", from.ID.String(), "keys", in.Keys, "bytes", in.Bytes,
		"bands", len(in.Bounds))
	m.note()
	m.tellStanding()
	m.askServer()
	return nil
}

// HandlePage merges a page and persists the new progress with it.
func (m *Machine) HandlePage(from *step.Peer, in *wire.Page) error {
	b := &m.newcomer
	if b.phase != phasePulling || from.ID != b.server || in.Seq != m.ExchangeID(b.seq) {
		return nil // an answer to a question that was asked again.
	}
	size := 0
	for i := range in.Entries {
		e := &in.Entries[i]
		size += e.WireBytes()
		_, err := m.owner.Merge(from, e.Path, e.Record)
		if errors.Is(err, step.ErrRead) || errors.Is(err, step.ErrUnconfirmed) {
			return err // the page is asked for again.
		} else if err != nil {
			m.Counters.FramesBad++
			m.Log(contract.LogError, "record from a peer refused", "peer", from.ID.String(), "path", e.Path,
				"error", err.Error())
		}
	}
	m.Counters.BootstrapPages++
	m.Counters.BootstrapKeys += uint64(len(in.Entries))
	b.cursor.keys += uint64(len(in.Entries))
	b.cursor.bytes += uint64(size)
	b.meter.add(m.Now.Mono, uint64(size))
	b.cursor.advance(in.Next)
	if b.cursor.band == len(b.plan.Bounds) {
		b.phase = phaseComparing
	}
	m.note()
	m.extendWait()
	b.tries, b.after = 0, m.NextPersist()
	// Records that the server scanned and did not send cost a quarter.
	cost := max(size, int(in.Scanned/4))
	if wait := b.bucket.take(m.Now.Mono, cost); wait > 0 {
		b.askAt = m.Now.Mono + wait
		return nil
	}
	m.askServer()
	return nil
}

// Compared is called after every comparison; whole: it was completed, and did not end because the peer fell silent.
func (m *Machine) Compared(with slot.ID, whole, differs bool) {
	b := &m.newcomer
	p := m.Peer(with)
	if b.phase != phaseComparing || !whole || p == nil || !b.takes(m.standings.Of(p).standing) {
		return
	}
	b.tries = 0
	m.extendWait()
	b.rounds++
	if !differs || b.rounds >= roundsMax {
		m.end()
		return
	}
	b.askAt = m.Now.Mono + roundInterval // the records that the comparison asked for are in flight.
}

// tokenBucket allows a number of bytes a second, on monotonic time. A page is taken whole: bytes taken beyond the
// content are a debt, and the next page waits until it is paid.
type tokenBucket struct {
	rate   int // bytes a second.
	burst  int // the most bytes that gather while none are taken.
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

// scale is how much a rate per second yields in d.
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

// eta is how long the rest takes at the measured rate; zero: not known.
func (r *rateMeter) eta(rest uint64) time.Duration {
	if r.rate == 0 {
		return 0
	}
	return min(time.Duration(rest/r.rate), 1<<31) * time.Second
}
