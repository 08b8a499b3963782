package node

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kvs/node/swim"
)

// The end of a membership. A member that leaves, or that an operator removes, is gone for good, by its identity (the fact
// travels and is kept by node/swim and the address book). It has no vote in what is written from then on, nothing is kept for it, and no frame of it
// is taken: tombstones are dropped without asking it, so what it holds must not come back. Its machine may join again with an
// empty data folder, as another member under whatever name and address.
//
// A wiped member that returns under its old name is two lines in the table: the new identity, alive, and the old one, which
// stays dead, and has its vote, until an operator removes it. Nobody else can know that the old disk is really lost.

// Remove asks the node to take a member out for good. It is refused, with a log line, for this node itself, for one that nobody
// knows, and without Force for one that is alive or a voter that the others cannot do without; CanRemove says so before. The world waits until Status shows the member
// removed and Booked.
type Remove struct {
	ID    ID
	Force bool
}

func (*Remove) input() {}

// Reasons for being read-only that come with the end of a membership.
const (
	ReasonLeaving = "leaving" // others are getting what they lack.
	ReasonLeft    = "left"    // this member left for good,
	ReasonRemoved = "removed" // or was removed.
)

// ErrVotersAway says that too few voters can be reached to go on without another one.
var ErrVotersAway = errors.New("too few voters can be reached to go on without this one")

// CanRemove says why Remove would be refused: errors wrap those of swim.Machine.Remove, and ErrVotersAway. Those who cannot reach a
// majority may be the ones that are cut off: by removing voters they would retire those who can.
func (n *Node) CanRemove(id ID, force bool) error {
	if err := n.swim.CanRemove(id, force); err != nil {
		return err
	}
	if alive := n.votersAlive(); !force && n.config.Votes(id) && alive < n.config.Majority() {
		return fmt.Errorf("%w: %d of %d, %d are needed", ErrVotersAway, alive, len(n.config.Voters), n.config.Majority())
	}
	return nil
}

func (n *Node) remove(in *Remove) {
	if err := n.CanRemove(in.ID, in.Force); err != nil {
		n.log(LogWarn, "member not removed", "id", in.ID.String(), "error", err.Error())
		return
	}
	if err := n.swim.Remove(n.now.Mono, in.ID, in.Force, n.wallNow(), &n.swimOut); err != nil {
		n.log(LogWarn, "member not removed", "id", in.ID.String(), "error", err.Error())
	}
}

func (n *Node) startLeaving() {
	n.log(LogInfo, "leaving the cluster for good")
	n.swim.Leave(n.now.Mono, n.wallNow(), &n.swimOut)
	n.retire()
}

// wallNow is the time of day, for people to read, and for conflicts, see Electorate: no version that this member has seen is younger.
func (n *Node) wallNow() uint64 { return uint64(max(n.now.Wall, n.clock.Last().Wall(), 1)) }

// gone reports whether this member's own membership has ended.
func (n *Node) gone() bool { return n.swim.Self().State.Gone() }

// retire takes this member out of everything but answering those who ask about it: whatever it sends would be refused, and what it
// hears is not for it.
func (n *Node) retire() {
	n.booksDirty = true
	n.abandonQuorum()
	n.strike(n.id)
	n.peers = slices.Delete(n.peers, 0, len(n.peers))
	reason := ReasonLeft
	if n.swim.Self().State == swim.Removed {
		reason = ReasonRemoved
	}
	n.setReadOnly(&SetReadOnly{Reason: reason, On: true})
	n.log(LogError, n.retirement())
}

// retirement says what became of this member and what to do about it; empty for a member.
func (n *Node) retirement() string {
	self := n.swim.Self()
	if !self.State.Gone() {
		return ""
	}
	verb := "left the cluster for good"
	if self.State == swim.Removed {
		verb = "was removed"
	}
	at := time.UnixMilli(int64(self.GoneAt)).UTC().Format("2006-01-02 15:04:05 UTC")
	return fmt.Sprintf("this member %s on %s: stop it, and remove its data folder to join as a new one", verb, at)
}

// quorumWithout takes a member that is gone out of the operations under way: it does not count among those that count, so what it
// did must not count towards their majority either.
func (n *Node) quorumWithout(id ID) {
	for _, o := range n.quorum.ops {
		for _, list := range []*[]ID{&o.done, &o.same} {
			if i, found := slices.BinarySearch(*list, id); found {
				*list = slices.Delete(*list, i, i+1)
			}
		}
	}
}

// abandonQuorum ends the operations under way at a member that is one no more: nobody's answer counts for it.
func (n *Node) abandonQuorum() {
	for _, o := range slices.Clone(n.quorum.ops) {
		if o.answered {
			n.dropQuorum(o)
		} else {
			o.done, o.same = nil, nil
			n.giveUpQuorum(o)
		}
	}
}

// handedOver says how many of the members that stay have everything that this one ever sent them, as far as it knows, and how
// many are needed before it may leave: a majority of them. A queue that has dropped something counts for nothing.
func (n *Node) handedOver() (have, need int) {
	need = len(n.peers)/2 + 1
	if slices.ContainsFunc(n.quorum.ops, func(o *quorumOp) bool { return o.record != nil }) {
		return 0, need // copies under way are not in the queues.
	}
	for _, p := range n.peers {
		if !p.dead() && !p.hinted() && p.dropped == 0 && p.hints == (hintCounts{}) {
			have++
		}
	}
	return have, need
}

// forgetPeer drops what is kept for a member that is gone.
func (n *Node) forgetPeer(id ID) {
	i, known := n.peerIndex(id)
	if !known {
		return
	}
	n.quorumWithout(id)
	p := n.peers[i]
	p.state = swim.Dead
	n.peerStands(p)
	n.peers = slices.Delete(n.peers, i, i+1)
}

// clashWatch says aloud what people have to know about the membership, now and then.
type clashWatch struct {
	clashes uint64 // as far as they are logged.
	silent  uint64 // rounds of dialling without an answer, as far as logged.
	quietTo time.Duration
}

const (
	clashLogInterval = time.Minute
	silentRoundsMin  = 12 // rounds of dialling before it is said, and again after ten times as many.
)

// watchMembership logs two things that gossip cannot mend: another process with this node's identity, and that nobody answers
// at any address that this node knows.
func (n *Node) watchMembership() {
	c := n.swim.Counters()
	w := &n.watch
	if c.Clashes != w.clashes && n.now.Mono >= w.quietTo && !n.gone() {
		w.clashes, w.quietTo = c.Clashes, n.now.Mono+clashLogInterval
		n.log(LogError, n.clash())
	}
	if c.SeedsSilent < w.silent {
		w.silent = 0
	}
	if s := c.SeedsSilent; s >= silentRoundsMin && (w.silent == 0 || s >= w.silent+10*silentRoundsMin) {
		w.silent = s
		n.log(LogWarn, "nobody answers at any address that this node knows, seeds and former members; it goes on trying. If the others have moved, name one of them: kvs members join HOST:PORT, or set seeds and restart",
			"seeds", slices.Clone(n.opts.Seeds), "members", len(n.roster)-1)
	}
}

// clash describes the other process that has this node's identity; empty: none was met.
func (n *Node) clash() string {
	claim, ok := n.swim.Clash()
	if !ok {
		return ""
	}
	return fmt.Sprintf("another process at %s has the identity of this node: its data folder was copied. Stop one of the two and start it again with an empty data folder", claim.Addr)
}
