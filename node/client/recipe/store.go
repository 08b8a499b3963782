package recipe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/hlc"
)

// store is what recipes ask of a cluster: linearizable operations on one path. Errors are those of node/client.
type store interface {
	// read returns what the path holds; the ETag of a path without a value is empty.
	read(ctx context.Context, path string) (content, error)

	// write writes if the path still has the version w.after, and returns the new version. A write that is repeated
	// with the same w is applied at most once, and answered as the first one.
	write(ctx context.Context, path string, w write) (version, error)

	// remove deletes this version. Key is as in a write.
	remove(ctx context.Context, path, etag, key string) error
}

// content is what a path holds.
type content struct {
	version
	body []byte
}

// version names what a write made.
type version struct {
	etag string
	at   hlc.Timestamp
}

// write is one write, to be sent once or more.
type write struct {
	after       string // the ETag that the path must have; empty: it must have no value.
	key         string // the idempotency key.
	ttl         time.Duration
	body        []byte
	contentType string
}

// cluster is a store behind a client.
type cluster struct{ client *client.Client }

func (c cluster) read(ctx context.Context, path string) (content, error) {
	v, err := c.client.Get(ctx, path, node.Linearizable)
	if client.IsNotFound(err) {
		return content{}, nil
	}
	if err != nil {
		return content{}, err
	}
	at, err := hlc.Parse(v.Timestamp)
	return content{version{v.ETag, at}, v.Body}, err
}

func (c cluster) write(ctx context.Context, path string, w write) (version, error) {
	condition := client.IfAbsent()
	if w.after != "" {
		condition = client.IfVersion(w.after)
	}
	got, err := c.client.PutFor(ctx, path, node.Linearizable, condition.WithKey(w.key), w.ttl, w.body, w.contentType)
	if err != nil {
		return version{}, err
	}
	at, err := hlc.Parse(got.Timestamp)
	return version{got.ETag, at}, err
}

func (c cluster) remove(ctx context.Context, path, etag, key string) error {
	_, err := c.client.DeleteIf(ctx, path, client.IfVersion(etag).WithKey(key))
	return err
}

// Bounds of the pause between two attempts of the same write, of which up to the whole is left to chance.
const (
	pauseMin = 10 * time.Millisecond
	pauseMax = 500 * time.Millisecond
)

// settle repeats an operation until its outcome is known: it was applied, or refused for good. It gives up when ctx
// ends; what it returns then is unknown if any attempt was. Each attempt may take as long as patience, so that one that
// gets no answer does not use up all the time.
func settle[T any](ctx context.Context, patience time.Duration, do func(context.Context) (T, error)) (T, error) {
	unknown := false
	for delay := pauseMin; ; delay = min(2*delay, pauseMax) {
		attempt, cancel := context.WithTimeout(ctx, patience)
		got, err := do(attempt)
		cancel()
		if err == nil {
			return got, nil
		}
		var e *client.Error
		if !errors.As(err, &e) {
			return got, err
		}
		unknown = unknown || e.Outcome == api.Unknown
		if e.Outcome != api.Unknown && !e.Retryable {
			return got, err // a refusal answers for every attempt under the key.
		}
		if !pause(ctx, delay) {
			if unknown {
				told := *e
				told.Outcome = api.Unknown // a later attempt that did nothing does not undo an earlier one.
				err = &told
			}
			return got, err
		}
	}
}

// isRefused reports that a condition was false.
func isRefused(err error) bool { return client.CodeOf(err) == api.Precondition }

// pause waits for a time up to d, so that programs that met once do not meet again. It returns false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(mathrand.N(d) + 1)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// newKey returns an idempotency key that was never used.
func newKey() string { return rand.Text() }

// wrong wraps an error with the recipe's operation.
func wrong(what, path string, err error) error { return fmt.Errorf("%s %s: %w", what, path, err) }
