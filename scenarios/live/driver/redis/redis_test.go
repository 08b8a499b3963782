package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/drivertest"
)

func start(t *testing.T) string {
	return drivertest.Start(t, "redis-server", "redis-server", func(host, port string) []string {
		return []string{"--bind", host, "--port", port, "--dir", t.TempDir(), "--save", "",
			"--repl-diskless-sync-delay", "0"}
	})
}

func TestRedis(t *testing.T) {
	endpoint := start(t)
	for _, reads := range []string{"primary", "any"} {
		d, err := New(Options{Reads: reads})
		require.NoError(t, err)
		require.NoError(t, dial(endpoint).FlushAll(t.Context()).Err())
		drivertest.Run(t, d, endpoint)
	}
	_, err := New(Options{Reads: "fast"})
	require.ErrorContains(t, err, "use primary or any")
}

// A primary that cannot be reached is replaced by the replica with the most of its log; once it is back it becomes a
// replica, and what it has acknowledged alone is gone.
func TestFailover(t *testing.T) {
	endpoints := []string{start(t), start(t), start(t)}
	var mu sync.Mutex
	alone := false
	said := make(chan string, 10)
	f := Failover{Endpoints: endpoints, Fronts: endpoints, Down: 100 * time.Millisecond,
		Say: func(line string) { said <- line },
		Reaches: func(from, to int) bool {
			mu.Lock()
			defer mu.Unlock()
			return !alone || from != 1 && to != 1
		}}
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { f.Run(ctx) })
	defer watching.Wait()
	defer cancel()

	primaries, err := New(Options{})
	require.NoError(t, err)
	var clients []driver.Client
	for _, e := range endpoints {
		c, err := primaries.Open(e)
		require.NoError(t, err)
		defer c.Close()
		clients = append(clients, c)
	}
	become := func(node int, of string) {
		t.Helper()
		c := dial(endpoints[node-1])
		defer c.Close()
		w := watched{client: c}
		require.Eventually(t, func() bool {
			w.read(c.Do(ctx, "ROLE").Slice())
			return w.up && w.of == of
		}, time.Minute, 20*time.Millisecond, "n%d is a replica of %q, and not of %q", node, w.of, of)
	}
	become(2, endpoints[0])
	become(3, endpoints[0])
	_, err = clients[1].Get(ctx, "a")
	require.ErrorIs(t, err, driver.ErrElsewhere)
	_, err = clients[1].Put(ctx, "a", []byte("x"), nil)
	require.True(t, driver.Certain(err), "a replica refuses writes: %v", err)

	mu.Lock()
	alone = true
	mu.Unlock()
	line := <-said
	require.Regexp(t, "n1 is gone, n[23] becomes the primary", line)
	next := int(line[len("failover: n1 is gone, n")] - '0')
	become(next, "")
	become(5-next, endpoints[next-1])
	become(1, "") // it cannot be told.
	_, err = clients[next-1].Put(ctx, "a", []byte("new"), nil)
	require.NoError(t, err)
	require.NoError(t, dial(endpoints[0]).Set(ctx, "b", "old", 0).Err(), "the old primary takes writes")

	mu.Lock()
	alone = false
	mu.Unlock()
	become(1, endpoints[next-1])
	old := dial(endpoints[0])
	defer old.Close()
	require.Eventually(t, func() bool {
		return old.Get(ctx, "a").Val() == "new" && errors.Is(old.Get(ctx, "b").Err(), redis.Nil)
	}, time.Minute, 20*time.Millisecond, "the old primary takes over the data of the new one")
}

// The rules of who is in a majority, and who is ahead.
func TestMajorityAndFurthest(t *testing.T) {
	nodes := []*watched{nil, {up: true, offset: 5}, {up: true, offset: 7}, {up: false, offset: 9},
		{up: true, offset: 7}}
	f := Failover{Reaches: func(from, to int) bool { return from != 1 && to != 1 }}
	require.Nil(t, f.majority(nodes), "two of four are no majority")
	f.Reaches = func(from, to int) bool { return !(from == 1 && to == 2) }
	require.Equal(t, []int{1, 2, 4}, f.majority(nodes), "n4 reaches both")
	require.Equal(t, 2, furthest(nodes, []int{1, 2, 4}))
	f.Reaches = func(int, int) bool { return true }
	require.Equal(t, []int{1, 2, 4}, f.majority(nodes))
}
