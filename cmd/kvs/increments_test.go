package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// Three clients count up one value by compare-and-set, each through a node of its own, while one of the nodes is killed
// and started again. At the end the count is exactly the number of increments: each that was acknowledged, and of those
// whose outcome stayed unknown each that is there.
func TestE2EIncrementsAreExact(t *testing.T) {
	s := newSite(t)
	s.init(3)
	s.ok("start", "--wait", "node1", "node2", "node3")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	const each = 40
	counters := make([]*counter, 3)
	var done atomic.Int64
	for i := range counters {
		opts := client.DefaultOptions(s.endpoint(i + 1))
		opts.AttemptsMax = 1
		c, err := client.New(opts)
		require.NoError(t, err)
		counters[i] = &counter{client: c, name: fmt.Sprintf("c%d", i+1)}
	}
	eventually(t, "the cluster is founded", func() bool {
		_, err := counters[0].client.PutIf(ctx, "count", client.IfAbsent(), []byte("0"), "text/plain")
		return err == nil || client.CodeOf(err) == api.Precondition
	})
	var wg sync.WaitGroup
	for _, c := range counters {
		wg.Go(func() { c.run(ctx, each, &done) })
	}
	eventually(t, "a third is done", func() bool { return done.Load() >= each })
	nodes, _ := s.statusOf("node2")
	require.NoError(t, syscall.Kill(nodes[0].PID, syscall.SIGKILL))
	eventually(t, "it is gone", func() bool { return !alive(nodes[0].PID) })
	before := done.Load()
	eventually(t, "the others go on", func() bool { return done.Load() >= before+10 })
	s.ok("start", "--wait", "node2")
	wg.Wait()
	require.NoError(t, ctx.Err(), "it took too long")

	v, err := counters[1].client.Get(ctx, "count", node.Linearizable)
	require.NoError(t, err)
	words := strings.Fields(string(v.Body))
	seen := map[string]bool{}
	for _, w := range words[1:] {
		require.False(t, seen[w], "%s was counted twice", w)
		seen[w] = true
	}
	unknown := 0
	for _, c := range counters {
		require.Len(t, c.acknowledged, each)
		for _, w := range c.acknowledged {
			require.True(t, seen[w], "%s was acknowledged and is not counted", w)
		}
		for _, w := range c.unknown {
			if seen[w] {
				unknown++
			}
		}
	}
	require.Equal(t, fmt.Sprint(3*each+unknown), words[0], "the count")
	require.Len(t, words, 3*each+unknown+1)
}

// counter is a client that increments: the value is the count, and a word for each increment.
type counter struct {
	client                *client.Client
	name                  string
	acknowledged, unknown []string
}

func (c *counter) run(ctx context.Context, times int, done *atomic.Int64) {
	for n := 0; len(c.acknowledged) < times && ctx.Err() == nil; n++ {
		word := fmt.Sprintf("%s.%d", c.name, n)
		v, err := c.client.Get(ctx, "count", node.Linearizable)
		if err != nil {
			continue // the node is down, or has no majority: AttemptTimeout paces this.
		}
		words := strings.Fields(string(v.Body))
		words = append(words, word)
		words[0] = fmt.Sprint(len(words) - 1)
		_, err = c.client.PutIf(ctx, "count", client.IfVersion(v.ETag), []byte(strings.Join(words, " ")), "text/plain")
		var e *client.Error
		switch {
		case err == nil:
			c.acknowledged = append(c.acknowledged, word)
			done.Add(1)
		case errors.As(err, &e) && e.Outcome == api.NotApplied:
		default:
			c.unknown = append(c.unknown, word)
		}
	}
}
