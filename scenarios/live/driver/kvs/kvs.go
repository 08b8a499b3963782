// Package kvs speaks to kvs by its Go client, as to any other store: without what kvsim live judges of kvs alone.
package kvs

import (
	"context"
	"errors"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/scenarios/live/driver"
)

// Options of the driver, as a system's file has them.
type Options struct {
	// Level is that of all operations without a condition: eventual, quorum, or linearizable, the default.
	Level string `yaml:"level"`
}

// New returns the driver.
func New(o Options) (driver.Driver, error) {
	if o.Level == "" {
		return opener{node.Linearizable}, nil
	}
	level, err := node.ParseLevel(o.Level)
	return opener{level}, err
}

type opener struct{ level node.Level }

func (o opener) Open(endpoint string) (driver.Client, error) {
	options := client.DefaultOptions(endpoint)
	options.AttemptsMax = 1
	c, err := client.New(options)
	if err != nil {
		return nil, err
	}
	return &one{c, o.level}, nil
}

// one is a client of one node.
type one struct {
	c     *client.Client
	level node.Level
}

func (o *one) Get(ctx context.Context, key string) (driver.Value, error) {
	v, err := o.c.Get(ctx, key, o.level)
	if client.IsNotFound(err) {
		return driver.Value{}, nil
	}
	return driver.Value{Found: err == nil, Bytes: v.Body, Version: v.ETag}, err
}

func (o *one) Put(ctx context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	var written client.Written
	var err error
	switch {
	case condition == nil:
		written, err = o.c.Put(ctx, key, o.level, value, "text/plain")
	case !condition.Found:
		written, err = o.c.PutIf(ctx, key, client.IfAbsent(), value, "text/plain")
	default:
		written, err = o.c.PutIf(ctx, key, client.IfVersion(condition.Version), value, "text/plain")
	}
	return written.ETag, outcome(err)
}

func (o *one) Delete(ctx context.Context, key string, condition *driver.Condition) error {
	var err error
	if condition == nil {
		_, err = o.c.Delete(ctx, key, o.level)
	} else {
		_, err = o.c.DeleteIf(ctx, key, client.IfVersion(condition.Version))
	}
	return outcome(err)
}

// outcome says what an error of a write means.
func outcome(err error) error {
	var e *client.Error
	switch {
	case err == nil || !errors.As(err, &e):
		return err
	case e.Code == api.Precondition:
		return driver.ErrRefused
	case e.Outcome == api.NotApplied:
		return driver.NotDone(err)
	}
	return err
}

func (o *one) Close() { o.c.Close() }
