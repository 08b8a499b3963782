package register

import (
	"fmt"
	"slices"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
)

// The linearizable level: the proposer. Every path is a register of its own, agreed on by the voters of the
// configuration in force; any member proposes, there is no leader.
//
//	read   look at a majority; if all hold the same record for certain, answer (one round trip, nothing written).
//	       Otherwise a full round that repeats what is there.
//	write  PREPARE under a ballot above everything seen; a majority promises and shows what it holds; evaluate the
//	       condition; ACCEPT the new record; a majority has it on disk: done. The next write of this member goes
//	       without PREPARE, see standing.go.
//
// The rounds are those of Paxos (Lamport, "Paxos Made Simple", 2001, section 2), with a register's value changing from
// ballot to ballot as in CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without logs", 2018, section 2.2). A
// round is pinned to one epoch; after learning a newer one it starts over.
//
// What was begun and not seen through is never guessed: once an ACCEPT was sent and its round failed, the next round
// finds out whether the write got in (see decide), and if that cannot be told the client learns that the outcome is
// unknown.

const (
	opsMax      = 4096 // operations under way; more are refused as overloaded.
	internalMax = 64   // operations under way, beyond which the node begins none of its own.
	timeout     = 10 * time.Second
	backoff     = 10 * time.Millisecond // of the first lost race; it doubles.
	backoffMax  = time.Second
)

// phase is what a round waits for.
type phase uint8

const (
	phaseLook      phase = iota // answers to a look.
	phasePrepare                // promises.
	phaseAccept                 // acceptances.
	phasePause                  // the end of a back-off.
	phaseQueued                 // another operation of this member on the same path.
	phaseRiding                 // the round of another operation, in whose batch it is.
	phaseForwarded              // the answer of the member that runs it.
	phaseDone                   // answered: only stragglers are waited for.
)

// operation is a linearizable operation under way.
type operation struct {
	Attempt
	phase   phase
	round   uint64    // names the exchange: answers to earlier ones are of no interest.
	answers []Seen    // of a look or PREPARE, sorted by voter.
	oks     []slot.ID // voters that accepted, sorted.
	against []slot.ID // voters that refused this exchange, sorted.
	stands  []slot.ID // voters that promised the ballot after this one as they accepted, sorted.
	blind   []slot.ID // voters that lost what they had there, sorted.
	passed  []slot.ID // voters that were known to have caught up with the epoch when a PREPARE began, see blind.go.

	lead    *operation   // whose batch it is in.
	riders  []*operation // those in its own batch, which end with its round.
	wrote   slot.Record  // the version that its last attempt makes.
	carried slot.Record  // the one with which it was sent last, in its own record or in that of its batch,
	first   bool         // and whether nothing showed before that,
	// and all that were sent, one for each ballot of Sent.
	attempts []attempt
	in       int // of those, the one that DescentIn is about.

	errand  *errand        // the part of another member in it; nil: there is none.
	from    *origin        // the member for whose client it is; nil: it is of this member.
	foreign slot.Timestamp // of what it was evaluated on, see Joined.Foreign.

	firstAt  time.Duration
	internal bool               // of the node itself: no client waits for the answer.
	created  bool               // of that version: nothing showed before it.
	writes   bool               // next is the operation's own version, not what was there before.
	next     *slot.Consensus    // what ACCEPT carries; shared, never written to.
	seen     slot.Timestamp     // the version that next follows, if there was no PREPARE; else zero.
	follows  slot.Ballot        // of the record that next follows; zero: there is none.
	asked    slot.Ballot        // of the record of which this exchange asks what it has come from,
	told     bool               // and whether an answer came,
	asks     int                // and how many such questions there were.
	result   contract.Response  // the answer once it is chosen.
	after    contract.PersistID // the questions of this exchange wait for it.
	local    contract.PersistID // of this member's own vote in this exchange; zero: it waits for nothing.
	raised   slot.Timestamp     // a timestamp the next ballot has to be above.

	began    time.Duration // of the exchange under way.
	lost     int           // races in a row.
	retryAt  time.Duration
	delay    time.Duration
	deadline time.Duration
}

// attempt is a version that an operation was sent with.
type attempt struct {
	record slot.Record
	first  bool // nothing showed before it.
}

type decided struct {
	path string
	resp contract.Response
}

// turn says which operation may run full rounds on a path, and which wait for that, in order.
type turn struct {
	holder  *operation
	waiting []*operation
}

// Begin begins a linearizable operation, or refuses it when that is hopeless: nothing has happened then.
func (m *Machine) Begin(r *contract.Request) {
	switch detail := m.owner.NoQuorum(); {
	case detail != "":
		m.Refuse(r, contract.CodeNoQuorum, detail)
	case m.open >= opsMax:
		m.Refuse(r, contract.CodeOverloaded, fmt.Sprintf("%d operations wait for other members already", opsMax))
	default:
		o := &operation{Attempt: Attempt{Request: r}, deadline: m.Now.Mono + timeout}
		if r.Deadline != 0 { // so that "unknown" reaches the client while it still waits.
			o.deadline = m.Now.Mono + (r.Deadline-m.Now.Mono)/10*9
		}
		if r.Op != contract.OpGet {
			o.UUID = m.NewUUID()
		}
		m.beginOp(o)
	}
}

