package contract

import (
	"errors"
	"fmt"
)

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
