package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"kvs/node/api"
)

// Unreachable is the code of an Error that no member sent: there was no answer, or none that could be understood.
const Unreachable api.Code = "unreachable"

// Error says why an operation failed, and for a write what is certain about it. It is the failure of the last attempt;
// when a former attempt of a write had an unknown outcome, so has the whole.
type Error struct {
	Operation  string   // "PUT a/b".
	Endpoint   string   // that was asked last: "http://host:port".
	Status     int      // HTTP status; zero without an answer.
	Code       api.Code // api.NotFound, ..., or Unreachable.
	Detail     string   // for people.
	ETag       string   // of a condition that was false: the version that is there; empty: none is.
	Outcome    string   // of a write: api.NotApplied or api.Unknown. Empty for reads.
	Retryable  bool     // the same may succeed later, or at another member.
	RetryAfter time.Duration
	Attempts   int
	Err        error // the cause, when there was no answer.
}

// Error describes the failure for people.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Operation, e.Code)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Endpoint != "" {
		b.WriteString(" (" + e.Endpoint)
		if e.Attempts > 1 {
			fmt.Fprintf(&b, ", attempt %d", e.Attempts)
		}
		b.WriteString(")")
	}
	switch e.Outcome {
	case api.Unknown:
		b.WriteString("; the write may have happened or may happen yet: read before you write again")
	case api.NotApplied:
		b.WriteString("; nothing was written")
	}
	return b.String()
}

// Unwrap returns the cause, so that errors.Is finds context.DeadlineExceeded and similar errors.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of an *Error in err's tree, and "" for any other error.
func CodeOf(err error) api.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// IsNotFound says that there is no value at the path.
func IsNotFound(err error) bool { return CodeOf(err) == api.NotFound }

// refusedHere is an error of the caller, found before any request was sent.
func refusedHere(operation string, write bool, code api.Code, err error) *Error {
	e := &Error{Operation: operation, Code: code, Detail: err.Error(), Err: err}
	if write {
		e.Outcome = api.NotApplied
	}
	return e
}

// broken is an attempt without an answer.
func broken(operation, endpoint string, write bool, err error) *Error {
	e := &Error{Operation: operation, Endpoint: endpoint, Code: Unreachable, Detail: reason(err), Retryable: true,
		Err: err}
	if write {
		e.Outcome = api.Unknown
		// Without a connection no request was sent.
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			e.Outcome = api.NotApplied
		}
	}
	return e
}

// reason is err without the method and the URL that net/http puts before it. Who has run out of time sooner than the
// member is told what the member would have said.
func reason(err error) string {
	var op *net.OpError
	if errors.Is(err, context.DeadlineExceeded) && !(errors.As(err, &op) && op.Op == "dial") {
		return "no answer in time: the member is slow, or waits for a majority of the voters that does not answer; " +
			"kvs status shows who answers"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
