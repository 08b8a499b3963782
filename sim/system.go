package sim

import (
	"math/rand/v2"
	"time"

	"kvs/linearize"
)

// System is a kind of cluster that the simulator can run. Network, disks, clocks, faults, phases, history, trace and
// reports are the simulator's; a system starts its machines, and has the clients and the promises.
type System interface {
	// Name is one word in lower case.
	Name() string

	// New returns the system's part of one run. The world has its scenario, its replicas and its randomness; no event
	// has happened yet.
	New(w *World) Cluster
}

// Modeled is a System whose histories are judged by another model than kvs' register.
type Modeled interface {
	Model() linearize.Model
}

// Cluster is the system's part of one run. A small one embeds Base. It may also implement Operator, Guard, Sparer,
// Rotter, CoreChooser, Explainer, Counter, Historian and Failer.
type Cluster interface {
	// Start begins a run of the process of r on its disk, which it reads through r.Reader(). It may fill effects as a
	// step does. Randomness is r.Rand(), a new stream for each run. An error breaks the promise node-works.
	Start(r *Replica, now Time, eff *Effects) (Machine, error)

	// Client returns the client with a number from 1 on, which loads the cluster in the safety phase.
	Client(number int) Client

	// Probe adds clients (World.AddClient) that prove that the replicas with these numbers serve: when the core
	// phase begins, those of the core, and when the liveness phase begins, all.
	Probe(nodes []int)

	// Unsettled describes what these replicas still have to reach, such as an agreement; empty: nothing. The world
	// itself finds processes that are down, pending persists and waiting clients.
	Unsettled(nodes []int) string

	// Describe returns the kind of a message, and its fields, for reports. Data may be damaged or cut short.
	Describe(data []byte) (kind, detail string)

	// Checkers are called in this order, for each event and at the end.
	Checkers() []Checker
}

// Base is a Cluster's methods that do nothing, to be embedded.
type Base struct{}

// Probe implements Cluster: there are no probes.
func (Base) Probe([]int) {}

// Unsettled implements Cluster: all is settled when clients and disks are.
func (Base) Unsettled([]int) string { return "" }

// Describe implements Cluster: all messages are alike.
func (Base) Describe([]byte) (kind, detail string) { return "message", "" }

// Checkers implements Cluster: there are none.
func (Base) Checkers() []Checker { return nil }

// Client is a client outside of the cluster with one operation at a time. A small one embeds BaseClient.
type Client interface {
	// Next draws the next operation, and returns how long the client waits before it begins. False: the client is done.
	// Everything random about an operation is drawn here: when the scenario does not keep it, Next is called again
	// instead of Begin.
	Next() (think time.Duration, more bool)

	// Begin begins the operation.
	Begin() Operation

	// Serve is called when a request has reached the running replica r. It returns the body of the InputRequest; or it
	// answers beside the machine, as a host may do from the store alone: then it fills call.Answer, and returns false.
	Serve(r *Replica, call *Call) (body any, ask bool)

	// Answer returns the meaning of a reply. It is called when the reply may leave its replica.
	Answer(r *Replica, call *Call, reply *Reply) Answer

	// End gets the outcome for the client: an answer, or that there is none, and may change it. Again: the same
	// operation is sent once more, at once, as op is now.
	End(op *Operation, a *Answer) (again bool)
}

// BaseClient has default methods of a Client, to be embedded.
type BaseClient struct{}

// Serve implements Client: the machine is asked.
func (BaseClient) Serve(_ *Replica, call *Call) (body any, ask bool) { return call.Op.Body, true }

// End implements Client: nothing is tried twice.
func (BaseClient) End(*Operation, *Answer) (again bool) { return false }

// Operation is one operation of a client.
type Operation struct {
	Node    int           // the replica that it asks, from 1.
	Timeout time.Duration // after which the client gives up, its outcome unknown. Required.
	Body    any           // the body of the request, unless Client.Serve returns another.

	// For people:
	Kind, Subject string // what, and of what: "put", "a/b".
	Label         string // short: the value.

	// History is the operation as the judge sees it. Nil: it is in no history.
	History *linearize.Op
}

// Answer is the outcome of an operation.
type Answer struct {
	Status  linearize.Status // ok, fail (it certainly did not happen) or info (unknown).
	Err     string           // why not.
	Value   []byte           // the value that was read: it goes into the trace hash.
	Output  string           // the same in short, for people.
	History linearize.Answer // of an operation in the history: its answer for the judge.
	Body    any              // the system's own.
}

// Call is one attempt of an operation, with its request and answer.
type Call struct {
	Op       Operation
	Caller   *Caller
	Node     int
	Deadline time.Duration // virtual time at which the client gives up.
	AskedAt  time.Duration // virtual time at which the machine got it.
	State    any           // the system's own.
	Answer   Answer

	id     uint64 // Input.ID; zero: a free slot.
	index  int32  // of the caller.
	number uint32 // Caller.count when it was made: answers to older calls are ignored.
	run    uint32 // of the replica that is working on it.
	asked  bool   // the machine has it.
}

// Role is the purpose of a client.
type Role uint8

// The roles.
const (
	RoleLoad   Role = iota // begins no operation after the safety phase.
	RoleScript             // goes on until it is done; the end of the phase waits for it.
	RoleProbe              // the same; its operations are not counted and are in no history.
)

// The interfaces that a Cluster may implement beside its own.
type (
	// Operator operates the cluster: Operate is called at intervals. Zero: it has nothing to do.
	Operator interface {
		OperateEvery() time.Duration
		Operate()
	}

	// Guard tells a machine that its disk is nearly full, or has room again: NearlyFull returns the body of an
	// InputControl.
	Guard interface {
		NearlyFull(on bool) any
	}

	// Sparer protects disks: a wipe that MayWipe forbids does not happen.
	Sparer interface {
		MayWipe(r *Replica) bool
		MayPutBack(r *Replica, copied Reader) bool // an older copy of the disk, in its place.
	}

	// Rotter returns the keys on a disk of which one may rot. Without it no key rots.
	Rotter interface {
		MayRot(r *Replica) []string
	}

	// Forger makes the messages that an outsider, who cannot read messages, sends to a replica in another one's name.
	Forger interface {
		Forge(rng *rand.Rand, from, to *Replica) (t Transport, data []byte)
	}

	// CoreChooser limits the cores of the core phase: MayBegin whether there can be one, MayBeCore whether it can
	// be these, a majority.
	CoreChooser interface {
		MayBegin() bool
		MayBeCore(nodes []int) bool
	}

	// Explainer adds to the report on why a run has not ended.
	Explainer interface {
		Explain(h *Holdup)
	}

	// Counter returns numbers of a run for its line. Their names and order are always the same.
	Counter interface {
		Counts() []Count
	}

	// Historian completes the history of a run before it is kept, and judges it for the promises linearizable and
	// not-linearizable.
	Historian interface {
		Complete(h *linearize.History)
		Judge(h *linearize.History) *linearize.Result
	}

	// Failer changes a reply that waited for a broken disk into a failure. Without it the client gets no answer.
	Failer interface {
		Fail(reply *Reply, detail string)
	}
)

// Count is a number with a name.
type Count struct {
	Name string
	N    int
}
