package main

import (
	"errors"
	"fmt"
	"strings"

	"kvs/cmd/kvs/exit"
)

// exitCode is the exit code of a command. Package exit has their meanings; packages with commands use it directly.
type exitCode = exit.Code

const (
	exitOK          = exit.OK
	exitFailed      = exit.Failed
	exitUsage       = exit.Usage
	exitNotRunning  = exit.NotRunning
	exitNotFound    = exit.NotFound
	exitRefused     = exit.Refused
	exitUnknown     = exit.Unknown
	exitUnavailable = exit.Unavailable
	exitInterrupted = exit.Interrupted
)

func exitCodesText() string {
	var b strings.Builder
	for _, c := range exit.Meanings {
		fmt.Fprintf(&b, "  %3d  %s\n", c.Code, c.Meaning)
	}
	return b.String()
}

// exitError is exit.Error.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error { return exit.BadUsage(format, args...) }

// codeOf is the exit code for err, and whether err is still to be printed.
func codeOf(err error) (code exitCode, silent bool) {
	if err == nil {
		return exitOK, true
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code, e.err == nil
	}
	var other *exit.Error
	if errors.As(err, &other) {
		return other.Code, other.Err == nil
	}
	return exitFailed, false
}
