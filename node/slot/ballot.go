package slot

import (
	"cmp"
	"fmt"
)

// Ballot numbers one round on one path. Ballots are compared by epoch first, so that a round of a former configuration
// never outranks a value that was carried over into a later one; then by the hybrid timestamp, which no member issues
// twice; then by member. The zero Ballot is below all others.
type Ballot struct {
	Epoch  uint64 // of the configuration in which the round runs.
	TS     Timestamp
	Member ID // the proposer.
}

// Compare orders ballots.
func (b Ballot) Compare(c Ballot) int {
	if r := cmp.Compare(b.Epoch, c.Epoch); r != 0 {
		return r
	}
	if r := cmp.Compare(b.TS, c.TS); r != 0 {
		return r
	}
	return CompareID(b.Member, c.Member)
}

// Follows reports whether b is a later ballot of the proposer of c in the same epoch.
func (b Ballot) Follows(c Ballot) bool {
	return b.Epoch == c.Epoch && b.Member == c.Member && b.TS > c.TS
}

// Max is the higher of two ballots.
func (b Ballot) Max(c Ballot) Ballot {
	if b.Compare(c) < 0 {
		return c
	}
	return b
}

// IsZero reports whether b is no ballot.
func (b Ballot) IsZero() bool { return b == Ballot{} }

// String prints epoch/timestamp/member.
func (b Ballot) String() string { return fmt.Sprintf("%d/%s/%s", b.Epoch, b.TS, b.Member) }

// Consensus is the half of a slot that linearizable operations use: the state of an acceptor of single-decree Paxos
// (Lamport, "Paxos Made Simple", 2001, section 2.2), for a register that is written again and again under rising
// ballots.
//
// Promised, Weak and Blind are this member's own; members have the accepted record in common. A Consensus is never
// changed: a change makes a new one.
type Consensus struct {
	Promised Ballot    // this member refuses rounds below it. It may have promised more: see step.Shared.Promised.
	Ballot   Ballot    // under which Record was accepted; zero: no record was.
	Applied  []Applied // carried from record to record: see Applied.
	// its TS is the version: the timestamp of the write that made the value, kept by rounds that only repeat it.
	Record Record

	// Weak marks a copy that came in below the promise: it is shown and replicated, but an answer that relies on it
	// needs a full round.
	Weak bool
	// Blind means that this member once lost its record here (a checksum failed) and no longer knows its promise and
	// accepted value: it takes no part in rounds on this path any more.
	Blind bool
}

// Accepted reports whether c holds a record. c may be nil.
func (c *Consensus) Accepted() bool { return c != nil && !c.Ballot.IsZero() }

// Promise is the ballot below which c refuses. c may be nil.
func (c *Consensus) Promise() Ballot {
	if c == nil {
		return Ballot{}
	}
	return c.Promised
}

// Clone returns a copy to be changed. c may be nil.
func (c *Consensus) Clone() *Consensus {
	if c == nil {
		return &Consensus{}
	}
	out := *c
	return &out
}

// LateAccept is the state of a member that held ours and received a copy of in: the one with the higher ballot. A copy
// below the promise is taken too, but marked weak, so that members converge and no answer relies on it.
func LateAccept(ours, in *Consensus) (out *Consensus, changed bool) {
	if !in.Accepted() || ours != nil && in.Ballot.Compare(ours.Ballot) <= 0 {
		return ours, false
	}
	out = ours.Clone()
	out.Ballot, out.Record, out.Applied = in.Ballot, in.Record, in.Applied
	if out.Weak = in.Ballot.Compare(out.Promised) < 0; !out.Weak {
		out.Promised = in.Ballot
	}
	return out, true
}
