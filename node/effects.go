package node

import "time"

// This file is the contract between a Node and the world around it.
//
// The world calls Step with the time, one Input, and an Effects to fill. It then
//   - queues Effects.Persist with its disk. Persists become durable strictly in the order of their IDs; many may share one
//     fsync; each is atomic. When all up to an ID are durable the world hands the node a Persisted input;
//   - holds back every Send and Reply whose After is above the last durable ID, and lets it go, in order, once it is
//     durable (Gate does this bookkeeping for both worlds). After zero waits for nothing. A crash drops what is held back;
//   - hands the node a Tick when its monotonic time has reached Effects.Wake (zero: keep the former one). Early or
//     spurious ticks are harmless.
//
// Ownership: slices inside an Effects belong to the world once Step returns, and are shared (one encoded record may go to
// several peers), so nobody may write to them. The Effects value itself is reused by calling Reset.

// PersistID numbers the persists of one run of a node: 1, 2, 3, ... Zero means "no persist".
type PersistID uint64

// Op is one change to the store. Key is the full store key. A nil Value deletes.
type Op struct {
	Key   string
	Value []byte
}

// Persist is a set of changes that become durable together, or not at all.
type Persist struct {
	ID  PersistID // zero: this step persists nothing.
	Ops []Op
}

// Transport says how a message travels.
type Transport uint8

// Datagrams may be lost, duplicated and reordered, and are at most DatagramBytesMax long. Frames travel over a stream
// between two members; they may be lost when the connection breaks, and frames of different connections may be reordered.
const (
	TransportDatagram Transport = iota
	TransportFrame
)

// DatagramBytesMax bounds a datagram with everything in it: 1400 bytes pass any ordinary path unfragmented.
const DatagramBytesMax = 1400

// Send is a message for the member or seed at address To ("host:port"; in a simulation, a virtual one).
type Send struct {
	After     PersistID
	Transport Transport
	To        string
	Data      []byte
}

// Reply answers the Request with the same ID. See request.go.
type Reply struct {
	After PersistID
	Response
}

// Effects is everything one Step asks for.
type Effects struct {
	Persist Persist
	Sends   []Send
	Replies []Reply
	Logs    []Log

	// Decisions are the conflicts decided in this step, again whenever more is known of one. Nothing has to be done about
	// them: they are for whoever counts, shows, or checks them.
	Decisions []ConflictRecord

	Wake time.Duration // monotonic time of the next Tick; zero: unchanged.

	// Electorate is set when those who decide conflicts have changed, and in the effects of New: the world's View has to
	// use it from now on.
	Electorate *Electorate
}

// Reset empties e for the next Step, keeping the capacity of its slices but for Persist.Ops, which the world may still hold.
func (e *Effects) Reset() {
	clear(e.Sends)
	clear(e.Replies)
	clear(e.Logs)
	clear(e.Decisions)
	e.Persist = Persist{}
	e.Sends = e.Sends[:0]
	e.Replies = e.Replies[:0]
	e.Logs = e.Logs[:0]
	e.Decisions = e.Decisions[:0]
	e.Wake = 0
	e.Electorate = nil
}

// LogLevel orders log lines; the values are those of log/slog.
type LogLevel int8

// Levels, with slog's numbers.
const (
	LogDebug LogLevel = -4
	LogInfo  LogLevel = 0
	LogWarn  LogLevel = 4
	LogError LogLevel = 8
)

// Log is one structured log line. Attrs alternate key (string) and value, as in log/slog.
type Log struct {
	Level LogLevel
	Msg   string
	Attrs []any
}
