package ring

import (
	"bufio"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/recorder"
)

func open(t *testing.T, dir string) *Ring {
	t.Helper()
	r, err := Open(Options{Dir: dir, BytesMax: BytesMin, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return r
}

// head is that of a segment that begins at a second.
func head(second int64) []byte {
	return recorder.AppendHead(nil, &recorder.Head{Name: "n", Time: node.Time{Wall: second * 1000}, Image: []byte("i")})
}

// record is one of about so many bytes.
func record(number uint64, size int) []byte {
	return recorder.AppendStep(nil, &recorder.Step{Number: number, Input: &node.Frame{Data: make([]byte, size)}})
}

// read is which steps a piece has, and how many heads.
func read(t *testing.T, p *Piece) (steps []uint64, heads int) {
	t.Helper()
	defer p.Close()
	r := recorder.NewReader(bufio.NewReader(p))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			require.Equal(t, r.Bytes(), p.Len())
			return steps, heads
		}
		require.NoError(t, err)
		if rec.Head != nil {
			heads++
		} else {
			steps = append(steps, rec.Step.Number)
		}
	}
}

func TestCut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recorder")
	r := open(t, dir)
	_, err := r.Cut(time.Unix(0, 0))
	require.ErrorIs(t, err, ErrNothing)
	for s := int64(1); s <= 3; s++ {
		require.True(t, r.Begin(head(s*10), node.Time{}))
		require.True(t, r.Append(record(uint64(s*10), 1), node.Time{}))
		require.True(t, r.Append(record(uint64(s*10+1), 1), node.Time{}))
	}
	for since, want := range map[int64][]uint64{
		0: {10, 11, 20, 21, 30, 31}, 19: {10, 11, 20, 21, 30, 31}, 20: {20, 21, 30, 31}, 100: {30, 31},
	} {
		p, err := r.Cut(time.Unix(since, 0))
		require.NoError(t, err)
		steps, heads := read(t, p)
		require.Equal(t, want, steps)
		require.Equal(t, len(want)/2, heads)
	}
	info, err := os.Stat(filepath.Join(dir, "segment-0000000001"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "keys and values are in it")
	require.NoError(t, r.Close())
	require.False(t, r.Append(record(32, 1), node.Time{}))

	// A node that was killed: the last record is half a one, and the next run goes on with another segment.
	last := filepath.Join(dir, "segment-0000000003")
	content, err := os.ReadFile(last)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(last, content[:len(content)-3], 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "segment-0000000000"), []byte("rubbish"), 0o600))
	p, err := Cut(dir, time.Unix(20, 0))
	require.NoError(t, err)
	steps, _ := read(t, p)
	require.Equal(t, []uint64{20, 21, 30}, steps)
	r = open(t, dir)
	require.True(t, r.Begin(head(40), node.Time{}))
	require.True(t, r.Append(record(40, 1), node.Time{}))
	p, err = r.Cut(time.Unix(30, 0))
	require.NoError(t, err)
	steps, _ = read(t, p)
	require.Equal(t, []uint64{30, 40}, steps)
	require.NoError(t, r.Close())
	_, err = Cut(filepath.Join(dir, "none"), time.Unix(0, 0))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// The files never have more than the bound, and what is dropped is the oldest.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	for s := range int64(60) {
		require.True(t, r.Begin(head(s), node.Time{}))
		require.True(t, r.Append(record(uint64(s), 1<<20), node.Time{}))
		r.Flush()
		files, err := list(dir)
		require.NoError(t, err)
		var sum int64
		for _, f := range files {
			sum += f.bytes
		}
		require.LessOrEqual(t, sum, int64(BytesMin))
		require.Equal(t, sum, r.Status().Bytes)
	}
	p, err := r.Cut(time.Unix(0, 0))
	require.NoError(t, err)
	for range 5 { // dropped while they are read.
		require.True(t, r.Begin(head(100), node.Time{}))
		require.True(t, r.Append(record(100, 3<<20), node.Time{}))
		r.Flush()
	}
	steps, _ := read(t, p)
	require.Len(t, steps, 15)
	require.EqualValues(t, 59, steps[14])
	require.NoError(t, r.Close())
	_, err = Open(Options{Dir: dir, BytesMax: BytesMin - 1})
	require.ErrorContains(t, err, "use at least")
}

// What the disk cannot take in time is refused; a disk that fails ends the recording.
func TestRefusedAndFailed(t *testing.T) {
	r := &Ring{wake: make(chan struct{}, 1), done: make(chan struct{}),
		o: Options{Logger: slog.New(slog.DiscardHandler)}} // nothing is written.
	r.written.L = &r.mu
	require.NoError(t, r.folder.open(t.TempDir(), BytesMin))
	large := record(1, pendingMax/2)
	require.True(t, r.Begin(head(1), node.Time{}))
	require.True(t, r.Append(large, node.Time{}))
	require.False(t, r.Append(large, node.Time{}))
	require.EqualValues(t, 1, r.Status().Refused)
	require.False(t, r.write())
	require.True(t, r.Append(large, node.Time{}))
	require.NoError(t, r.folder.file.Close()) // writes to it fail from now on.
	require.False(t, r.write())
	require.ErrorIs(t, r.Status().Failure, os.ErrClosed)
	require.False(t, r.Append(record(2, 1), node.Time{}))
	r.Flush() // it does not wait for ever.
}
