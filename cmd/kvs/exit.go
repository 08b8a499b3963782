package main

import (
	"errors"
	"fmt"
	"strings"
)

// exitCode is the exit code of a command. The list below is the only one: `kvs help exit-codes` prints it.
type exitCode int

// The exit codes. 1 and 3 mean for `kvs status` what the Linux Standard Base says for init scripts.
const (
	exitOK          exitCode = 0
	exitFailed      exitCode = 1
	exitUsage       exitCode = 2
	exitNotRunning  exitCode = 3
	exitNotFound    exitCode = 4
	exitRefused     exitCode = 5
	exitUnknown     exitCode = 6
	exitUnavailable exitCode = 7
	exitInterrupted exitCode = 130
)

var exitCodes = []struct {
	code    exitCode
	meaning string
}{
	{exitOK, "it worked; status: every node asked for runs"},
	{exitFailed, "it failed; status: a node is dead and left its PID file behind, or its PID file cannot be read, or " +
		"the majority is lost; stop: a node ended, but not in good order"},
	{exitUsage, "the command line or a configuration is wrong; nothing was done"},
	{exitNotRunning, "status: a node does not run, or a member is unreachable (and none is dead)"},
	{exitNotFound, "get: there is no value under the path"},
	{exitRefused, "the node refused the request; nothing was applied"},
	{exitUnknown, "a write may or may not have been applied: read before writing again"},
	{exitUnavailable, "no node answered, or none can now; nothing was applied, try again"},
	{exitInterrupted, "interrupted by Ctrl-C (SIGINT) while it was stopping"},
}

func exitCodesText() string {
	var b strings.Builder
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", c.code, c.meaning)
	}
	return b.String()
}

// exitError is an error with the exit code of the process. err may be nil: it has been printed.
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

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// codeOf is the exit code for err, and whether err is still to be printed.
func codeOf(err error) (code exitCode, silent bool) {
	if err == nil {
		return exitOK, true
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code, e.err == nil
	}
	return exitFailed, false
}
