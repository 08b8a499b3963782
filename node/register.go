package node

import (
	"fmt"
	"slices"
	"time"
)

// The linearizable level: the proposer. Every path is a register of its own, agreed on by the voters of the configuration in
// force; any member proposes, there is no leader.
//
//	read   look at a majority; if all hold the same record for certain, answer (one round trip, nothing written). Otherwise a
//	       full round that repeats what is there.
//	write  PREPARE under a ballot above everything seen; a majority promises and shows what it holds; evaluate the condition;
//	       ACCEPT the new record; a majority has it on disk: done.
//
// The rounds are those of Paxos (Lamport, "Paxos Made Simple", 2001, section 2), with a register's value changing from ballot to
// ballot as in CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without logs", 2018, section 2.2). A round is
// pinned to one epoch; after learning a newer one it starts over.
//
// What was begun and not seen through is never guessed: once an ACCEPT was sent and its round failed, the next round finds
// out whether the write got in (see decide), and if that cannot be told the client learns that the outcome is unknown.

const (
	registerOpsMax     = 4096 // operations under way; more are refused as overloaded.
	registerTimeout    = 10 * time.Second
	registerBackoff    = 10 * time.Millisecond // of the first lost race; it doubles.
	registerBackoffMax = time.Second
)

// phase is what a round waits for.
type phase uint8

const (
	phaseLook    phase = iota // answers to a look.
	phasePrepare              // promises.
	phaseAccept               // acceptances.
	phasePause                // the end of a back-off.
	phaseQueued               // another operation of this member on the same path.
	phaseDone                 // answered: only stragglers are waited for.
)

// registerOp is a linearizable operation under way.
type registerOp struct {
	request *Request
	uuid    UUID // of the version it writes, the same in every attempt.
	phase   phase
	round   uint64 // names the exchange: answers to earlier ones are of no interest.
	ballot  Ballot
	answers []seen // of a look or PREPARE, sorted by voter.
	oks     []ID   // voters that accepted, sorted.
	against []ID   // voters that refused this exchange, sorted.

	first    Timestamp // the timestamp of the first ACCEPT sent; zero: none was, so nothing can have happened.
	firstAt  time.Duration
	internal bool       // nobody waits for the answer.
	created  bool       // of that version: nothing showed before it.
	writes   bool       // next is the operation's own version, not what was there before.
	next     *Consensus // what ACCEPT carries; shared, never written to.
	result   Response   // the answer once it is chosen.
	after    PersistID  // the questions of this exchange wait for it.
	local    PersistID  // of this member's own vote in this exchange; zero: it waits for nothing.
	raised   Timestamp  // a timestamp the next ballot has to be above.

	began    time.Duration // of the exchange under way.
	lost     int           // races in a row.
	retryAt  time.Duration
	delay    time.Duration
	deadline time.Duration
}

// registerOps holds the operations under way, sorted by round. Those of one path run one after the other, so that a member
// does not compete with itself; looks disturb nobody and do not queue.
type registerOps struct {
	ops   []*registerOp
	open  int // of them, those that are not answered.
	last  uint64
	wake  time.Duration
	turns map[string]*turn // by path.

	// decided are the rounds about configurations that ended in the running step: what follows from them restarts rounds, and
	// so waits until the step is done with them.
	decided []decided
}

type decided struct {
	op   *registerOp
	resp Response
}

// turn says which operation may run full rounds on a path, and which wait for that, in order.
type turn struct {
	holder  *registerOp
	waiting []*registerOp
}

func (q *registerOps) find(round uint64) (int, bool) {
	return slices.BinarySearchFunc(q.ops, round, func(o *registerOp, r uint64) int { return compareID(ID(o.round), ID(r)) })
}

// holds reports whether o is still under way.
func (q *registerOps) holds(o *registerOp) bool {
	i, ok := q.find(o.round)
	return ok && q.ops[i] == o
}

// linearizable begins an operation, or refuses it when that is hopeless: nothing has happened then.
func (n *Node) linearizable(r *Request) {
	switch detail := n.noQuorum(); {
	case detail != "":
		n.refuse(r, CodeNoQuorum, detail)
	case n.register.open >= registerOpsMax:
		n.refuse(r, CodeOverloaded, fmt.Sprintf("%d operations wait for other members already", registerOpsMax))
	default:
		o := &registerOp{request: r, deadline: n.now.Mono + registerTimeout}
		if r.Deadline != 0 { // the honest answer shall come before nobody waits for it any more.
			o.deadline = n.now.Mono + (r.Deadline-n.now.Mono)/10*9
		}
		if r.Op != OpGet {
			o.uuid = n.newUUID()
		}
		n.register.open++
		n.counters.Rounds++
		n.beginRound(o)
	}
}

// noQuorum says why there is no majority of the voters to be had; empty: there may be one.
func (n *Node) noQuorum() string {
	if n.config == nil {
		return n.unfounded()
	}
	if alive := n.votersAlive(); alive < n.config.Majority() {
		return fmt.Sprintf("%d of %d voters can be reached, %d are needed: try again later, or use consistency=eventual",
			alive, len(n.config.Voters), n.config.Majority())
	}
	return n.voiceless()
}

func (n *Node) votersAlive() int {
	if n.config == nil {
		return 0
	}
	count := 0
	for _, id := range n.config.Voters {
		if p := n.peer(id); id == n.id || p != nil && !p.dead() {
			count++
		}
	}
	return count
}

// beginRound starts an operation, also anew: a read looks first, a write prepares.
func (n *Node) beginRound(o *registerOp) {
	if o.request.Op == OpGet {
		n.beginExchange(o, phaseLook)
		return
	}
	n.prepare(o)
}

// prepare begins a full round under a ballot above everything this member has issued or seen, once it is the operation's turn.
func (n *Node) prepare(o *registerOp) {
	if !n.takeTurn(o) {
		return
	}
	ts, err := n.stamp(o.raised)
	if err != nil {
		n.refuseRound(o, CodeClock, err.Error())
		return
	}
	o.ballot = Ballot{Epoch: n.epoch(), TS: ts, Member: n.id}
	n.beginExchange(o, phasePrepare)
}

// takeTurn reports whether o may run full rounds on its path; if not, it waits in line.
func (n *Node) takeTurn(o *registerOp) bool {
	path := o.request.Path
	t := n.register.turns[path]
	switch {
	case t == nil:
		if n.register.turns == nil {
			n.register.turns = make(map[string]*turn)
		}
		n.register.turns[path] = &turn{holder: o}
		return true
	case t.holder == o:
		return true
	}
	t.waiting = append(t.waiting, o)
	n.file(o, phaseQueued)
	o.retryAt = o.deadline
	n.wakeRegister(o.retryAt)
	return false
}

// ahead counts the operations of the path that go before one that waits in line.
func (n *Node) ahead(o *registerOp) int {
	return 1 + slices.Index(n.register.turns[o.request.Path].waiting, o)
}

// endTurn lets the next operation of the path go on.
func (n *Node) endTurn(o *registerOp) {
	path := o.request.Path
	t := n.register.turns[path]
	if t == nil {
		return
	}
	if t.holder != o {
		t.waiting = slices.DeleteFunc(t.waiting, func(w *registerOp) bool { return w == o })
		return
	}
	if len(t.waiting) == 0 {
		delete(n.register.turns, path)
		return
	}
	t.holder = t.waiting[0]
	t.waiting = slices.Delete(t.waiting, 0, 1)
	n.beginRound(t.holder) // a read looks again: what its predecessor did may have settled the path.
}
