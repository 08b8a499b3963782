package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/ring"
	"kvs/node/recorder"
	"kvs/node/relive"
)

// reliveRing relives what is in a ring.
func reliveRing(t *testing.T, dir string) *relive.Result {
	t.Helper()
	p, err := ring.Cut(filepath.Join(dir, ring.Dir), time.Unix(0, 0))
	require.NoError(t, err)
	defer p.Close()
	res, err := relive.Run(bufio.NewReader(p), relive.Options{Build: recorder.Build{Toolchain: runtime.Version()}})
	require.NoError(t, err)
	require.Nil(t, res.Differs, "%v", res.Differs)
	return res
}

// A real node is relived, over a restart too; the recording of a running node is that of its folder.
func TestRecordedNodeRelives(t *testing.T) {
	cfg := testConfig(t)
	cfg.Recorder.RingBytesMax = ring.BytesMin
	for run := range 2 {
		h := startHost(t, testOptions(cfg))
		for i := range 200 {
			_, err := h.Do(t.Context(), &node.Request{Op: node.OpPut, Level: node.Level(1 + i%3),
				Path: fmt.Sprintf("a/%d", i%20), Value: []byte(fmt.Sprint("value ", run, i))})
			require.NoError(t, err)
		}
		piece, length, err := h.Recording(time.Minute)
		require.NoError(t, err)
		require.Positive(t, length)
		require.NoError(t, piece.Close())
		state, warning := h.recording.status()
		require.Equal(t, recorder.Recording.String(), state)
		require.Empty(t, warning)
		require.True(t, h.recording.numbers().On)
		require.NoError(t, h.Stop(context.Background()))
		res := reliveRing(t, cfg.DataDir)
		require.Equal(t, run+1, res.Revived, "once for each run")
		require.Greater(t, res.Steps, uint64(200*(run+1)))
	}
}

// A ring that cannot be had is told, and the node serves.
func TestNodeServesWithoutItsRecorder(t *testing.T) {
	cfg := testConfig(t)
	cfg.Recorder.RingBytesMax = ring.BytesMin
	h := startHost(t, testOptions(cfg))
	require.NoError(t, h.Stop(context.Background()))
	require.NoError(t, os.RemoveAll(filepath.Join(cfg.DataDir, ring.Dir)))
	require.NoError(t, os.WriteFile(filepath.Join(cfg.DataDir, ring.Dir), []byte("a file"), 0o600))
	h = startHost(t, testOptions(cfg))
	defer func() { require.NoError(t, h.Stop(context.Background())) }()
	_, err := h.Do(t.Context(), &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "a", Value: []byte("v")})
	require.NoError(t, err)
	state, warning := h.recording.status()
	require.Equal(t, "failed", state)
	require.NotEmpty(t, warning)
	_, _, err = h.Recording(time.Minute)
	require.ErrorIs(t, err, ErrNotRecorded)
}
