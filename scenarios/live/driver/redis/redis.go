// Package redis speaks to Redis by its own protocol, and replaces a primary that is gone: see Failover. It wraps
// go-redis.
package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"kvs/scenarios/live/driver"
)

// Options of the driver, as a system's file has them.
type Options struct {
	// Reads is any: every node answers, a replica with what it has; or primary, the default: a node that takes itself
	// for a replica refuses.
	Reads string `yaml:"reads"`
}

// New returns the driver.
func New(o Options) (driver.Driver, error) {
	switch o.Reads {
	case "", "primary", "any":
		return opener{o.Reads == "any"}, nil
	}
	return nil, fmt.Errorf("reads: %q: use primary or any", o.Reads)
}

type opener struct{ replicas bool }

func (o opener) Open(endpoint string) (driver.Client, error) {
	return &client{dial(endpoint), o.replicas}, nil
}

// dial returns a client that sends each command once, and is bounded by its contexts alone.
func dial(endpoint string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: endpoint, Protocol: 2, MaxRetries: -1, PoolSize: 1, DialerRetries: 1, ContextTimeoutEnabled: true,
		ReadTimeout: -1, WriteTimeout: -1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

type client struct {
	c        *redis.Client
	replicas bool // also replicas answer reads.
}

var errReplica = fmt.Errorf("this node takes itself for a replica: %w", driver.ErrElsewhere)

func (c *client) Get(ctx context.Context, key string) (driver.Value, error) {
	var value *redis.StringCmd
	if c.replicas {
		value = c.c.Get(ctx, key)
	} else { // both at the same moment.
		tx := c.c.TxPipeline()
		role := tx.Do(ctx, "ROLE")
		value = tx.Get(ctx, key)
		if _, err := tx.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return driver.Value{}, err
		}
		if is, _ := role.Slice(); len(is) == 0 || is[0] != rolePrimary {
			return driver.Value{}, errReplica
		}
	}
	text, err := value.Bytes()
	if errors.Is(err, redis.Nil) {
		return driver.Value{}, nil
	}
	return driver.Value{Found: err == nil, Bytes: text}, err
}

// Scripts run wholly or not at all, and nothing comes between their commands. They answer with 1 if the key held what
// it had to.
const (
	scriptHolds  = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end `
	scriptPut    = scriptHolds + `redis.call('SET', KEYS[1], ARGV[2]) return 1`
	scriptDelete = scriptHolds + `redis.call('DEL', KEYS[1]) return 1`
)

func (c *client) Put(ctx context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	switch {
	case condition == nil:
		return "", outcome(c.c.Set(ctx, key, value, 0).Err())
	case !condition.Found:
		err := c.c.Do(ctx, "SET", key, value, "NX").Err()
		if errors.Is(err, redis.Nil) {
			return "", driver.ErrRefused
		}
		return "", outcome(err)
	}
	return "", held(c.c.Eval(ctx, scriptPut, []string{key}, condition.Bytes, value).Int())
}

func (c *client) Delete(ctx context.Context, key string, condition *driver.Condition) error {
	if condition == nil {
		return outcome(c.c.Del(ctx, key).Err())
	}
	return held(c.c.Eval(ctx, scriptDelete, []string{key}, condition.Bytes).Int())
}

// held is the outcome of a script.
func held(answer int, err error) error {
	if err == nil && answer == 0 {
		return driver.ErrRefused
	}
	return outcome(err)
}

// outcome says what an error of a write means: an error that Redis answers with comes before the command is carried
// out.
func outcome(err error) error {
	var answered redis.Error
	if errors.As(err, &answered) {
		return driver.NotDone(err)
	}
	return err
}

func (c *client) Close() { _ = c.c.Close() }
