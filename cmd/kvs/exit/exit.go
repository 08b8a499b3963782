// Package exit has the exit codes of kvs, and the errors that carry them.
package exit

import "fmt"

// Code is the exit code of a command.
type Code int

// The exit codes. 1 and 3 mean for `kvs status` what the Linux Standard Base says for init scripts.
const (
	OK          Code = 0
	Failed      Code = 1
	Usage       Code = 2
	NotRunning  Code = 3
	NotFound    Code = 4
	Refused     Code = 5
	Unknown     Code = 6
	Unavailable Code = 7
	Held        Code = 124 // these four are those of timeout(1).
	Lost        Code = 125
	NoStart     Code = 126
	NoFile      Code = 127
	Signalled   Code = 128 // and the number of the signal.
	Interrupted Code = 130
)

// Meanings has every code with its meaning, in the order of the codes. `kvs exit-codes` prints it.
var Meanings = []struct {
	Code    Code
	Meaning string
}{
	{OK, "it worked; status: every node asked for runs; doctor: nothing is wrong"},
	{Failed, "it failed; status: a node is dead and left its PID file behind, or its PID file cannot be read, or " +
		"the majority is lost; stop: a node ended, but not in good order; doctor: something is wrong"},
	{Usage, "the command line or a configuration is wrong; nothing was done"},
	{NotRunning, "status: a node does not run, or a member is unreachable (and none is dead)"},
	{NotFound, "get: there is no value under the path; leader: there is none"},
	{Refused, "the node refused the request; nothing was applied"},
	{Unknown, "a write may or may not have been applied: read before writing again"},
	{Unavailable, "no node answered, or none can now; nothing was applied, try again"},
	{Held, "lock, lease: it was not free in time. Otherwise lock, lease and elect end with the exit code of CMD"},
	{Lost, "lock: the lock was lost, and CMD was stopped"},
	{NoStart, "lock, lease, elect: CMD cannot be started"},
	{NoFile, "lock, lease, elect: there is no such CMD"},
	{Signalled, "lock, lease, elect: with the number of a signal added, the signal has ended CMD"},
	{Interrupted, "interrupted by Ctrl-C (SIGINT) while it was stopping; lock, lease, elect: while it was waiting"},
}

// Error is an error with the exit code of the process. Err may be nil: it has been printed.
type Error struct {
	Code Code
	Err  error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the error without its code.
func (e *Error) Unwrap() error { return e.Err }

// With gives an error an exit code.
func With(code Code, err error) error { return &Error{Code: code, Err: err} }

// BadUsage is the error of a command line or a configuration that is wrong.
func BadUsage(format string, args ...any) error {
	return &Error{Code: Usage, Err: fmt.Errorf(format, args...)}
}
