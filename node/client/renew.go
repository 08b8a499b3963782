package client

import (
	"context"
	"net/http"
	"time"

	"kvs/node"
)

// Forever, as the time of a renewal, makes a value live for ever.
const Forever time.Duration = -1

// Renew makes the value at path live for ttl from now on, or Forever, without sending it. The version is a new one. The
// zero Condition is none; one of WithKey is refused: a renewal needs no key. IsNotFound recognises the error for a path
// without a value.
func (c *Client) Renew(ctx context.Context, path string, cond Condition, ttl time.Duration) (Written, error) {
	r := &request{method: http.MethodPatch, name: path, write: true, condition: cond, ttl: ttl,
		harmless: cond == (Condition{}), bytesMax: documentBytesMax}
	return c.write(ctx, r, path, node.DefaultLevel)
}
