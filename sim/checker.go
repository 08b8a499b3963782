package sim

import (
	"fmt"
	"strings"
	"time"

	"kvs/chaos"
)

// Checker judges one promise. It receives the events that it has subscribed to when they happen, calls World.Violate
// when the promise breaks, and judges once more at the end. It changes nothing in the run.
type Checker interface {
	// Name is the name of the promise, or of the observed property.
	Name() string

	// Events are those that Observe is called for.
	Events() EventSet

	// Observe receives an event. The event is only lent for the call, and only the fields of its kind are set.
	Observe(e *Event)

	// Finish is called when the run is over, with all processes in their last state. It is not called after a panic.
	Finish()
}

// EventKind is the kind of an event.
type EventKind uint8

// The events, and which fields they set beside Kind.
const (
	EventStarting EventKind = iota // Replica: its process is about to start on its disk.
	EventStarted                   // Replica, Effects: it has started; its first effects are not carried out yet.
	// Replica, Input, Effects: a step is over; its effects are not carried out yet. Also after EventStarted, with
	// Input nil.
	EventStepped
	EventNoted    // Replica, Note: one of the notes in its effects, after EventStepped.
	EventDurable  // Replica, Persist: it can no longer be lost. The process may be down.
	EventSent     // Replica, Send: a message leaves it.
	EventReceived // Replica, From, Transport, Message: a message has arrived at it, and it is up.
	EventReplied  // Replica, Call, Reply: an answer leaves it; Call.Answer has its meaning.
	EventAnswered // Call or nil, Caller, Op, Answer: an operation is over, for its client.
	EventCrashed  // Replica: its process ends now; Machine() is still there.
	EventPaused   // Replica: its process is paused.
	EventResumed  // Replica: it goes on.
	EventWiped    // Replica: its disk, still there, is about to be lost.
	EventPutBack  // Replica: after EventWiped, an older copy of the disk is in its place.
	EventSwapped  // Replica, Other: their disks have been exchanged.
	EventRotten   // Replica, Key: the value under the key is about to be damaged.
	EventFault    // Fault: it is about to begin.
	EventPhase    // World.Phase has changed.
	// every half second: for checks of invariants and of progress.
	EventWatch
	EventOwn // and above: those of the system. Own.

	eventKindsMax = 64
)

// EventSet is a set of kinds.
type EventSet uint64

// Events makes a set.
func Events(kinds ...EventKind) (s EventSet) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has reports whether k is in s.
func (s EventSet) Has(k EventKind) bool { return s&(1<<k) != 0 }

// Event is what has happened.
type Event struct {
	Kind      EventKind
	Transport Transport
	From      int // number of the sender.
	Replica   *Replica
	Other     *Replica
	Input     *Input
	Effects   *Effects
	Note      any
	Persist   *Persist
	Send      *Send
	Message   []byte
	Call      *Call
	Caller    *Caller
	Op        *Operation
	Reply     *Reply
	Answer    *Answer
	Fault     chaos.Fault
	Key       string
	Own       any // of the system's own events.
}

// Phase is a part of a run.
type Phase uint8

// The phases.
const (
	PhaseSafety   Phase = iota // load and faults: nothing wrong may happen.
	PhaseCore                  // a majority is healed, and has to get everything done alone.
	PhaseLiveness              // everything is healed, and has to come to its end.
)

// Violation is one broken promise. At is filled in by World.Violate.
type Violation struct {
	Promise string // a promise of the scenario, or one of those that hold always.
	Node    int    // where; zero: nowhere in particular.
	Path    string // of the record concerned, if one is.
	At      time.Duration
	Detail  string
}

// String prints v on one line for people.
func (v Violation) String() string {
	var b strings.Builder
	b.WriteString(v.Promise + ":")
	if v.Node != 0 {
		fmt.Fprintf(&b, " n%d", v.Node)
	}
	if v.Path != "" {
		fmt.Fprintf(&b, " %q", v.Path)
	}
	b.WriteString(" " + v.Detail)
	return b.String()
}

// Promises that the world itself judges in every run. Finished is one that a scenario names.
const (
	PromisePanic   = "no-panic"   // no machine panics.
	PromiseWorks   = "node-works" // it starts on its own disk, and answers what was asked.
	PromiseBounded = "bounded"    // datagrams stay within their bound, and no machine spins.
)

// PromiseDeterministic is judged by tools that run a seed twice: both runs are the same.
const PromiseDeterministic = "deterministic"
