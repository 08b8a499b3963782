package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestE2EKillLosesNothing kills a node (SIGKILL) at a random moment while it takes writes, starts it again, and looks
// for every write that was acknowledged. A kill proves that nothing is acknowledged before it has left the process;
// that it has reached the disk as well is shown where the power can be cut: in the simulator and in the store's own
// tests.
//
// KVS_SEED repeats the moments of an earlier run, as far as the machine does.
func TestE2EKillLosesNothing(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	seed := rand.Uint64()
	if text := os.Getenv("KVS_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("%d rounds, KVS_SEED=%d", rounds, seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	s := newSite(t)
	s.init(1)
	w := &writers{base: "http://" + s.endpoint(1) + "/kv/", hot: make([]atomic.Int64, 4),
		begun: make([]atomic.Int64, 4)}
	begin, before := time.Now(), []string(nil)
	for w.round = range rounds {
		node := startForeground(t, s)
		w.check(t, before)
		before = w.writeUntilKilled(t, node, 1+rng.IntN(40), time.Duration(rng.IntN(5000))*time.Microsecond)
		w.all = append(w.all, before...)
	}
	node := startForeground(t, s)
	w.check(t, w.all) // nothing has gone later, either.
	kill(t, node)
	acknowledged := len(w.all)
	t.Logf("%d acknowledged writes, %v", acknowledged, time.Since(begin).Round(time.Millisecond))
	require.GreaterOrEqual(t, acknowledged, rounds, "hardly anything was written: this proves nothing")
}

func startForeground(t *testing.T, s *site) *exec.Cmd {
	t.Helper()
	cmd := s.command("node1.yaml")
	log, err := os.OpenFile(s.dir+"/foreground.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		resp, err := http.Get("http://" + s.endpoint(1) + "/readyz")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				tick.Stop()
				return cmd
			}
		}
		if time.Now().After(deadline) {
			kill(t, cmd)
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("the node does not come back: %v\n%s", err, lastPart(text))
		}
	}
}

func lastPart(b []byte) []byte { return b[max(0, len(b)-4000):] }

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Kill())
	require.ErrorContains(t, cmd.Wait(), "killed")
}

// writers put new keys, and overwrite one key each with growing numbers.
type writers struct {
	base  string
	round int
	all   []string       // acknowledged keys.
	hot   []atomic.Int64 // highest acknowledged number of each writer's own key.
	begun []atomic.Int64 // highest number that was sent.
}

// writeUntilKilled kills the node a moment after it has acknowledged a number of writes, and returns the keys of all
// writes it acknowledged.
func (w *writers) writeUntilKilled(t *testing.T, node *exec.Cmd, after int, pause time.Duration) (acked []string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: len(w.hot)}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for i := range w.hot {
		wg.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("round/%d/%d/%d", w.round, i, n)
				if !w.put(client, key, key) {
					return
				}
				mu.Lock()
				if acked = append(acked, key); len(acked) == after {
					close(enough)
				}
				mu.Unlock()
				number := w.begun[i].Add(1)
				if !w.put(client, fmt.Sprintf("hot/%d", i), strconv.FormatInt(number, 10)) {
					return
				}
				w.hot[i].Store(number)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-enough:
	case <-done:
		kill(t, node)
		t.Fatal("the node refused a write before it was killed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), pause)
	defer cancel()
	<-ctx.Done()
	kill(t, node)
	<-done
	return acked
}

// put reports whether the write was acknowledged.
func (w *writers) put(client *http.Client, key, value string) bool {
	req, err := http.NewRequest(http.MethodPut, w.base+key, strings.NewReader(value))
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode/100 == 2
}

// check looks for the keys, each of which holds its own name, and for the numbers: not less than the last one
// acknowledged, and not more than the last one sent.
func (w *writers) check(t *testing.T, keys []string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	get := func(key string) (int, string) {
		resp, err := client.Get(w.base + key)
		require.NoError(t, err)
		defer resp.Body.Close()
		var body bytes.Buffer
		_, err = io.Copy(&body, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, body.String()
	}
	for _, key := range keys {
		status, body := get(key)
		require.Equal(t, http.StatusOK, status, "acknowledged and lost: %s, round %d", key, w.round)
		require.Equal(t, key, body)
	}
	for i := range w.hot {
		acked, begun := w.hot[i].Load(), w.begun[i].Load()
		status, body := get(fmt.Sprintf("hot/%d", i))
		if acked == 0 && status == http.StatusNotFound {
			continue
		}
		require.Equal(t, http.StatusOK, status, "hot/%d, round %d", i, w.round)
		number, err := strconv.ParseInt(body, 10, 64)
		require.NoError(t, err)
		require.GreaterOrEqual(t, number, acked, "an acknowledged overwrite was lost: hot/%d, round %d", i, w.round)
		require.LessOrEqual(t, number, begun)
	}
}
