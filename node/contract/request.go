package contract

import (
	"slices"
	"time"

	"kvs/node/slot"
)

// OpKind is what a client asks for.
type OpKind uint8

// The client operations.
const (
	OpGet OpKind = iota
	OpPut
	OpDelete
	OpPromote // make the member whose ID is the path a voter.
	OpDemote  // take its vote away.
	OpPolicy  // make Strong the strong prefixes; Path is not looked at.
)

var opNames = [...]string{"get", "put", "delete", "promote", "demote", "policy"}

// String prints the word used in histories and logs.
func (k OpKind) String() string { return opNames[k] }

// Request is a client operation for the core. Eventual gets and lists do not pass here: View answers them.
//
// Path has been checked with CheckPath. Value passes into the node's ownership.
type Request struct {
	ID          uint64 // chosen by the world; the Reply repeats it. Unique among those unanswered.
	Op          OpKind
	Level       Level // never DefaultLevel: the edge has put the configured one.
	Path        string
	Value       []byte
	ContentType string
	TTL         time.Duration // of a put: how long the value lives; zero: for ever.
	Condition   Condition     // of a put or delete at the linearizable level; the zero Condition always holds.
	Key         slot.UUID     // of a linearizable write: hash of the client's idempotency key; zero: none. See SetKey.
	Fingerprint uint64        // of a write under a key: distinguishes it from other writes under the same key.
	Deadline    time.Duration // monotonic; zero: none. After it the client does not wait for the answer.
	Strong      []string      // of OpPolicy.
	Hold        bool          // of OpDemote: the member does not promote itself again; an operator has to.
	// of OpPolicy: only if the configuration in force is that of this epoch; zero: whatever it is.
	Epoch uint64
}

// Condition is what a write requires of the present value: RFC 9110 sections 13.1.1 and 13.1.2.
type Condition struct {
	Kind     ConditionKind
	Any      bool           // "*": any live value.
	Versions []slot.Version // else one of these.
}

// ConditionKind is which header a condition came in.
type ConditionKind uint8

// The kinds of condition.
const (
	Unconditional ConditionKind = iota
	IfMatch                     // the path shows one of the versions.
	IfNoneMatch                 // it shows none of them; with Any: nothing at all.
)

// Holds reports whether a condition is met by what a path shows.
func (c *Condition) Holds(r *slot.Record) bool {
	named := r.Live() && (c.Any || slices.Contains(c.Versions, r.Version()))
	switch c.Kind {
	case IfMatch:
		return named
	case IfNoneMatch:
		return !named
	}
	return true
}

// Code says how a request ended. Its String is the `code` of the REST API's problem documents.
type Code uint8

// The codes.
const (
	CodeOK           Code = iota // found, updated or deleted.
	CodeCreated                  // a put on a path that showed nothing before.
	CodeNotFound                 // no live value.
	CodeReadOnly                 // the node is read-only; the reply's Detail says why.
	CodeSyncing                  // the node is bootstrapping.
	CodeFailed                   // the node's disk failed.
	CodeOverloaded               // a bound was reached; try again later.
	CodeCorrupt                  // the stored record failed its checksum.
	CodeStorage                  // the store returned an error.
	CodeClock                    // the hybrid clock is exhausted: see hlc.
	CodeDiskFull                 // read-only because the disk is nearly full.
	CodeNoQuorum                 // too few members took part.
	CodePrecondition             // the condition is false; the reply shows the version that is there.
	CodeConflict                 // other writers were faster until the time was up.
	CodeKeyReused                // another request has used this idempotency key on the path.
	codeCount
)

var codeNames = [...]string{
	"ok", "created", "not_found", "read_only", "syncing", "storage_failed", "overloaded",
	"storage_corrupt", "storage_error", "clock_exhausted", "disk_full", "no_quorum",
	"precondition_failed", "conflict_retry", "idempotency_key_reused",
}

// Codes returns all codes, so that a test of a translation can ask for each.
func Codes() []Code {
	all := make([]Code, codeCount)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// String prints the code as in the REST API.
func (c Code) String() string { return codeNames[c] }

// Known reports whether c is one of the codes.
func (c Code) Known() bool { return c < codeCount }

// Outcome is what is certain about a write that did not succeed.
type Outcome uint8

// The outcomes.
const (
	OutcomeApplied    Outcome = iota // a success.
	OutcomeNotApplied                // it certainly did not and will not happen.
	OutcomeUnknown                   // it may have happened or may happen yet.
)

var outcomeNames = [...]string{"applied", "not_applied", "unknown"}

// String prints the outcome as in the REST API.
func (o Outcome) String() string { return outcomeNames[o] }

// RetryAfter is how long a refused client is asked to wait when waiting may help.
const RetryAfter = time.Second

// Response is the answer to one Request.
type Response struct {
	ID         uint64
	Code       Code
	Outcome    Outcome
	Level      Level       // the level the operation was run at.
	Record     slot.Record // what a get found; what a put or delete wrote.
	Detail     string      // for people: what went wrong and what to do.
	RetryAfter time.Duration
	// of a false condition: an earlier attempt found it false, and Record is the present value, not the one that made
	// it false.
	Since bool
	// of a put that was applied: another member has run it and was lost, so it is not known whether the path showed a
	// value before. Code is CodeOK then.
	CreationUnknown bool
}
