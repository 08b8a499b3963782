// Package lease is a lease service, the smallest simulated system that can be wrong: a member with grants of a majority
// may act alone until its lease ends. The README is a tutorial. Node is the machine; system.go is the simulator's part.
package lease

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/sim"
)

// Messages are a kind, the ballot that it is about, and the highest ballot that the sender has granted.
const (
	ask     = 'a' // give me the lease.
	granted = 'g' // I grant you the lease, for a term from when I got your question.
	refused = 'r' // another member has it, or a ballot is higher.
	release = 'e' // I no longer want the lease under this ballot.
)

const (
	// keys on a disk.
	grantedKey = "granted" // the highest ballot that it has granted.
	askedKey   = "asked"   // the highest that it has asked for: none twice, or an old grant counts for a new question.

	patience  = 500 * time.Millisecond // how long a member waits for a majority, at least; at most twice as long.
	nodesSpan = 16                     // a ballot is count*nodesSpan + number of the member: no two have the same.
)

// Node is one member: it grants leases, asks for them, and acts while it holds one.
type Node struct {
	number     int
	peers      []string      // addresses of all members, this one among them.
	term       time.Duration // how long a lease lasts.
	fromAnswer bool          // the planted bug: see hold.
	rng        *rand.Rand

	// What it has granted. A grant is durable before it is sent.
	grant uint64
	until time.Duration // monotonic: no other member gets a grant before.

	// What it asks for.
	asking  uint64 // zero: nothing.
	askedAt time.Duration
	late    time.Duration // the time at which it gives up.
	votes   uint64        // a bit for each member that has granted it.
	waiting []uint64      // requests.

	// What it holds.
	token uint64
	ends  time.Duration

	highest  uint64 // ballot that it has heard of.
	persists sim.PersistID
	failed   bool // its disk failed: it sends nothing more.
}

// Step implements sim.Machine.
func (n *Node) Step(now sim.Time, in *sim.Input, eff *sim.Effects) {
	if n.failed = n.failed || in.Err != nil; n.failed {
		return
	}
	switch in.Kind {
	case sim.InputRequest: // a client asks this member to act, which it may do as long as it holds the lease.
		if now.Mono < n.ends {
			eff.Replies = append(eff.Replies, sim.Reply{ID: in.ID, Body: n.token})
			return
		}
		if n.waiting = append(n.waiting, in.ID); n.asking == 0 {
			n.asking, n.askedAt, n.votes = (n.highest/nodesSpan+1)*nodesSpan+uint64(n.number), now.Mono, 0
			n.send(eff, n.persist(eff, askedKey, n.asking), ask, n.asking, n.peers...)
			// otherwise two members with half of the votes each could go on like that.
			n.late = now.Mono + chaos.DrawDuration(n.rng, patience, 2*patience)
			eff.Wake = n.late
		}
	case sim.InputTick:
		switch {
		case n.asking != 0 && now.Mono >= n.late:
			n.send(eff, 0, release, n.asking, n.peers...)
			n.answer(eff, 0)
		case n.asking != 0:
			eff.Wake = n.late // ticks may come early.
		}
	case sim.InputFrame:
		kind, ballot := in.Data[0], binary.BigEndian.Uint64(in.Data[1:])
		n.highest = max(n.highest, ballot, binary.BigEndian.Uint64(in.Data[9:]))
		switch {
		case kind == ask:
			n.asked(now, in.From, ballot, eff)
		case kind == release && ballot == n.grant:
			n.until = now.Mono
		case kind == granted && ballot == n.asking:
			n.votes |= 1 << number(in.From)
			if bits.OnesCount64(n.votes) > len(n.peers)/2 {
				n.hold(now, eff)
			}
		}
	}
}

// asked grants or refuses a ballot.
func (n *Node) asked(now sim.Time, from string, ballot uint64, eff *sim.Effects) {
	if ballot <= n.grant || now.Mono < n.until && ballot%nodesSpan != n.grant%nodesSpan {
		n.send(eff, 0, refused, ballot, from)
		return
	}
	n.grant, n.until = ballot, now.Mono+n.term
	n.send(eff, n.persist(eff, grantedKey, ballot), granted, ballot, from)
}

// hold begins to act. A member grants for a term from when it got the question, which is after the question was sent.
// So the lease counts from the sending: otherwise the grants of the others could end while this member still acts.
// Clock rates may differ by a part of a term.
func (n *Node) hold(now sim.Time, eff *sim.Effects) {
	from := n.askedAt
	if n.fromAnswer {
		from = now.Mono
	}
	n.token, n.ends = n.asking, from+n.term-n.term/100
	if now.Mono >= n.ends { // the process was paused meanwhile.
		n.answer(eff, 0)
		return
	}
	n.answer(eff, n.token)
}

// answer answers all waiting requests: with the token, or zero when it did not get the lease.
func (n *Node) answer(eff *sim.Effects, token uint64) {
	for _, id := range n.waiting {
		eff.Replies = append(eff.Replies, sim.Reply{ID: id, Body: token})
	}
	n.asking, n.waiting = 0, n.waiting[:0]
}

// persist stores a ballot, and returns the persist to wait for before it is sent.
func (n *Node) persist(eff *sim.Effects, key string, ballot uint64) sim.PersistID {
	n.persists++
	change := sim.Change{Key: key, Value: binary.BigEndian.AppendUint64(nil, ballot)}
	eff.Persist = sim.Persist{ID: n.persists, Changes: []sim.Change{change}}
	return n.persists
}

func (n *Node) send(eff *sim.Effects, after sim.PersistID, kind byte, ballot uint64, to ...string) {
	for _, to := range to {
		data := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{kind}, ballot), n.grant)
		eff.Sends = append(eff.Sends, sim.Send{After: after, Transport: sim.TransportFrame, To: to, Data: data})
	}
}
