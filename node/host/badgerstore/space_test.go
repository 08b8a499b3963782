package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"kvs/node"
)

func TestDiskFull(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 30)
	o := testOptions(t.TempDir())
	o.BallastBytes = 0
	o.FreeBytes = func(dir string) (uint64, error) {
		require.Equal(t, o.Dir, dir)
		return free.Load(), nil
	}
	s, err := Open(context.Background(), o)
	require.NoError(t, err)
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))

	free.Store(o.FreeBytesMin + 100)
	require.NoError(t, s.Apply([]node.Change{put("k", strings.Repeat("v", 99))}), "it just fits")
	before := content(t, s)
	err = s.Apply([]node.Change{put("j", "1"), put("k", strings.Repeat("w", 100))})
	require.ErrorIs(t, err, ErrDiskFull)
	require.ErrorIs(t, err, ErrRefused)
	require.True(t, Retryable(err))
	require.ErrorContains(t, err, "make room")
	require.Equal(t, before, content(t, s), "reads go on, and nothing was applied")

	free.Store(1 << 30)
	require.NoError(t, s.Apply([]node.Change{put("j", "1")}), "and so do writes once there is room")
	require.NoError(t, s.Close())

	free.Store(o.FreeBytesMin - 1) // a node whose disk became full can be started again, to read,
	s, err = Open(context.Background(), o)
	require.NoError(t, err)
	require.ErrorIs(t, s.Apply([]node.Change{put("j", "2")}), ErrDiskFull)
	require.NoError(t, s.Close())
	free.Store(o.FreeBytesMin/2 - 1) // also where Badger would die of a write.
	s, err = Open(context.Background(), o)
	require.NoError(t, err)
	require.True(t, s.readOnly())
	require.ErrorIs(t, s.Apply([]node.Change{put("j", "2")}), ErrDiskFull)
	require.NoError(t, s.Close())
}

func TestUnknownFreeSpace(t *testing.T) {
	o := testOptions(t.TempDir())
	var broken atomic.Bool
	fault := errors.New("file system went away")
	o.FreeBytes = func(string) (uint64, error) {
		if broken.Load() {
			return 0, fault
		}
		return 1 << 40, nil
	}
	s, err := Open(context.Background(), o)
	require.NoError(t, err)
	defer s.Close()
	broken.Store(true)
	err = s.Apply([]node.Change{put("k", "v")})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorIs(t, err, fault)
	require.True(t, Retryable(err))
	_, err = s.Sizes()
	require.ErrorIs(t, err, fault)
	broken.Store(false)
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
}

// A disk is asked again when the answer is old, and after an error.
func TestLately(t *testing.T) {
	at, asked, wrong := time.Unix(1, 0), uint64(0), errors.New("no answer")
	var err error
	free := lately(func(string) (uint64, error) { asked++; return asked, err }, func() time.Time { return at })
	for _, step := range []struct {
		pass time.Duration
		err  error
		want uint64
	}{
		{0, nil, 1}, {latelyFor - 1, nil, 1}, {1, nil, 2},
		{latelyFor, wrong, 0}, {0, wrong, 0}, {0, nil, 5}, {1, wrong, 5},
	} {
		at, err = at.Add(step.pass), step.err
		got, gotErr := free("")
		require.Equal(t, step.want, got)
		require.Equal(t, got == 0, gotErr != nil)
	}
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
		{1000, false, false}, {100, false, false}, {99, true, true}, {0, true, false}, {149, true, false},
		{100, true, false},
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

// freeDisk is a disk of which somebody else takes what is not free; a ballast is a part of what is.
func freeDisk(dir string, free *atomic.Uint64) func(string) (uint64, error) {
	return func(string) (uint64, error) {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(dir, ballastName), &st) != nil {
			return free.Load(), nil
		}
		return free.Load() - min(uint64(st.Blocks)*512, free.Load()), nil
	}
}

