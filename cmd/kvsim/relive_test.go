package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	processes "kvs/chaos/process"
	"kvs/node"
	"kvs/node/client"
	"kvs/node/hashed"
	"kvs/node/host/ring"
	"kvs/node/recorder"
	"kvs/node/relive"
	"kvs/sim/simcmd"
)

// reliveFor is how long the clusters of TestRealRecordingsRelive live.
const reliveFor = 5 * time.Second

// load writes and reads through one member until ctx ends. What the operations come to is not looked at.
func load(ctx context.Context, endpoint string, rng *rand.Rand) {
	o := client.DefaultOptions(endpoint)
	o.AttemptsMax, o.AttemptTimeout = 1, time.Second
	c, err := client.New(o)
	if err != nil {
		return
	}
	defer c.Close()
	for i := 0; ctx.Err() == nil; i++ {
		path, level := fmt.Sprintf("a/%d", rng.IntN(30)), node.Level(1+rng.IntN(3))
		size := rng.IntN(200)
		if rng.IntN(50) == 0 {
			size = rng.IntN(60_000)
		}
		switch rng.IntN(8) {
		case 0:
			_, _ = c.Delete(ctx, path, level)
		case 1, 2:
			_, _ = c.Get(ctx, path, level)
		case 3:
			_, _ = c.PutFor(ctx, path, level, client.Condition{}, time.Second, bytes.Repeat([]byte("t"), size), "")
		default:
			_, _ = c.Put(ctx, path, level, bytes.Repeat([]byte{byte('a' + i%26)}, size), "text/plain")
		}
	}
}

// disturb draws faults until the time is over.
func disturb(t *testing.T, c *processes.Cluster, rng *rand.Rand) {
	faults := []string{"crash A", "restart A", "pause A", "resume A", "cut A -> B", "loss 20%", "heal", "restart A",
		"resume A"}
	ticker, end := time.NewTicker(150*time.Millisecond), time.After(reliveFor)
	defer ticker.Stop()
	for applied := 0; ; {
		select {
		case <-end:
			require.Greater(t, applied, 5)
			return
		case <-ticker.C:
		}
		text := faults[rng.IntN(len(faults))]
		a := 1 + rng.IntN(c.Nodes())
		b := 1 + (a+rng.IntN(c.Nodes()-1))%c.Nodes() // another one.
		text = strings.NewReplacer("A", fmt.Sprintf("n%d", a), "B", fmt.Sprintf("n%d", b)).Replace(text)
		f, err := chaos.ParseFault(text)
		require.NoError(t, err)
		if c.Apply(f) == nil { // a node that runs cannot be started.
			applied++
		}
	}
}

// founded waits until all nodes serve.
func founded(t *testing.T, c *processes.Cluster) {
	t.Helper()
	for _, endpoint := range c.Endpoints() {
		asked, err := client.New(client.DefaultOptions(endpoint))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return asked.Ready(t.Context()) == nil }, time.Minute, 50*time.Millisecond)
		asked.Close()
	}
}

// recordings runs a cluster of real nodes under faults, kills all of them, and returns the folders of their recordings.
func recordings(t *testing.T, program string, nodes int, seed uint64) (dirs []string) {
	t.Helper()
	dir := t.TempDir()
	c, err := processes.Start(processes.Options{Program: program, Dir: dir, Nodes: nodes,
		Rand:   rand.New(rand.NewPCG(seed, 0)), // the relays draw from it, beside disturb.
		Config: "recorder:\n  ring_bytes_max: 16MiB\ngossip:\n  probe_interval: 200ms\n  probe_timeout: 100ms\n"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i, endpoint := range c.Endpoints() {
		own := rand.New(rand.NewPCG(seed, uint64(i+1)))
		clients.Go(func() { load(ctx, endpoint, own) })
		dirs = append(dirs, filepath.Join(dir, fmt.Sprintf("n%d", i+1), "data", ring.Dir))
	}
	founded(t, c)
	disturb(t, c, rand.New(rand.NewPCG(seed, math.MaxUint64)))
	for i := range nodes {
		_ = c.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{i + 1}}) // it may be down already.
	}
	cancel()
	clients.Wait()
	require.NoError(t, c.Close())
	return dirs
}

