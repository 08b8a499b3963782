package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"kvs/node"
)

// Condition is what a write requires of the present value. A write with a condition is always linearizable: among the
// linearizable operations of a path it happens at one moment, and only if the condition is true then. The zero
// Condition is none.
type Condition struct{ header, value, key string }

// WithKey adds an idempotency key: the same write under the same key is applied at most once, whichever members it is
// sent to, so the client tries again after an unknown outcome. Its Condition may be none. Keys are 1 to 255 bytes,
// chosen by the caller.
func (c Condition) WithKey(key string) Condition {
	c.key = key
	return c
}

// IfVersion requires one of these versions, as in Value.ETag.
func IfVersion(etags ...string) Condition {
	return Condition{header: "If-Match", value: `"` + strings.Join(etags, `","`) + `"`}
}

// IfPresent requires a value.
func IfPresent() Condition { return Condition{header: "If-Match", value: "*"} }

// IfAbsent requires that there is no value.
func IfAbsent() Condition { return Condition{header: "If-None-Match", value: "*"} }

// PutIf writes a value if the condition is true. If not, the error's Code is api.Precondition and its ETag says what is
// there.
func (c *Client) PutIf(ctx context.Context, path string, cond Condition, body []byte, contentType string) (
	Written, error) {
	r := &request{method: http.MethodPut, name: path, write: true, body: body, contentType: contentType,
		condition: cond, bytesMax: documentBytesMax}
	return c.write(ctx, r, path, node.Linearizable)
}

// PutFor writes a value that lives for ttl, at the level given, or at the linearizable one if there is a condition.
func (c *Client) PutFor(ctx context.Context, path string, level node.Level, cond Condition, ttl time.Duration,
	body []byte, contentType string) (Written, error) {
	if cond != (Condition{}) {
		level = node.Linearizable
	}
	r := &request{method: http.MethodPut, name: path, write: true, body: body, contentType: contentType,
		condition: cond, ttl: ttl, bytesMax: documentBytesMax}
	return c.write(ctx, r, path, level)
}

// DeleteIf deletes the value if the condition is true.
func (c *Client) DeleteIf(ctx context.Context, path string, cond Condition) (Written, error) {
	r := &request{method: http.MethodDelete, name: path, write: true, condition: cond, bytesMax: documentBytesMax}
	return c.write(ctx, r, path, node.Linearizable)
}
