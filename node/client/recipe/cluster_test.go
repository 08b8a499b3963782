package recipe

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/chaos/process"
	"kvs/linearize"
	"kvs/node/client"
	"kvs/node/client/clienttest"
)

func TestMain(m *testing.M) { os.Exit(clienttest.Main(m.Run)) }

// realNodes starts a cluster of three processes, whose traffic among each other goes through relays.
func realNodes(t *testing.T) *process.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes are left out of -short runs")
	}
	c, err := clienttest.Start(t.TempDir(), 3)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	founded := clientOf(t, c, 0)
	require.Eventually(t, func() bool {
		_, err := NewCounter(founded, "founded").Add(t.Context(), 1)
		return err == nil
	}, time.Minute, 50*time.Millisecond)
	return c
}

// clientOf returns a client that asks node i (from 0) first, and gives up an attempt soon.
func clientOf(t *testing.T, c *process.Cluster, i int) *client.Client {
	t.Helper()
	endpoints := c.Endpoints()
	o := client.DefaultOptions(append(slices.Clone(endpoints[i:]), endpoints[:i]...)...)
	o.AttemptTimeout, o.RetryDelayMax = time.Second, 100*time.Millisecond
	made, err := client.New(o)
	require.NoError(t, err)
	t.Cleanup(made.Close)
	return made
}

// disturb applies a plan to the cluster, and ends all faults at its end.
func disturb(t *testing.T, c *process.Cluster, text string) {
	t.Helper()
	plan, err := chaos.ParsePlan(text)
	require.NoError(t, err)
	begin := time.Now()
	for _, e := range plan.Events {
		wait(t.Context(), time.Until(begin.Add(e.At)))
		t.Log(e)
		require.NoError(t, c.Apply(e.Fault))
	}
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Recover}))
}

// troubles are what every recipe has to live with: each member is cut off, killed, or stands still.
const troubles = `
at 1s partition n1 | n2,n3
at 4s heal
at 5s crash n2
at 8s restart n2
at 9s pause n3
at 12s resume n3
at 13s partition n1,n2 | n3
at 15s crash n1
at 16s heal
at 17s restart n1
at 18s heal
`

// notes are operations of many clients, noted when they have ended: unlike those of a linearize.Recorder they may begin
// at a moment that is known only later.
type notes struct {
	begin time.Time
	mu    sync.Mutex
	ops   []linearize.Op
}

func newNotes() *notes { return &notes{begin: time.Now()} }

func (n *notes) at(t time.Time) int64 { return max(0, t.Sub(n.begin).Nanoseconds()) }

// ok notes an operation that began at a moment and was answered just now.
func (n *notes) ok(from time.Time, op linearize.Op) {
	op.Status, op.Invoke, op.Return = linearize.OK, n.at(from), n.at(time.Now())
	n.add(op)
}

// unknown notes one that may happen at any time from a moment on.
func (n *notes) unknown(from time.Time, op linearize.Op) {
	op.Status, op.Invoke, op.Return = linearize.Info, n.at(from), linearize.Never
	n.add(op)
}

func (n *notes) add(op linearize.Op) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ops = append(n.ops, op)
}

func (n *notes) count(kind linearize.Kind) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.ops {
		if n.ops[i].Kind == kind && n.ops[i].Status == linearize.OK {
			count++
		}
	}
	return count
}

// judge returns the verdict of a model on all that was noted. If the test fails, the history is kept.
func (n *notes) judge(t *testing.T, m linearize.Model) *linearize.Result {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortStableFunc(n.ops, func(a, b linearize.Op) int { return int(min(max(a.Invoke-b.Invoke, -1), 1)) })
	h := &linearize.History{Header: linearize.Header{Model: m.Name(), World: "process"}}
	for i, op := range n.ops {
		op.Process = i
		h.Ops = append(h.Ops, op)
	}
	require.NoError(t, h.Validate())
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		f, err := os.Create(filepath.Join(t.ArtifactDir(), m.Name()+".jsonl"))
		if err == nil {
			defer f.Close()
			t.Log("the history is in ", f.Name(), ", which lasts with go test -artifacts: ", linearize.Write(f, h))
		}
	})
	return linearize.Check(h, linearize.Options{})
}

// until runs clients until enough is true, and ends then what they have under way, or fails after two minutes.
func until(t *testing.T, clients int, enough func() bool, work func(ctx context.Context, number int)) {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ctx, end := context.WithCancel(limit)
	defer end()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for ctx.Err() == nil && !enough() {
				work(ctx, i)
			}
			end()
		})
	}
	wg.Wait()
	require.NoError(t, limit.Err(), "it took too long")
}
