// Package machine is the part of the contract between a deterministic state machine and the world around it that is the
// same for all machines: time, persists, sends, log lines, and Gate, which keeps the order "persist, then speak".
//
// It is not a machine, and not a world. A machine is stepped with the time and one input, and returns effects. Two
// worlds carry effects out: kvs/sim, where time, network and disks are virtual, and for kvs' own node
// kvs/node/host, where they are real.
//
// Ownership: slices inside of effects belong to the world once the step has returned. They may be shared (one
// encoded record may go to several peers), so no receiver may write to them.
//
// Begin with PersistID and Gate.
package machine

import "time"

// Time is what the world's clocks say at the moment of an input. Wall may jump both ways; Mono only goes forward, and
// its zero is arbitrary.
type Time struct {
	Wall int64         // milliseconds since the Unix epoch, by this machine's clock.
	Mono time.Duration // monotonic time; timers use nothing else.
}

// PersistID numbers the persists of one run of a machine: 1, 2, 3, ... Zero means "no persist".
type PersistID uint64

// Change is one change to the store. Key is the full store key. A nil Value deletes.
type Change struct {
	Key   string
	Value []byte
}

// Persist is a set of changes that become durable together, or not at all. Persists become durable strictly in the
// order of their IDs; many may share one fsync.
type Persist struct {
	ID      PersistID // zero: this step persists nothing.
	Changes []Change  // in order: a later one of the same key wins.
}

// Transport is how a message travels.
type Transport uint8

// Datagrams may be lost, duplicated and reordered, and are at most DatagramBytesMax long. Frames travel over a
// stream between two members; they may be lost when the connection breaks, and frames of different connections may
// be reordered.
const (
	TransportDatagram Transport = iota
	TransportFrame
)

// DatagramBytesMax bounds a whole datagram: 1400 bytes pass any ordinary network path unfragmented.
const DatagramBytesMax = 1400

// Send is a message for the process at address To ("host:port"; in a simulation, a virtual one).
type Send struct {
	After     PersistID // it leaves when all persists up to this one are durable; zero: at once.
	Transport Transport
	To        string
	Data      []byte // no longer written to: in a simulation the receivers of a frame share it.
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
