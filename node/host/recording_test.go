package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/contract"
	"kvs/node/host/rest/recordings"
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
		piece, length, err := h.Recording(t.Context(), time.Minute, false)
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
	_, _, err = h.Recording(t.Context(), time.Minute, false)
	require.ErrorIs(t, err, ErrNotRecorded)
}

// A recording with hashes in place of values is made by the node, relives, and holds no value, whatever way it came in.
func TestHashedRecordingHoldsNoValue(t *testing.T) {
	cfg := testConfig(t)
	cfg.Recorder.RingBytesMax = 8 * ring.BytesMin // so that everything is in it.
	h := startHost(t, testOptions(cfg))
	defer func() { require.NoError(t, h.Stop(context.Background())) }()
	var secrets [][]byte
	secret := func(size int) []byte {
		value := bytes.Repeat([]byte(fmt.Sprintf("secret-%04d.", len(secrets))), size/12+1)[:size]
		secrets = append(secrets, value[:12])
		return value
	}
	do := func(q *node.Request) {
		reply, err := h.Do(t.Context(), q)
		require.NoError(t, err)
		require.Contains(t, []node.Code{node.CodeOK, node.CodeCreated, node.CodePrecondition}, reply.Code)
	}
	for i, size := range []int{12, 13, 100, 4 << 10, 1 << 20} { // the last one is large for a store.
		for level := node.Eventual; level <= node.Linearizable; level++ {
			path := fmt.Sprintf("a/%d-%d", i, level)
			do(&node.Request{Op: node.OpPut, Level: level, Path: path, Value: secret(size)})
			do(&node.Request{Op: node.OpPut, Level: level, Path: path, Value: secret(size), TTL: time.Second})
			do(&node.Request{Op: node.OpGet, Level: level, Path: path})
			do(&node.Request{Op: node.OpDelete, Level: level, Path: path})
		}
		keyed := &node.Request{Op: node.OpPut, Level: node.Linearizable, Path: "keyed", Value: secret(size)}
		keyed.SetKey(fmt.Appendf(nil, "secret key %d", i))
		secrets = append(secrets, bytes.Clone(keyed.Key[:contract.KeyBytes]),
			binary.LittleEndian.AppendUint64(nil, keyed.Fingerprint))
		do(keyed)
		again := *keyed
		do(&again)
		do(&node.Request{Op: node.OpPut, Level: node.Linearizable, Path: "keyed", Value: secret(size),
			Condition: node.Condition{Kind: node.IfNoneMatch, Any: true}})
	}
	read := func(hash bool) []byte {
		piece, length, err := h.Recording(t.Context(), time.Minute, hash)
		require.NoError(t, err)
		content, err := io.ReadAll(piece)
		require.NoError(t, err)
		require.NoError(t, piece.Close())
		require.Len(t, content, int(length))
		return content
	}
	values, hashes := read(false), read(true)
	for _, s := range secrets {
		require.True(t, bytes.Contains(values, s), "the alarm rings: %q", s)
		require.False(t, bytes.Contains(hashes, s), "%q", s)
	}
	require.False(t, bytes.Contains(hashes, []byte("secret")))
	require.True(t, bytes.Contains(hashes, []byte("a/4-3")), "paths stay")
	build := recorder.Build{Toolchain: runtime.Version()}
	res, err := relive.Run(bytes.NewReader(hashes), relive.Options{Build: build})
	require.NoError(t, err)
	require.Nil(t, res.Differs, "%v", res.Differs)
	require.NotZero(t, res.Head.Hashed.Effects)
	require.Equal(t, res.Steps, res.Head.Hashed.Steps)
	left, err := filepath.Glob(filepath.Join(cfg.DataDir, ring.Dir, "hashed-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	h.recording.hashing.Lock()
	_, _, err = h.Recording(t.Context(), time.Minute, true)
	require.ErrorIs(t, err, recordings.ErrBusy)
	h.recording.hashing.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = h.Recording(ctx, time.Minute, true)
	require.ErrorIs(t, err, recordings.ErrFailed)
	require.ErrorIs(t, err, context.Canceled)
}