// Real processes are killed, paused, cut off and started again, and what their cores did is done again. KVS_RELIVE asks
// for more recordings than three.
func TestRealRecordingsRelive(t *testing.T) {
	program, wanted := buildKVS(t), 3
	if text := os.Getenv("KVS_RELIVE"); text != "" {
		var err error
		wanted, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	var got, same, torn int
	var sum relive.Result
	for seed := uint64(1); got < wanted; seed++ {
		for _, dir := range recordings(t, program, 3+2*min(wanted/50, 1), seed) {
			if got == wanted {
				break
			}
			got++
			piece, err := ring.Cut(dir, time.Unix(0, 0))
			require.NoError(t, err)
			content, err := io.ReadAll(piece)
			require.NoError(t, err)
			require.NoError(t, piece.Close())
			res, err := relive.Run(bufio.NewReader(bytes.NewReader(content)),
				relive.Options{Build: recorder.Build{Toolchain: runtime.Version()}})
			if err != nil || res.Differs != nil || res.Steps == 0 {
				t.Logf("recording %d is not relived: %v %+v", got, err, res)
				continue
			}
			same++
			if res.Torn != nil {
				torn++
			}
			sum.Steps += res.Steps
			sum.Effects += res.Effects
			sum.Revived += res.Revived
			if got == 1 {
				reliveByHand(t, content)
			}
		}
	}
	t.Logf("%d of %d recordings relived to the last effect (%d torn): %d steps, %d effects, from %d images", same, got,
		torn, sum.Steps, sum.Effects, sum.Revived)
	require.GreaterOrEqual(t, same*100, got*95)
}

// again is a recording that can be read twice.
type again struct{ *bytes.Reader }

func (a again) Rewind() error {
	_, err := a.Seek(0, io.SeekStart)
	return err
}

// reliveByHand runs the command over a recording, and over one in which a step was changed.
func reliveByHand(t *testing.T, content []byte) {
	t.Helper()
	file, page := filepath.Join(t.TempDir(), "r.kvsrec"), filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	code, out, errOut := kvsim("relive", file, "--report", page)
	require.Equal(t, simcmd.ExitOK, code, "%s%s", out, errOut)
	require.Contains(t, out, "every effect is the same")
	drawn, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, text := range []string{"n1 is n1", "because of request ", `"kind":"put"`} {
		require.True(t, bytes.Contains(drawn, []byte(text)), text) // a failure does not print the page.
	}
	code, out, _ = kvsim("relive", file, "--steps")
	require.Equal(t, simcmd.ExitOK, code)
	require.True(t, strings.Contains(out, "are durable\n"))

	var hashes bytes.Buffer
	_, err = hashed.Write(&hashes, again{bytes.NewReader(content)},
		hashed.Options{Build: recorder.Build{Toolchain: runtime.Version()}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, hashes.Bytes(), 0o600))
	code, out, errOut = kvsim("relive", file)
	require.Equal(t, simcmd.ExitOK, code, "%s%s", out, errOut)
	require.Contains(t, out, "the values are hashes; before they were replaced, ")
	require.Contains(t, out, "every effect is the same")

	var changed []byte
	r, done := recorder.NewReader(bytes.NewReader(content)), false
	for rec, err := r.Next(); err == nil; rec, err = r.Next() {
		switch {
		case rec.Head != nil:
			changed = recorder.AppendHead(changed, rec.Head)
		case rec.Step != nil:
			q, is := rec.Step.Input.(*node.Request)
			if is && len(q.Value) > 0 && rec.Step.Effects[0] == recorder.MarkPersist && !done {
				q.Value[0]++
				done = true
			}
			changed = recorder.AppendStep(changed, rec.Step)
		default:
			changed = recorder.AppendLevel(changed, rec.Level)
		}
	}
	require.True(t, done, "no client has written through this node")
	require.NoError(t, os.WriteFile(file, changed, 0o600))
	code, out, _ = kvsim("relive", file, "--report", page)
	require.Equal(t, simcmd.ExitBroken, code)
	require.Contains(t, out, "recorded: persist ")
	hashes.Reset()
	_, err = hashed.Write(&hashes, again{bytes.NewReader(changed)},
		hashed.Options{Build: recorder.Build{Toolchain: runtime.Version()}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, hashes.Bytes(), 0o600))
	code, out, _ = kvsim("relive", file)
	require.Equal(t, simcmd.ExitBroken, code)
	require.Contains(t, out, "the recording ends there, although more was recorded: step ")
	require.NoError(t, os.WriteFile(file, []byte("hello"), 0o600))
	code, _, errOut = kvsim("relive", file)
	require.Equal(t, simcmd.ExitUsage, code)
	require.Contains(t, errOut, "not a recording")
}
