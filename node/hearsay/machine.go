// Package hearsay is the machine that confirms messages with their senders. A message can be forged, and some forged
// messages would do lasting harm: a configuration is put in force for good, a tombstone is dropped and older frames of
// a member are refused for good, a voter counts as caught up, and a clock never runs backwards. So such a message is
// not believed before the member in whose name it came has confirmed it, in an answer to a question with a nonce, sent
// to the member's own address:
//
//   - A message of a kind whose effects last (wire.Kind.Lasts) waits until its sender has confirmed that it sealed just
//     this envelope. A sender remembers the last envelopes that it sealed; for a forgotten one it answers no. Then the
//     message counts as lost, as on a bad network, and is repeated like any other.
//   - A timestamp further than leapMax above what this member knows is believed when its sender has confirmed that its
//     own clock has come so far. Until then the message that carries it counts as lost. No timestamp is refused for
//     good, so members converge.
//
// Answers to questions need no confirmation: they name the question, whose number is drawn at random
// (step.FirstExchange). node/swim checks claims about members itself (node/swim/doubt.go). An attacker that can read
// the traffic of the members, or that answers at a member's address, can still lie: TLS protects against that. Begin
// with Confirmed and Believes.
package hearsay

import (
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/hlc"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

const (
	claimsMax    = 64               // messages that wait for their senders; one more takes the place of the oldest.
	claimBytes   = 1 << 20          // of all of them; the oldest are dropped first.
	claimAgeMax  = 10 * time.Second // after it a message counts as lost.
	askAgain     = 500 * time.Millisecond
	leapMax      = time.Hour // by how much clocks and their faults may differ without a question.
	logicalShift = 16        // see hlc.Timestamp.
)

// Owner is what the machine asks of its node.
type Owner interface {
	// Again takes in a frame that has waited for its confirmation.
	Again(frame []byte)
}

// Machine confirms messages with their senders. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner  Owner
	claims []claim // in the order in which they came.
	clocks step.PeerTable[clock]
}

// claim is a message that waits.
type claim struct {
	from     slot.ID
	stamp    wire.Stamp
	question uint64
	frame    []byte
	at       time.Duration
}

// clock is what a peer has confirmed about its clock.
type clock struct {
	confirmed slot.Timestamp // the highest timestamp that it has confirmed to have issued or seen.
	question  uint64         // the open question; zero: none.
	next      time.Duration  // the earliest time of the next question.
}

// New returns a machine without claims.
func New(shared *step.Shared, owner Owner) *Machine { return &Machine{Shared: shared, owner: owner} }

// Handlers are the messages that the machine takes in.
func (m *Machine) Handlers() []step.Handler {
	return []step.Handler{
		step.On(wire.KindConfirmAsk, m.HandleConfirmAsk),
		step.On(wire.KindConfirmIs, m.HandleConfirmIs),
	}
}

// Confirmed reports whether a frame of a peer may be taken in. If not, the peer is asked, and Owner.Again gets the
// frame when it has confirmed it. The machine keeps the frame.
func (m *Machine) Confirmed(from *step.Peer, frame []byte) bool {
	if !wire.Kind(frame[1]).Lasts() {
		return true
	}
	stamp := wire.ReadStamp(frame)
	m.expire()
	if slices.ContainsFunc(m.claims, func(c claim) bool { return c.from == from.ID && c.stamp == stamp }) {
		return false // under way.
	}
	bytes := len(frame)
	for i := range m.claims {
		bytes += len(m.claims[i].frame)
	}
	for len(m.claims) > 0 && (len(m.claims) >= claimsMax || bytes > claimBytes) {
		bytes -= len(m.claims[0].frame)
		m.claims = slices.Delete(m.claims, 0, 1)
	}
	c := claim{from: from.ID, stamp: stamp, question: m.question(), frame: frame, at: m.Now.Mono}
	m.claims = append(m.claims, c)
	m.Counters.ClaimsAsked++
	m.ask(from, &wire.ConfirmAsk{Question: c.question, Stamp: stamp, Sum: wire.ReadSum(frame)})
	return false
}

// expire drops messages that have waited for too long.
func (m *Machine) expire() {
	m.claims = slices.DeleteFunc(m.claims, func(c claim) bool { return m.Now.Mono-c.at > claimAgeMax })
}

// question draws a number that no other process can know.
func (m *Machine) question() uint64 { return max(m.Rand.Uint64(), 1) }

func (m *Machine) ask(p *step.Peer, q *wire.ConfirmAsk) {
	m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindConfirmAsk, q))
}

// Believes returns nil when it is plausible that a peer has seen a timestamp. Otherwise the peer is asked, and the
// message that carries the timestamp counts as lost: the error is step.ErrUnconfirmed.
func (m *Machine) Believes(from *step.Peer, ts slot.Timestamp) error {
	c := m.clocks.Of(from)
	if known := max(m.HLC.Last(), hlc.Make(m.Now.Wall, 0), c.confirmed); ts <= known || ts-known <= leap {
		return nil
	}
	if m.Now.Mono >= c.next {
		c.next, c.question = m.Now.Mono+askAgain, m.question()
		m.Counters.ClaimsAsked++
		m.ask(from, &wire.ConfirmAsk{Question: c.question})
	}
	return step.ErrUnconfirmed
}

const leap = slot.Timestamp(leapMax/time.Millisecond) << logicalShift

// HandleConfirmAsk answers whether this member has sealed an envelope, and how far its clock has come.
func (m *Machine) HandleConfirmAsk(from *step.Peer, ask *wire.ConfirmAsk) error {
	is := wire.ConfirmIs{Question: ask.Question, Sealed: m.HasSealed(ask.Stamp, ask.Sum), Clock: m.HLC.Last()}
	m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindConfirmIs, &is))
	return nil
}

// HandleConfirmIs takes in a message that a peer has confirmed, and drops one that it has denied.
func (m *Machine) HandleConfirmIs(from *step.Peer, is *wire.ConfirmIs) error {
	if c := m.clocks.Of(from); c.question != 0 && c.question == is.Question {
		c.question, c.confirmed = 0, max(c.confirmed, is.Clock)
		return nil
	}
	i := slices.IndexFunc(m.claims, func(c claim) bool { return c.from == from.ID && c.question == is.Question })
	if i < 0 {
		return nil // asked too long ago, or never.
	}
	frame := m.claims[i].frame
	m.claims = slices.Delete(m.claims, i, i+1)
	if is.Sealed {
		m.owner.Again(frame)
		return nil
	}
	m.Counters.ClaimsDenied++
	m.Log(contract.LogDebug, "a member denies what came in its name", "member", from.ID.String(),
		"message", wire.FrameName(frame))
	return nil
}
