package host

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// outcome is what DoAll has answered for one request.
type outcome struct {
	resp node.Response
	err  error
}

// doAll writes values of their own under count paths, and wants one answer for each.
func doAll(ctx context.Context, t *testing.T, h *Host, count int) []outcome {
	t.Helper()
	rs := make([]*node.Request, count)
	for i := range rs {
		path := fmt.Sprintf("all/%03d", i)
		rs[i] = &node.Request{Op: node.OpPut, Level: node.Eventual, Path: path, Value: []byte(path)}
	}
	out, answered := make([]outcome, count), make([]int, count)
	h.DoAll(ctx, rs, func(i int, resp node.Response, err error) {
		out[i] = outcome{resp, err}
		answered[i]++
	})
	for i, n := range answered {
		require.Equal(t, 1, n, "answers to request %d", i)
	}
	return out
}

// Writes that come together share an fsync, and each has an answer of its own.
func TestTogether(t *testing.T) {
	var applied atomic.Int32
	h := startBroken(t, testOptions(testConfig(t)), func() error { applied.Add(1); return nil })
	started(t, h)
	before := applied.Load()
	out := doAll(t.Context(), t, h, 100)
	require.LessOrEqual(t, applied.Load()-before, int32(3), "one, and what the node writes of itself meanwhile")
	for i, o := range out {
		require.NoError(t, o.err)
		require.Equal(t, node.CodeCreated, o.resp.Code)
		r, err := h.View().Get(fmt.Sprintf("all/%03d", i))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("all/%03d", i), string(r.Value))
		require.Equal(t, o.resp.Record.Version(), r.Version(), "the answer is that of its own request")
	}
	doAll(t.Context(), t, h, 0)
	stopHost(t, h)
	for _, o := range doAll(t.Context(), t, h, 3) {
		require.ErrorIs(t, o.err, ErrStopped)
	}
}

// Where there are fewer places than writes, they take turns.
func TestTogetherTakesTurns(t *testing.T) {
	o := testOptions(testConfig(t))
	o.Config.RequestsMax = 3
	h := startHost(t, o)
	for _, o := range doAll(t.Context(), t, h, 10) {
		require.NoError(t, o.err)
		require.Equal(t, node.CodeCreated, o.resp.Code)
	}
	require.Zero(t, h.admission.inFlight())
}

// While the disk hangs: who has a place learns nothing in time, and who has none is turned away.
func TestTogetherOnAHangingDisk(t *testing.T) {
	h, release := hangingHost(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	out := doAll(ctx, t, h, 4)
	for _, o := range out[:2] {
		require.ErrorIs(t, o.err, context.DeadlineExceeded)
	}
	for _, o := range out[2:] {
		require.NoError(t, o.err)
		require.Equal(t, node.CodeOverloaded, o.resp.Code)
		require.Equal(t, node.OutcomeNotApplied, o.resp.Outcome)
		require.Positive(t, o.resp.RetryAfter)
	}
	release()
	require.Eventually(t, func() bool { return h.admission.inFlight() == 0 }, patience, time.Millisecond)
	stopHost(t, h)
}
