package batches

import (
	"context"
	"fmt"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
)

// Door is how the operations of one request reach the node. It is safe for concurrent use.
type Door interface {
	// Allowed returns why the sender may not do this at all, or not now; nil: the operation may run. It is called once
	// for each operation.
	Allowed(right access.Right, path string) error

	// Read returns what the path shows, and the level of the answer. A path without a value is no error.
	Read(ctx context.Context, path string, level node.Level) (node.Record, node.Level, error)

	// Write runs puts and deletes of different paths, at the same time. It calls answer once for each, from its own
	// goroutine. With an error the response may show what is there instead.
	Write(ctx context.Context, rs []*node.Request, answer func(i int, resp node.Response, err error))

	// Problem describes an error of this Door, or a Refusal.
	Problem(err error, write bool) api.Problem

	// Answered is told of each operation when it has ended.
	Answered(r *api.BatchResult, took time.Duration)
}

// Limits are those of the node.
type Limits struct {
	ValueBytesMax int
	Level         node.Level // of operations that name none.
}

// Refusal is an operation, or a whole request, that was not begun.
type Refusal struct {
	Code   api.Code
	Detail string
}

func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Detail }

func refuse(code api.Code, format string, args ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, args...)}
}
