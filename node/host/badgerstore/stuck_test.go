package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/ristretto/v2/z"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"kvs/node"
)

// noDescriptors lets every open of a file fail until the end of fn, as when a process has used up its descriptors.
func noDescriptors(t *testing.T, fn func()) {
	t.Helper()
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	none := before
	none.Cur = 0
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }()
	fn()
}

// A table that cannot be made is tried again until it can. Badger takes no notice of the error in a compaction, and
// drops the tables whose records it has not written anywhere.
func TestATableIsTriedAgain(t *testing.T) {
	s := openT(t, t.TempDir())
	name := filepath.Join(s.opts.Dir, "999999.sst")
	type made struct {
		m   *z.MmapFile
		err error
	}
	done := make(chan made, 1)
	noDescriptors(t, func() {
		go func() {
			m, err := z.OpenMmapFile(name, os.O_CREATE|os.O_RDWR|os.O_EXCL, 1<<20)
			done <- made{m, err}
		}()
		require.Eventually(t, func() bool { return s.stuck.refuses() != nil }, time.Minute, time.Millisecond)
		err := s.Apply([]node.Change{put("k", "v")})
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorIs(t, err, unix.EMFILE)
		require.ErrorIs(t, s.Admit(nil), ErrRefused)
		require.Eventually(t, func() bool { return s.stuck.hopeless(time.Nanosecond) }, time.Minute, time.Millisecond)
		require.Empty(t, done)
	})
	result := <-done
	require.ErrorIs(t, result.err, z.NewFile)
	require.NoError(t, result.m.Delete())
	require.NoError(t, s.stuck.refuses())
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	require.NoError(t, s.Close())
}

// ownDisk mounts a file system of its own. Where that cannot be done the test is skipped, or fails if
// KVS_REQUIRE_MOUNTS=1 says that it must run.
func ownDisk(t *testing.T, bytes int64) (mnt string) {
	t.Helper()
	mnt = t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprint("size=", bytes), "tmpfs", mnt).CombinedOutput()
	if err != nil {
		require.NotEqual(t, "1", os.Getenv("KVS_REQUIRE_MOUNTS"), "%v %s", err, out)
		t.Skipf("NO MOUNT: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", mnt).Run() })
	return mnt
}

// takeAllBut fills the disk of a folder, up to so many bytes.
func takeAllBut(t *testing.T, name string, left uint64) {
	t.Helper()
	f, err := os.Create(name)
	require.NoError(t, err)
	for {
		free, err := FreeBytes(filepath.Dir(name))
		require.NoError(t, err)
		if free <= left {
			break
		}
		if err = unix.Fallocate(int(f.Fd()), 0, 0, int64(free-left)); err == nil {
			break
		}
		require.ErrorIs(t, err, unix.ENOSPC, "the store has taken some of it meanwhile: there is less to take")
	}
	require.NoError(t, f.Close())
}

// While Badger merges tables others fill the disk, so that there is room for some of the new tables: nothing is lost.
func TestCompactionsOnAFullDisk(t *testing.T) {
	mnt := ownDisk(t, 256<<20)
	dir, taken := filepath.Join(mnt, "data"), filepath.Join(mnt, "taken")
	o := testOptions(dir)
	o.BallastBytes, o.FreeBytesMin = 0, 8<<20
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	const keys = 40
	value := func(i int) string { return strings.Repeat(fmt.Sprintf("%d ", i), 60<<10) }
	n := 0
	check := func() {
		t.Helper()
		for i := n - keys + 1; i <= n; i++ {
			got, found, err := s.Get(fmt.Sprint("k", i%keys))
			require.NoError(t, err)
			require.True(t, found, i)
			require.Equal(t, value(i), string(got), i)
		}
		for i := 1; i <= n; i++ {
			_, found, err := s.Get(fmt.Sprint("o", i))
			require.NoError(t, err)
			require.True(t, found, i)
		}
	}
	waited := 0
	for round := range 12 {
		for range keys { // tables of one round lie over those of the one before.
			n++
			require.NoError(t, s.Apply([]node.Change{
				put(fmt.Sprint("k", n%keys), value(n)), put(fmt.Sprint("o", n), "v"),
			}))
		}
		merged := make(chan error, 1)
		takeAllBut(t, taken, uint64(round%4)<<20)
		go func() { merged <- s.db.Flatten(1) }()
		require.Eventually(t, func() bool { return s.stuck.refuses() != nil || len(merged) > 0 }, time.Minute,
			time.Millisecond)
		if err := s.stuck.refuses(); err != nil {
			require.ErrorIs(t, err, ErrDiskFull)
			waited++
		}
		require.NoError(t, os.Remove(taken))
		require.NoError(t, <-merged)
		check()
	}
	require.NotZero(t, waited)
	require.NoError(t, s.Close())
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	check()
	require.NoError(t, s.Close())
}

