package transport

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func TestBatchRoundTrip(t *testing.T) {
	for _, frames := range [][][]byte{
		{{1}},
		{[]byte("a"), []byte("bc"), bytes.Repeat([]byte{7}, 1000)},
		{make([]byte, node.FrameBytesMax)},
	} {
		body := appendBatch(nil, frames)
		require.LessOrEqual(t, len(body), BatchBytesMax)
		got, err := DecodeBatch(body)
		require.NoError(t, err)
		require.Equal(t, frames, got)
		clear(body)
		require.Equal(t, frames[0][0], got[0][0], "the frames are copies")
	}
}

func TestHostileBatches(t *testing.T) {
	for want, body := range map[string][]byte{
		"it is empty":       {},
		"format 2":          {2, 1, 0, 0, 0, 9},
		"0 frames":          {1},
		"after frame 0":     {1, 1, 0, 0},
		"claims 0 bytes":    {1, 0, 0, 0, 0},
		"claims 2 bytes":    {1, 2, 0, 0, 0, 9},
		"claims 4294967295": {1, 255, 255, 255, 255, 9},
		"after frame 1":     {1, 1, 0, 0, 0, 9, 1},
		"the limit is":      make([]byte, BatchBytesMax+1),
		"4097 frames":       append([]byte{1}, bytes.Repeat([]byte{1, 0, 0, 0, 9}, batchFramesMax+1)...),
	} {
		_, err := DecodeBatch(body)
		require.ErrorIs(t, err, ErrBadBatch)
		require.ErrorContains(t, err, want)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 0, 9})
	f.Add(appendBatch(nil, [][]byte{[]byte("hello"), {0}}))
	f.Add([]byte{1, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, body []byte) {
		frames, err := DecodeBatch(body)
		if err != nil {
			require.ErrorIs(t, err, ErrBadBatch)
			return
		}
		require.Equal(t, body, appendBatch(nil, frames), "what decodes is what was encoded")
	})
}
