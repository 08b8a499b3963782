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

// exitError is an error with an exit code.
type exitError = exit.Error

// coded gives an error an exit code. nil: it has been printed.
func coded(code exitCode, err error) error { return exit.With(code, err) }

func usageError(format string, args ...any) error { return exit.BadUsage(format, args...) }

// codeOf is the exit code for err, and whether err is still to be printed.
func codeOf(err error) (code exitCode, silent bool) {
	if err == nil {
		return exitOK, true
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.Code, e.Err == nil
	}
	return exitFailed, false
}
