package integration_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

const (
	writers   = 3
	writesMax = 5000 // of each writer: a bound, which no test reaches.
	// between two writes of a writer: one that is refused at once must not use up its writes.
	pace       = 10 * time.Millisecond
	restarts   = 3  // of each node in a storm.
	betweenAck = 50 // acknowledged writes that pass between two faults.
)

// load writes through all nodes, each path once, until it is stopped.
type load struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	acked map[string]string // path to version.
}

func (c *cluster) startLoad() *load { return c.startLoadAt() }

// startLoadAt writes through some of the nodes.
func (c *cluster) startLoadAt(nodes ...int) *load {
	ctx, cancel := context.WithCancel(c.t.Context())
	l := &load{stop: cancel, acked: map[string]string{}}
	for w := range writers {
		door := c.door(nodes...)
		l.done.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for n := 0; n < writesMax && ctx.Err() == nil; n++ {
				path := fmt.Sprintf("load/w%d/%04d", w, n)
				// A write with an error may have happened or not; nothing is expected of it.
				if written, err := door.Put(ctx, path, node.Eventual, []byte(path), "text/plain"); err == nil {
					l.mu.Lock()
					l.acked[path] = written.ETag
					l.mu.Unlock()
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	c.t.Cleanup(l.finish)
	return l
}

func (l *load) finish() {
	l.stop()
	l.done.Wait()
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// awaitProgress waits until some more writes are acknowledged.
func (c *cluster) awaitProgress(l *load) {
	c.t.Helper()
	goal := l.count() + betweenAck
	c.await(fmt.Sprintf("%d writes are acknowledged", goal), func() bool { return l.count() >= goal })
}

// requireConverged waits until all nodes show the same, and requires every acknowledged write in it.
func (c *cluster) requireConverged(l *load) {
	c.t.Helper()
	l.finish()
	var first map[string]string
	c.await("all nodes show the same", func() bool {
		first = c.listing(1, "load/")
		for i := 2; i <= c.Nodes(); i++ {
			if !maps.Equal(first, c.listing(i, "load/")) {
				return false
			}
		}
		return len(first) >= len(l.acked)
	})
	for path, version := range l.acked {
		require.Equal(c.t, version, first[path], "acknowledged write of %s", path)
	}
	c.t.Logf("%d writes acknowledged, %d shown by all", len(l.acked), len(first))
}

// Nodes are killed one after another under load: no acknowledged write is lost.
func TestKillStorm(t *testing.T) {
	c := newCluster(t, 3)
	l := c.startLoad()
	for range restarts {
		for i := range c.Nodes() {
			c.awaitProgress(l)
			c.do(fmt.Sprintf("crash n%d", i+1))
			c.awaitProgress(l)
			c.do(fmt.Sprintf("restart n%d", i+1))
		}
	}
	// And all at once.
	c.awaitProgress(l)
	c.do("crash n1,n2,n3", "recover")
	for i := range c.Nodes() {
		c.awaitAlive(i+1, 3)
	}
	c.requireConverged(l)
}

// A rolling restart, as an operator does it: the next node only when the last one is ready.
func TestRollingRestart(t *testing.T) {
	c := newCluster(t, 3)
	l := c.startLoad()
	for i := range c.Nodes() {
		c.awaitProgress(l)
		require.NoError(t, c.Stop(i+1))
		c.awaitProgress(l)
		c.do(fmt.Sprintf("restart n%d", i+1))
		c.awaitAlive(i+1, 3)
	}
	c.requireConverged(l)
}
