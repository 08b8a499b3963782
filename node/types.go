package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kvs/node/hlc"
	"kvs/node/swim"
)

// ID is a storage identity: a random number drawn when a data folder is first used. A member that lost its disk comes
// back with another ID, because it is another member.
type ID = swim.ID

// ParseID reads the 16 hexadecimal digits that ID.String prints.
func ParseID(s string) (ID, error) { return swim.ParseID(s) }

// Timestamp is a hybrid logical timestamp; it orders versions.
type Timestamp = hlc.Timestamp

// UUID names one write for ever. Two writes with the same timestamp are told apart by it.
type UUID [16]byte

// String prints the usual 8-4-4-4-12 form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], u[10:16])
	return string(b[:])
}

// IsZero reports whether u is the zero UUID, which no write carries.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads what UUID.String prints.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("uuid %q: want 8-4-4-4-12 hexadecimal digits", s)
	}
	digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return UUID{}, fmt.Errorf("uuid %q: %w", s, err)
	}
	return u, nil
}

// Time is what the world's clocks say at the moment of an input. Wall may jump both ways; Mono only goes forward and
// starts anywhere.
type Time struct {
	Wall int64         // milliseconds since the Unix epoch, as this machine believes.
	Mono time.Duration // monotonic time; timers use nothing else.
}

// Level is the consistency a request asks for.
type Level uint8

// The three levels of PUT, GET and DELETE. DefaultLevel means: what the configuration says.
const (
	DefaultLevel Level = iota
	Eventual
	Quorum
	Linearizable
)

var levelNames = [...]string{"default", "eventual", "quorum", "linearizable"}

// String prints the word used in requests, configuration, logs and answers.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// ErrUnknownLevel is wrapped by ParseLevel's error.
var ErrUnknownLevel = errors.New("unknown consistency level")

// ParseLevel reads eventual, quorum or linearizable; anything else is an error.
func ParseLevel(s string) (Level, error) {
	for i := Eventual; i <= Linearizable; i++ {
		if levelNames[i] == s {
			return i, nil
		}
	}
	return DefaultLevel, fmt.Errorf("%w %q: use eventual, quorum or linearizable", ErrUnknownLevel, s)
}

// Mode says what a node does for clients at the moment.
type Mode uint8

// The modes. A node knows why it is in one: see Status.ModeReasons.
const (
	ModeNormal   Mode = iota
	ModeReadOnly      // reads are served, writes are refused.
	ModeSyncing       // bootstrapping: not ready.
	ModeFailed        // the disk broke a promise: nothing is served until the process starts again.
)

var modeNames = [...]string{"normal", "read-only", "syncing", "failed"}

// String prints the word used in status, logs and metrics.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}
