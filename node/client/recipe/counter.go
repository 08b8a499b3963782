package recipe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"kvs/node/api"
	"kvs/node/client"
)

// ErrOverflow is wrapped by the error of an addition whose sum does not fit into 64 bits. Nothing was added.
var ErrOverflow = errors.New("the sum does not fit into 64 bits")

// Counter is a whole number under a path, as decimal text: any program can read it, and kvs put sets it. A path without
// a value counts as 0.
type Counter struct {
	store store
	path  string
}

// NewCounter returns the counter at path.
func NewCounter(c *client.Client, path string) *Counter { return &Counter{cluster{c}, path} }

// Bounds of an addition. A member that no longer knows a key (it keeps 63 for a path) answers every attempt under it
// with an unknown outcome, so the attempts end after a time.
const (
	addPatience    = 10 * time.Second // of one attempt.
	settlePatience = 30 * time.Second // of one compare-and-set.
)

// Get returns the sum.
func (c *Counter) Get(ctx context.Context) (int64, error) {
	_, sum, err := c.get(ctx)
	if err != nil {
		return 0, wrong("read the counter", c.path, err)
	}
	return sum, nil
}

// Add adds n, which may be negative, once, and returns the sum right afterwards. When others add at the same time it
// tries again until ctx ends. IsUnknown tells from an error whether n may have been added.
func (c *Counter) Add(ctx context.Context, n int64) (int64, error) {
	for delay := pauseMin; ; delay = min(2*delay, pauseMax) {
		etag, sum, err := c.get(ctx)
		if err != nil {
			return 0, wrong("add to", c.path, err)
		}
		if n > 0 && sum > math.MaxInt64-n || n < 0 && sum < math.MinInt64-n {
			return 0, wrong("add to", c.path, fmt.Errorf("%d and %d: %w", sum, n, ErrOverflow))
		}
		sum += n
		w := write{after: etag, key: newKey(), body: strconv.AppendInt(nil, sum, 10), contentType: textType}
		bounded, cancel := context.WithTimeout(ctx, settlePatience)
		_, err = settle(bounded, addPatience, func(ctx context.Context) (version, error) {
			return c.store.write(ctx, c.path, w)
		})
		cancel()
		if err == nil {
			return sum, nil
		}
		if !isRefused(err) {
			return 0, wrong("add to", c.path, err)
		}
		if !pause(ctx, delay) {
			return 0, wrong("add to", c.path, context.Cause(ctx))
		}
	}
}

// IsUnknown reports that the error of an operation leaves open whether it happened, or may happen yet.
func IsUnknown(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Outcome == api.Unknown
}

func (c *Counter) get(ctx context.Context) (etag string, sum int64, err error) {
	at, err := settle(ctx, addPatience, func(ctx context.Context) (content, error) { return c.store.read(ctx, c.path) })
	if err != nil || at.etag == "" {
		return "", 0, err
	}
	sum, err = strconv.ParseInt(strings.TrimSpace(string(at.body)), 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("%.40q is no whole number of 64 bits", at.body)
	}
	return at.etag, sum, nil
}