// A node whose disk somebody has filled to the last byte can be started again: what was kept for this is given up, and
// there is room for deletions. With ample room it is kept again.
func TestBallast(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	var free atomic.Uint64
	free.Store(1 << 30)
	o.FreeBytes = freeDisk(dir, &free)
	ballast := filepath.Join(dir, ballastName)
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	require.FileExists(t, ballast)
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	before, err := s.Sizes()
	require.NoError(t, err)
	require.Less(t, before.DiskBytes, o.BallastBytes, "it does not count as what the node holds")
	require.NoError(t, s.Close())

	free.Store(o.BallastBytes) // nothing but the ballast is left.
	s, err = Open(t.Context(), o)
	require.NoError(t, err, "it was refused")
	require.NoFileExists(t, ballast)
	require.Equal(t, []string{"k 1 76"}, content(t, s))
	require.NoError(t, s.Apply([]node.Change{{Key: "k"}}), "deletions are taken")
	require.NoError(t, s.KeepBallast())
	require.NoFileExists(t, ballast, "there is no room for it yet")
	require.Equal(t, o.BallastBytes, s.BallastOwed(), "what looks free is not")
	free.Store(1 << 30)
	require.NoError(t, s.KeepBallast())
	require.FileExists(t, ballast)
	require.Zero(t, s.BallastOwed())

	free.Store(o.BallastBytes + 10) // while the node runs.
	require.ErrorIs(t, s.Apply([]node.Change{put("j", "1")}), ErrDiskFull)
	require.NoFileExists(t, ballast, "Badger may need it at any moment")
	require.NoError(t, s.Close())
	free.Store(10)
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	require.True(t, s.readOnly(), "what has been given up once is gone")
	require.ErrorContains(t, s.Apply([]node.Change{put("j", "1")}), "make room")
	require.NoError(t, s.Close())
}

// The ballast is given up without anybody writing or asking.
func TestBallastIsGivenUpByItself(t *testing.T) {
	o := testOptions(t.TempDir())
	var free atomic.Uint64
	free.Store(1 << 40)
	o.FreeBytes = func(string) (uint64, error) { return free.Load(), nil }
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	defer s.Close()
	require.FileExists(t, filepath.Join(o.Dir, ballastName))
	free.Store(1)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(o.Dir, ballastName))
		return errors.Is(err, os.ErrNotExist)
	}, time.Minute, time.Millisecond)
}

// A store on a disk without any room is opened to be read, and to be written to when there is room again.
func TestADiskWithoutRoom(t *testing.T) {
	killed := killedFolder(t) // tables, and a log that Badger would write out.
	_ = os.Remove(filepath.Join(killed, ballastName))
	var free atomic.Uint64
	o := testOptions(killed)
	o.FreeBytes = func(string) (uint64, error) { return free.Load(), nil }
	read := func(s *Store) {
		t.Helper()
		for i := range damageKeys {
			got, found, err := s.Get(fmt.Sprint("k", i))
			require.NoError(t, err)
			require.True(t, found, i)
			require.Equal(t, damageValue(i), string(got))
		}
		require.Len(t, content(t, s), damageKeys+1)
	}
	before, err := filepath.Glob(filepath.Join(killed, "*"))
	require.NoError(t, err)
	for range 2 {
		s, err := Open(t.Context(), o)
		require.NoError(t, err)
		read(s)
		require.ErrorIs(t, s.Apply([]node.Change{put("k", "v")}), ErrDiskFull)
		_, err = s.Sizes()
		require.NoError(t, err)
		_, err = Open(t.Context(), o)
		require.ErrorIs(t, err, ErrLocked)
		after, err := filepath.Glob(filepath.Join(killed, "*"))
		require.NoError(t, err)
		require.Subset(t, before, after, "no file is made")
		require.NoError(t, s.Close())
	}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	free.Store(1 << 30)
	require.NoError(t, s.Apply([]node.Change{put("new", "v")}))
	require.NoError(t, s.Apply([]node.Change{{Key: "new"}}))
	read(s)
	_, err = Open(t.Context(), o)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, s.Close())
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	read(s)
	require.NoError(t, s.Close())
}
