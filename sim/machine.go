package sim

import (
	"time"

	"kvs/machine"
	"kvs/sim/hash"
)

// The parts of the contract that all machines share are defined in kvs/machine, which a machine may import without the
// simulator.
type (
	// Time is the reading of a machine's clocks at the moment of an input.
	Time = machine.Time
	// PersistID numbers the persists of one run of a machine: 1, 2, 3, ... Zero means "no persist".
	PersistID = machine.PersistID
	// Change is one change to the store. A nil Value deletes.
	Change = machine.Change
	// Persist is a set of changes that become durable together, or not at all.
	Persist = machine.Persist
	// Transport is how a message travels.
	Transport = machine.Transport
	// Send is a message for the process at an address.
	Send = machine.Send
	// LogLevel orders log lines; the values are those of log/slog.
	LogLevel = machine.LogLevel
	// Log is one structured log line.
	Log = machine.Log
)

// Transports, the bound of a datagram, and levels of the log: see kvs/machine.
const (
	TransportDatagram = machine.TransportDatagram
	TransportFrame    = machine.TransportFrame
	DatagramBytesMax  = machine.DatagramBytesMax

	LogDebug = machine.LogDebug
	LogInfo  = machine.LogInfo
	LogWarn  = machine.LogWarn
	LogError = machine.LogError
)

// Machine is what the simulator runs: one process of a cluster, as a pure state machine. It reads no clock, draws no
// randomness except that with which it was started, starts no goroutine, does no I/O, and lets no map order decide
// anything.
//
// The world calls Step with the time, one input, and empty effects to fill. It then
//   - queues Effects.Persist with the disk. Persists become durable strictly in the order of their IDs; many may
//     share one fsync; each is atomic. When all up to an ID are durable the machine gets an InputPersisted;
//   - holds back every Send and Reply whose After is above the last durable ID, and lets it go, in order, once it is
//     durable. After zero waits for nothing. A crash drops what is held back, and any suffix of what is not durable;
//   - hands the machine an InputTick when its monotonic time has reached Effects.Wake (zero: keep the former one).
//     Ticks may come early, one comes when a pause ends, and each uses up the wake-up that was asked for: a machine
//     that still waits asks again.
//
// A machine that panics has broken the promise no-panic.
type Machine interface {
	Step(now Time, in *Input, eff *Effects)
}

// InputKind is the kind of an input.
type InputKind uint8

// The inputs, and which fields of Input they use.
const (
	InputTick     InputKind = iota // its wake-up time has come.
	InputDatagram                  // From, Data: a datagram has arrived. Data is only lent for the step.
	InputFrame                     // From, Data: a frame has arrived. Data may be kept, but not written to: see Send.
	// UpTo, Err: all persists up to UpTo are durable. After an error it is unknown which of the others are durable, and
	// the disk takes no more.
	InputPersisted
	InputRequest // ID, Deadline, Body: a client's request, whose Reply has the same ID.
	InputControl // Body: a command of an operator or the host, without a reply.
)

// Input is one input. It is only lent for the step.
type Input struct {
	Kind     InputKind
	From     string // address of the sender.
	Data     []byte
	UpTo     PersistID
	Err      error
	ID       uint64
	Deadline time.Duration // monotonic time at which the client gives up.
	Body     any           // the system's own type.
}

// Effects is everything that one step asks for.
type Effects struct {
	Persist Persist
	Sends   []Send
	Replies []Reply
	Wake    time.Duration // monotonic time of the next tick; zero: unchanged.
	Logs    []Log
	// for checkers: each is raised as an EventNoted, at the moment of the step. Reused pointers cost no allocation.
	Notes []any
}

// Reply answers the request with the same ID.
type Reply struct {
	After PersistID
	ID    uint64
	// Body is the system's own type, and goes into the trace hash. A body that implements Hasher defines how; strings,
	// bytes and numbers are hashed as they are, and all other types as fmt's %+v prints them, which is slow, and wrong
	// for types that contain pointers.
	Body any
}

// WaitsFor implements machine.Waiter.
func (r Reply) WaitsFor() PersistID { return r.After }

// Hash is the trace hash.
type Hash = hash.Hash

// Hasher is a body of a reply that defines its part of the trace hash.
type Hasher interface {
	Hash(h *Hash)
}

// Reader is a machine's view of its disk. It shows durable data only.
type Reader interface {
	// Get returns the value under key, and whether there is one. The slice is never written to again.
	Get(key string) (value []byte, found bool, err error)

	// Scan calls fn for each key that begins with prefix and is not below from, in ascending byte order, until fn
	// returns false. The value is only valid during the call. fn must not call back into the store.
	Scan(prefix, from string, fn func(key string, value []byte) bool) error
}

// Reset empties e for the next step, keeping the capacity of its slices, except Persist.Changes, which the world may
// still hold.
func (e *Effects) Reset() {
	clear(e.Sends)
	clear(e.Replies)
	clear(e.Logs)
	clear(e.Notes)
	e.Persist, e.Wake = Persist{}, 0
	e.Sends, e.Replies, e.Logs, e.Notes = e.Sends[:0], e.Replies[:0], e.Logs[:0], e.Notes[:0]
}
