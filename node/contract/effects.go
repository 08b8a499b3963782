package contract

import (
	"time"

	"kvs/machine"
	"kvs/node/slot"
)

// This file is the contract between a Node and the world around it.
//
// The world calls Step with the time, one Input, and an Effects to fill. It then
//   - queues Effects.Persist with its disk. Persists become durable strictly in the order of their IDs; many may share
//     one fsync; each is atomic. When all up to an ID are durable the world hands the node a Persisted input;
//   - holds back every Send and Reply whose After is above the last durable ID, and lets it go, in order, once it is
//     durable (Gate does this bookkeeping for both worlds). After zero waits for nothing. A crash drops what is held
//     back;
//   - hands the node a Tick when its monotonic time has reached Effects.Wake (zero: keep the former one). Early or
//     spurious ticks are harmless.
//
// Ownership: slices inside an Effects belong to the world once Step returns, and are shared (one encoded record may go
// to several peers), so no receiver may write to them. The Effects value itself is reused by calling Reset.

// The parts that all machines share are defined in kvs/machine.
type (
	// PersistID numbers the persists of one run of a node: 1, 2, 3, ... Zero means "no persist".
	PersistID = machine.PersistID
	// Change is one change to the store.
	Change = machine.Change
	// Persist is a set of changes that become durable together, or not at all.
	Persist = machine.Persist
	// Transport is how a message travels.
	Transport = machine.Transport
	// Send is a message for the member or seed at an address.
	Send = machine.Send
	// LogLevel orders log lines; the values are those of log/slog.
	LogLevel = machine.LogLevel
	// Log is one structured log line.
	Log = machine.Log
	// Time is the reading of the world's clocks at the moment of an input.
	Time = machine.Time
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

	// Decisions are the conflicts decided in this step; a conflict appears again whenever its candidates or votes
	// change. The world need not act on them: they are for counters, pages and checkers.
	Decisions []ConflictRecord

	Changed []Changed // of the log of changes.

	Wake time.Duration // monotonic time of the next Tick; zero: unchanged.

	// Electorate is set when the electorate of conflicts has changed, and in the effects of New: the world's View has
	// to use it from now on.
	Electorate *slot.Electorate
}

// Reset empties e for the next Step, keeping the capacity of its slices but for Persist.Changes, which the world may
// still hold.
func (e *Effects) Reset() {
	clear(e.Sends)
	clear(e.Replies)
	clear(e.Logs)
	clear(e.Decisions)
	clear(e.Changed)
	e.Persist = Persist{}
	e.Sends = e.Sends[:0]
	e.Replies = e.Replies[:0]
	e.Logs = e.Logs[:0]
	e.Decisions = e.Decisions[:0]
	e.Changed = e.Changed[:0]
	e.Wake = 0
	e.Electorate = nil
}
