package badgerstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func TestDiskFull(t *testing.T) {
	free := uint64(1 << 30)
	o := testOptions(t.TempDir())
	o.FreeBytes = func(dir string) (uint64, error) {
		require.Equal(t, o.Dir, dir)
		return free, nil
	}
	s, err := Open(o)
	require.NoError(t, err)
	require.NoError(t, s.Apply([]node.Op{put("k", "v")}))

	free = o.FreeBytesMin + 100
	require.NoError(t, s.Apply([]node.Op{put("k", strings.Repeat("v", 99))}), "it just fits")
	before := content(t, s)
	err = s.Apply([]node.Op{put("j", "1"), put("k", strings.Repeat("w", 100))})
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorIs(t, err, ErrRefused)
	require.True(t, Retryable(err))
	require.ErrorContains(t, err, "make room")
	require.Equal(t, before, content(t, s), "reads go on, and nothing was applied")

	free = 1 << 30
	require.NoError(t, s.Apply([]node.Op{put("j", "1")}), "and so do writes once there is room")
	require.NoError(t, s.Close())

	free = o.FreeBytesMin - 1 // a node whose disk became full can be started again, to read,
	s, err = Open(o)
	require.NoError(t, err)
	require.ErrorIs(t, s.Apply([]node.Op{put("j", "2")}), ErrDiskFull)
	require.NoError(t, s.Close())
	free = o.FreeBytesMin/2 - 1 // but not where Badger could die of it.
	_, err = Open(o)
	require.ErrorIs(t, err, ErrDiskFull)
}

func TestUnknownFreeSpace(t *testing.T) {
	o := testOptions(t.TempDir())
	var fault error
	o.FreeBytes = func(string) (uint64, error) { return 1 << 40, fault }
	s, err := Open(o)
	require.NoError(t, err)
	defer s.Close()
	fault = errors.New("file system went away")
	err = s.Apply([]node.Op{put("k", "v")})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorIs(t, err, fault)
	require.True(t, Retryable(err))
	_, err = s.Sizes()
	require.ErrorIs(t, err, fault)
	fault = nil
	require.NoError(t, s.Apply([]node.Op{put("k", "v")}))
}

func TestFreeBytes(t *testing.T) {
	free, err := FreeBytes(t.TempDir())
	require.NoError(t, err)
	require.NotZero(t, free)
	_, err = FreeBytes("/no/such/folder")
	require.ErrorContains(t, err, "/no/such/folder")
}

func TestGauge(t *testing.T) {
	g, err := NewGauge(Watermarks{FullBelow: 100, FreeFrom: 150})
	require.NoError(t, err)
	require.False(t, g.Full())
	for i, step := range []struct {
		free          uint64
		full, changed bool
	}{
		{1000, false, false}, {100, false, false}, {99, true, true}, {0, true, false}, {149, true, false}, {100, true, false},
		{150, false, true}, {149, false, false}, {100, false, false}, {99, true, true}, {1000, false, true},
	} {
		full, changed := g.Observe(step.free)
		require.Equal(t, step.full, full, "step %d", i)
		require.Equal(t, step.changed, changed, "step %d", i)
		require.Equal(t, full, g.Full())
	}
	_, err = NewGauge(Watermarks{FullBelow: 100, FreeFrom: 100})
	require.Error(t, err)
	_, err = NewGauge(WatermarksFor(testOptions("x")))
	require.NoError(t, err)
}
