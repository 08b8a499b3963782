// Package driver is what kvsim live needs of a store: clients that get, put and delete values at one node, and that
// tell what is certain about an operation which went wrong.
//
// A driver for each store is in a package below. What they must do is the contract of Client here, which drivertest
// checks. Nothing here starts a node (see kvs/scenarios/systems) or judges a history (see kvs/scenarios/live).
package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Driver opens clients. It is safe for concurrent use.
type Driver interface {
	// Open returns a client of the node at endpoint, which is host:port. It need not connect: a node that is down is
	// an error of the first operation.
	Open(endpoint string) (Client, error)
}

// Preparer is a driver whose store needs something before clients come, such as a bucket.
type Preparer interface {
	// Prepare makes it, once the nodes are up. It is called until it returns nil.
	Prepare(ctx context.Context, endpoints []string) error
}

// Client speaks to one node, and to no other: it follows no redirection, and tries nothing again. It does one operation
// at a time. The context bounds every operation.
//
// An error of Put or Delete is ErrRefused if the condition was false; Certain if the operation has not happened and
// never will; and any other one if that is unknown. A time-out and a connection that broke are unknown.
type Client interface {
	Get(ctx context.Context, key string) (Value, error)
	// Put writes a value. If the condition is not nil, it must hold at the same moment. The version is that of the new
	// value, empty if the answer does not name it.
	Put(ctx context.Context, key string, value []byte, condition *Condition) (version string, err error)
	// Delete makes the key absent, if the condition, which names a value, is nil or holds.
	Delete(ctx context.Context, key string, condition *Condition) error
	Close()
}

// Value is what a key holds.
type Value struct {
	Found   bool
	Bytes   []byte
	Version string // by which a condition may name it; the driver's business alone. Of an absent key, too, or empty.
}

// Condition is what a key must hold: exactly Bytes, or nothing if Found is false. Version is that of the Value which a
// client got, or that which Put returned: empty if it is not known.
type Condition = Value

var (
	// ErrRefused is the error of an operation whose condition was false.
	ErrRefused = errors.New("the condition was false")
	// ErrElsewhere is the error of a read at a node that is up and serves no reads: another one does.
	ErrElsewhere = errors.New("another node serves this")
)

// notDone is the error of an operation that has not happened and never will.
type notDone struct{ error }

func (n notDone) Unwrap() error { return n.error }

// NotDone marks an error as Certain.
func NotDone(err error) error {
	if err == nil {
		return nil
	}
	return notDone{err}
}

// NotDonef is NotDone of a new error.
func NotDonef(format string, args ...any) error { return notDone{fmt.Errorf(format, args...)} }

// Certain reports whether an error says that the operation has not happened and never will: it was marked so, or no
// connection could be made, so that nothing was sent.
func Certain(err error) bool {
	var n notDone
	var op *net.OpError
	return errors.As(err, &n) || errors.As(err, &op) && op.Op == "dial"
}