// Absorb has a linearizable read put a tombstone in the place of the live value beneath it, or of a weak copy: only
// then may the tombstone end. It does nothing while there is no majority to be had, or while many operations are under
// way.
func (m *Machine) Absorb(path string) {
	if m.mayBeginInternal() {
		m.beginInternal(Attempt{Request: &contract.Request{
			Op: contract.OpGet, Level: contract.Linearizable, Path: path,
		}})
	}
}

// End begins a linearizable delete of just this version, for which no client waits, and reports whether it has begun:
// not without a majority of the voters, nor while many operations are under way.
func (m *Machine) End(path string, v slot.Version) bool {
	if !m.mayBeginInternal() {
		return false
	}
	m.beginInternal(Attempt{UUID: m.NewUUID(), Request: &contract.Request{
		Op: contract.OpDelete, Level: contract.Linearizable, Path: path,
		Condition: contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{v}},
	}})
	return true
}

// DecideConfig begins the round in which the voters decide on the configuration that ends the epoch of path, see
// schema.ConfigPath. The result comes by Owner.ConfigDecided, after the step in which the round ends.
func (m *Machine) DecideConfig(path string, config []byte, deadline time.Duration) {
	r := &contract.Request{
		Op: contract.OpPut, Level: contract.Linearizable, Path: path, Value: config,
		Condition: contract.Condition{Kind: contract.IfNoneMatch, Any: true}, Deadline: deadline,
	}
	m.beginOp(&operation{Attempt: Attempt{Request: r, UUID: m.NewUUID()}, deadline: deadline})
}

func (m *Machine) mayBeginInternal() bool {
	return m.InForce != nil && m.VotersAlive() >= m.InForce.Majority() && m.open < internalMax
}

// beginInternal begins an operation of the node itself: no client waits for its answer.
func (m *Machine) beginInternal(a Attempt) {
	m.beginOp(&operation{Attempt: a, internal: true, deadline: m.Now.Mono + timeout})
}

func (m *Machine) beginOp(o *operation) {
	m.open++
	m.Counters.Rounds++
	m.beginRound(o)
}

// beginRound starts an operation, also anew: a read looks first, a write prepares.
func (m *Machine) beginRound(o *operation) {
	if o.Request.Op == contract.OpGet {
		m.beginExchange(o, phaseLook)
		return
	}
	m.prepare(o)
}

// prepare begins a full round under a ballot above everything this member has issued or seen, once it is the
// operation's turn.
func (m *Machine) prepare(o *operation) {
	if m.late(o) || m.handOver(o) || !m.takeTurn(o) || m.goDirect(o) {
		return
	}
	ts, err := m.Stamp(o.raised)
	if err != nil {
		m.refuseRound(o, contract.CodeClock, err.Error())
		return
	}
	o.Ballot = slot.Ballot{Epoch: m.Epoch(), TS: ts, Member: m.Self}
	m.beginExchange(o, phasePrepare)
}

// takeTurn reports whether o may run full rounds on its path; if not, it waits in line.
func (m *Machine) takeTurn(o *operation) bool {
	path := o.Request.Path
	t := m.turns[path]
	switch {
	case t == nil:
		if m.turns == nil {
			m.turns = make(map[string]*turn)
		}
		m.turns[path] = &turn{holder: o}
		return true
	case t.holder == o:
		return true
	}
	t.waiting = append(t.waiting, o)
	m.file(o, phaseQueued)
	o.retryAt = o.deadline
	m.wakeAt(o.retryAt)
	return false
}

// ahead counts the operations of the path that go before one that waits in line.
func (m *Machine) ahead(o *operation) int {
	return 1 + slices.Index(m.turns[o.Request.Path].waiting, o)
}

// endTurn lets the next operation of the path go on.
func (m *Machine) endTurn(o *operation) {
	path := o.Request.Path
	t := m.turns[path]
	if t == nil {
		return
	}
	if t.holder != o {
		t.waiting = slices.DeleteFunc(t.waiting, func(w *operation) bool { return w == o })
		return
	}
	if len(t.waiting) == 0 {
		delete(m.turns, path)
		return
	}
	t.holder = t.waiting[0]
	t.waiting = slices.Delete(t.waiting, 0, 1)
	if len(t.waiting) == 0 {
		m.beginRound(t.holder) // a read looks again: what its predecessor did may have settled the path.
		return
	}
	m.prepare(t.holder) // those that wait behind it go with it.
}