// On a disk without room a store is closed in a bounded time, and nothing is lost.
func TestACloseOnAFullDisk(t *testing.T) {
	mnt := ownDisk(t, 192<<20)
	o := testOptions(filepath.Join(mnt, "data"))
	o.BallastBytes, o.FreeBytesMin = 0, 8<<20
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	value := strings.Repeat("v", 6<<20)
	require.NoError(t, s.Apply([]node.Change{put("k", value)}))
	require.NoError(t, s.writer.dropReserve()) // Close gives up what is kept for the next log.
	takeAllBut(t, filepath.Join(mnt, "taken"), 0)
	require.ErrorIs(t, s.Close(), ErrNotClosed)
	copied := copyFolder(t, o.Dir) // this process has the lock still.
	require.NoError(t, os.Remove(filepath.Join(mnt, "taken")))
	s = openT(t, copied)
	got, _, err := s.Get("k")
	require.NoError(t, err)
	require.Equal(t, value, string(got))
	require.NoError(t, s.Close())
}

// A table that was written and did not reach the disk ends all writing, and the store can be closed.
func TestATableThatIsNotSynced(t *testing.T) {
	dir, err := os.MkdirTemp("", "stuck")
	require.NoError(t, err)
	// A store that is stuck is not waited for, so something may still write there.
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := openT(t, dir)
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	fault := errors.New("no disk")
	s.stuck.fail(fault)
	require.ErrorIs(t, s.Apply([]node.Change{put("k", "w")}), fault)
	require.ErrorIs(t, s.Sync(), fault)
	got, _, err := s.Get("k")
	require.NoError(t, err)
	require.Equal(t, "v", string(got))
	_ = s.Close()
}

// A store is closed in a bounded time also while Badger lets a transaction wait, because a table cannot be made or was
// not synced.
func TestACloseWhileATransactionWaits(t *testing.T) {
	fault := errors.New("no disk")
	for name, c := range map[string]struct {
		stop func(s *Store)
		want error
	}{
		"a table cannot be made": {
			func(s *Store) { s.stuck.note(s, "000001.sst", unix.ENOSPC); s.Leave() }, ErrNotClosed},
		"a table was not synced": {func(s *Store) { s.stuck.fail(fault) }, fault},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "stuck") // see TestATableThatIsNotSynced.
			require.NoError(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			begun, end := make(chan struct{}), make(chan struct{})
			defer close(end)
			blocked := false
			s, err := open(t.Context(), testOptions(dir), func(txn *badger.Txn, version uint64) error {
				if !blocked {
					return commitTransaction(txn, version)
				}
				close(begun)
				<-end
				return nil
			})
			require.NoError(t, err)
			blocked = true
			loaded := make(chan error, 1)
			go func() { loaded <- s.Load([]node.Change{put("k", "v")}) }()
			<-begun
			c.stop(s)
			require.ErrorIs(t, <-loaded, c.want)
			_ = s.Close()
		})
	}
}

// Others take the room that there was just when Badger is opened for writing: the store is open to be read, and takes
// writes when there is room.
func TestADiskThatIsFullWhenBadgerOpens(t *testing.T) {
	mnt := ownDisk(t, 192<<20)
	o := testOptions(filepath.Join(mnt, "data"))
	o.BallastBytes = 0
	roomy := uint64(1 << 30) // what was free when the store asked.
	o.FreeBytes = func(string) (uint64, error) { return roomy, nil }
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	require.NoError(t, s.Close())
	reads := func() {
		t.Helper()
		got, found, err := s.Get("k")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "v", string(got))
	}
	taken := filepath.Join(mnt, "taken")
	takeAllBut(t, taken, 0)
	for range 2 {
		s, err = Open(t.Context(), o)
		require.NoError(t, err, "it did not start")
		for range 3 {
			require.True(t, s.readOnly())
			reads()
			require.ErrorIs(t, s.Apply([]node.Change{put("k", "w")}), ErrDiskFull, "it ended")
		}
		require.NoError(t, s.Close())
	}
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, os.Remove(taken))
	require.NoError(t, s.Apply([]node.Change{put("j", "w")}))
	require.False(t, s.readOnly())
	reads()
	require.NoError(t, s.Close())
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, content(t, s), 2)
	require.NoError(t, s.Close())
}
