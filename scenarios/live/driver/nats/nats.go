// Package nats speaks to a key-value bucket of NATS, which is a stream of JetStream: a subject for each key, its last
// message the value (ADR-8 of NATS, https://github.com/nats-io/nats-architecture-and-design). It wraps nats.go.
package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"kvs/scenarios/live/driver"
)

// Options of the driver, as a system's file has them.
type Options struct {
	// Reads is leader, the default: the stream's leader answers; or direct: any replica does, the usual way of clients.
	Reads string `yaml:"reads"`
}

// New returns the driver.
func New(o Options) (driver.Driver, error) {
	switch o.Reads {
	case "", "leader", "direct":
		return opener{o.Reads == "direct"}, nil
	}
	return nil, fmt.Errorf("reads: %q: use leader or direct", o.Reads)
}

const (
	bucket    = "kvsim"
	stream    = "KV_" + bucket
	subjects  = "$KV." + bucket + "."
	operation = "KV-Operation" // the header of a message that is no value: DEL or PURGE.
	deletion  = "DEL"
)

// The numbers of JetStream's errors for a sequence that is not the last one.
const (
	wrongLast         = 10071
	wrongLastConstant = 10164
)

// dialMax bounds the making of a connection whose context does not.
const dialMax = 2 * time.Second

type opener struct{ direct bool }

func (o opener) Open(endpoint string) (driver.Client, error) {
	return &client{endpoint: endpoint, direct: o.direct}, nil
}

// Prepare makes the bucket, with a replica on every node, at most five.
func (o opener) Prepare(ctx context.Context, endpoints []string) error {
	c := client{endpoint: endpoints[0]}
	defer c.Close()
	js, err := c.stream(ctx)
	if err != nil {
		return err
	}
	_, err = js.CreateKeyValue(&nats.KeyValueConfig{Bucket: bucket, Replicas: min(len(endpoints), 5)})
	return err
}

type client struct {
	endpoint string
	direct   bool
	conn     *nats.Conn // nil: there is none yet, or it broke.
}

// stream makes a connection if there is none. It is to this node alone, and does not come back by itself.
func (c *client) stream(ctx context.Context) (nats.JetStreamContext, error) {
	if c.conn == nil || !c.conn.IsConnected() {
		c.Close()
		wait := dialMax
		if end, ok := ctx.Deadline(); ok {
			wait = time.Until(end)
		}
		conn, err := nats.Connect("nats://"+c.endpoint, nats.NoReconnect(), nats.IgnoreDiscoveredServers(),
			nats.Timeout(wait))
		if err != nil {
			return nil, driver.NotDone(err)
		}
		c.conn = conn
	}
	js, err := c.conn.JetStream()
	return js, driver.NotDone(err)
}

func (c *client) Get(ctx context.Context, key string) (driver.Value, error) {
	return c.get(ctx, key, c.direct)
}

func (c *client) get(ctx context.Context, key string, direct bool) (driver.Value, error) {
	js, err := c.stream(ctx)
	if err != nil {
		return driver.Value{}, err
	}
	options := []nats.JSOpt{nats.Context(ctx)}
	if direct {
		options = append(options, nats.DirectGet())
	}
	m, err := js.GetLastMsg(stream, subject(key), options...)
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return driver.Value{}, nil
	case err != nil:
		return driver.Value{}, err
	}
	v := driver.Value{Version: strconv.FormatUint(m.Sequence, 10)}
	if m.Header.Get(operation) == "" {
		v.Found, v.Bytes = true, m.Data
	}
	return v, nil
}

func (c *client) Put(ctx context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	return c.publish(ctx, key, &nats.Msg{Subject: subject(key), Data: value}, condition)
}

func (c *client) Delete(ctx context.Context, key string, condition *driver.Condition) error {
	m := &nats.Msg{Subject: subject(key), Header: nats.Header{operation: {deletion}}}
	_, err := c.publish(ctx, key, m, condition)
	return err
}

// attemptsMax bounds how often an absent key is looked up anew: each deletion gives it another sequence.
const attemptsMax = 4

func (c *client) publish(ctx context.Context, key string, m *nats.Msg, condition *driver.Condition) (string, error) {
	js, err := c.stream(ctx)
	if err != nil {
		return "", err
	}
	if condition == nil {
		return sent(js.PublishMsg(m, nats.Context(ctx), nats.RetryAttempts(0)))
	}
	last := condition.Version
	for range attemptsMax {
		sequence, _ := strconv.ParseUint(last, 10, 64) // an absent key without a sequence has zero.
		version, err := sent(js.PublishMsg(m, nats.Context(ctx), nats.RetryAttempts(0),
			nats.ExpectLastSequencePerSubject(sequence)))
		if !errors.Is(err, driver.ErrRefused) || condition.Found {
			return version, err
		}
		is, err := c.get(ctx, key, false)
		switch {
		case err != nil:
			return "", driver.NotDone(err)
		case is.Found:
			return "", driver.ErrRefused
		}
		last = is.Version
	}
	return "", driver.NotDonef("%s was written and deleted too often to be created", key)
}

// sent is the outcome of a message that was published. A stream that nothing serves has not got it.
func sent(ack *nats.PubAck, err error) (string, error) {
	var refused *nats.APIError
	switch {
	case err == nil:
		return strconv.FormatUint(ack.Sequence, 10), nil
	case errors.As(err, &refused) && (refused.ErrorCode == wrongLast || refused.ErrorCode == wrongLastConstant):
		return "", driver.ErrRefused
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrNoStreamResponse):
		return "", driver.NotDone(err)
	}
	return "", err
}

// subject is that of a key. A dot would separate tokens, and the characters of a pattern are no parts of one.
func subject(key string) string {
	return subjects + strings.NewReplacer(".", "=2E", "*", "=2A", ">", "=3E", " ", "=20", "=", "=3D").Replace(key)
}

func (c *client) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
