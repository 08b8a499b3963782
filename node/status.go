package node

import (
	"slices"
	"time"

	"kvs/node/bootstrap"
	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/node/voting"
)

// Status is a snapshot of a node's state.
type Status struct {
	ID          slot.ID
	Name        string
	Addr        string
	Cluster     string
	Mode        contract.Mode
	ModeReasons []string // sorted; why the mode is not normal.
	// the farewell after a Leave is complete; or this node is no longer a member for another reason.
	Left    bool
	Started time.Duration  // monotonic time of New.
	Clock   slot.Timestamp // highest hybrid timestamp issued or seen.
	Members []swim.Member  // sorted by ID, this node and those that are gone included.
	// for each of Members: the monotonic time at which its state changed last, as this node saw it.
	Since       []time.Duration
	LocalHealth int    // zero is well: see node/swim.
	Clash       string // another process with this node's identity; empty: there is none.
	Retired     string // why this node is no longer a member; empty: it is one.
	// the identities, addresses and gone members of this table are on disk.
	Booked     bool
	HandedOver int               // members that have everything queued for them,
	HandOver   int               // and how many are needed before it may leave.
	Peers      []PeerStatus      // sorted by ID.
	Config     *voting.Config    // in force; nil: the cluster is not founded yet.
	CaughtUp   uint64            // the last epoch with which this voter has caught up.
	Digest     uint64            // of everything that is durable here: members that hold the same have the same.
	Keys       int               // records, tombstones included.
	Bootstrap  *bootstrap.Status // nil: none is under way.
	// this member replaces one whose store lost data, and the replacement is not complete: lost.go.
	Lost     bool
	StandsIn string // what is left to do once the data is complete, for people; empty: nothing.
	Counters contract.Counters
}

// PeerStatus is the state of the replication to one peer.
type PeerStatus struct {
	ID           slot.ID
	QueueEntries int
	QueueBytes   int
	Dropped      uint64        // entries dropped because the queue was full.
	LastAck      time.Duration // monotonic; zero: never.
	LastEqual    time.Duration // monotonic; when it was last seen to hold the same as this member; zero: never.
	Away         time.Duration // since the peer was found dead: its queue holds hints. Zero: it is not dead.
	HintsFull    uint64        // hints dropped because there were too many,
	HintsExpired uint64        // and because the peer was away for too long.

	ClockMeasured bool          // recently enough; otherwise the two below mean nothing.
	ClockOffset   time.Duration // how far the peer's wall clock is ahead of this node's,
	ClockError    time.Duration // give or take.
}

// PeerIDs appends to ids the members that this node replicates to at the moment.
func (n *Node) PeerIDs(ids []slot.ID) []slot.ID {
	ids = slices.Grow(ids, len(n.Peers))
	for _, p := range n.Peers {
		ids = append(ids, p.ID)
	}
	return ids
}

// Status returns a snapshot that shares nothing with the node.
func (n *Node) Status() (s Status) {
	n.StatusInto(&s)
	return s
}

// StatusInto is Status into memory that is used again: what s has held before is of no meaning any more.
func (n *Node) StatusInto(s *Status) {
	members, since, peers := n.membership.AppendMembers(s.Members[:0]), s.Since[:0], s.Peers[:0]
	*s = Status{
		ID: n.Self, Name: n.name, Addr: n.Addr, Cluster: n.opts.Cluster,
		Mode: n.modes.Mode(), ModeReasons: n.modes.Reasons(), Left: n.membership.Left(),
		Started: n.Started, Clock: n.HLC.Last(), Members: members, Config: n.InForce,
		CaughtUp: n.CaughtUp,
		Digest:   n.comparison.Digest(), Keys: n.comparison.Keys(), Counters: n.Counters,
	}
	s.Bootstrap = n.bootstrap.Status()
	s.Lost, s.StandsIn = n.lost.on, n.standsIn()
	s.Since = slices.Grow(since, len(s.Members))
	s.Peers = slices.Grow(peers, max(1, len(n.Peers))) // never nil.
	for i := range s.Members {
		s.Since = append(s.Since, n.membership.Since(s.Members[i].ID))
	}
	s.LocalHealth, s.Clash, s.Retired, s.Booked = n.membership.LocalHealth(), n.membership.Clash(),
		n.membership.Retirement(), n.membership.Booked()
	s.HandedOver, s.HandOver = n.handedOver()
	if s.Retired != "" {
		s.ModeReasons = []string{s.Retired}
	}
	for _, p := range n.Peers {
		q := n.replication.Status(p)
		offset, give, measured := n.clockOffset(p)
		s.Peers = append(s.Peers, PeerStatus{
			ID: p.ID, QueueEntries: q.QueueEntries, QueueBytes: q.QueueBytes, Dropped: q.Dropped, LastAck: q.LastAck,
			LastEqual: n.comparison.LastEqual(p), Away: q.Away, HintsFull: q.HintsFull, HintsExpired: q.HintsExpired,
			ClockMeasured: measured, ClockOffset: offset, ClockError: give,
		})
	}
}

// handedOver is how many of the remaining members have acknowledged everything that this one queued for them, and how
// many are needed before it may leave: a majority of them. A member whose queue has dropped an entry does not count.
func (n *Node) handedOver() (have, need int) {
	need = len(n.Peers)/2 + 1
	if n.quorum.Storing() {
		return 0, need // copies in flight are not in the queues.
	}
	for _, p := range n.Peers {
		if n.replication.HandedOver(p) {
			have++
		}
	}
	return have, need
}
