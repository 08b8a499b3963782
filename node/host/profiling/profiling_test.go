package profiling

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"runtime/pprof"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTake(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, kind := range Kinds {
		var b bytes.Buffer
		require.NoError(t, Take(ended, &b, kind, 1), kind)
		z, err := gzip.NewReader(&b)
		require.NoError(t, err, kind)
		content, err := io.ReadAll(z)
		require.NoError(t, err, kind)
		require.NotEmpty(t, content, kind)
	}
	require.ErrorIs(t, Take(t.Context(), io.Discard, "wealth", 1), ErrKind)
	require.ErrorIs(t, Take(t.Context(), io.Discard, KindCPU, 0), ErrSeconds)
	require.ErrorIs(t, Take(t.Context(), io.Discard, KindCPU, SecondsMax+1), ErrSeconds)
}

// One measurement at a time: the second one is refused, and the first one goes on.
func TestTakeWhileAnotherDoes(t *testing.T) {
	require.NoError(t, pprof.StartCPUProfile(io.Discard))
	defer pprof.StopCPUProfile()
	require.ErrorIs(t, Take(t.Context(), io.Discard, KindCPU, 1), ErrBusy)
	require.NoError(t, Take(t.Context(), io.Discard, "heap", 1))
}
