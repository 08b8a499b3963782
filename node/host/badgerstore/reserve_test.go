package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2/z"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"kvs/node"
)

// blocks is the space that a file occupies.
func blocks(t *testing.T, name string) int64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Stat(name, &st))
	return st.Blocks * 512
}

// The logs that Badger writes to have all their blocks, and so has the next one, before Badger asks for it: a write to
// a block that a full disk has no room for ends the process. MANIFEST may grow.
func TestLogsAreReserved(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	taken := map[int]bool{}
	before := 0
	for i := range 60 { // three logs.
		require.NoError(t, s.Apply([]node.Change{put(strings.Repeat("k", i+1), strings.Repeat("v", 400<<10))}))
		last, err := lastLog(dir)
		require.NoError(t, err)
		taken[last] = true
		require.GreaterOrEqual(t, blocks(t, logName(dir, last)), 2*o.MemTableBytes)
		if last == before { // else this batch has taken the one that was there.
			require.GreaterOrEqual(t, blocks(t, logName(dir, last+1)), 2*o.MemTableBytes)
		}
		before = last
		info, err := os.Stat(filepath.Join(dir, manifestName))
		require.NoError(t, err)
		require.Greater(t, blocks(t, filepath.Join(dir, manifestName)), info.Size()+manifestAhead/2)
	}
	require.Greater(t, len(taken), 1)
	last, err := lastLog(dir)
	require.NoError(t, err)
	require.NoError(t, s.Apply([]node.Change{put("large", strings.Repeat("v", 20<<20))}))
	after, err := lastLog(dir)
	require.NoError(t, err)
	require.Greater(t, after, last+1, "one batch, several logs")
	require.NoError(t, s.Close())
	names, err := logNames(dir)
	require.NoError(t, err)
	require.Empty(t, names, "and nothing is left of it")
}

// third_party/ristretto makes the files that Badger maps: they have their blocks before anybody writes to them.
func TestMappedFilesHaveTheirBlocks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "000001.sst")
	m, err := z.OpenMmapFile(name, os.O_CREATE|os.O_RDWR|os.O_EXCL, 1<<20)
	require.ErrorIs(t, err, z.NewFile)
	require.Len(t, m.Data, 1<<20)
	require.GreaterOrEqual(t, blocks(t, name), int64(1<<20))
	require.NoError(t, m.Close(-1))
}

// A new table is filled in memory, and is in its file once it is synced. Memory that was never synced is given back.
func TestANewTableIsWrittenWhenItIsSynced(t *testing.T) {
	for _, size := range []int{1, pageBytes, 1<<20 + 77} {
		name := filepath.Join(t.TempDir(), "000001.sst")
		m, err := z.OpenMmapFile(name, os.O_CREATE|os.O_RDWR|os.O_EXCL, size)
		require.ErrorIs(t, err, z.NewFile)
		want := bytes.Repeat([]byte{7}, size)
		copy(m.Data, want)
		inFile := func() []byte {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			return b
		}
		require.Equal(t, make([]byte, size), inFile(), "what a crash leaves is of the right size")
		memory := &m.Data[0]
		require.NoError(t, z.Msync(m.Data))
		require.Equal(t, want, inFile())
		require.Equal(t, want, m.Data)
		require.Same(t, memory, &m.Data[0])
		require.True(t, mapped(t, name))
		require.NoError(t, m.Sync(), "again")
		require.NoError(t, m.Close(-1))
		require.False(t, mapped(t, name))
	}
	name := filepath.Join(t.TempDir(), "000001.sst")
	m, err := z.OpenMmapFile(name, os.O_CREATE|os.O_RDWR|os.O_EXCL, pageBytes)
	require.ErrorIs(t, err, z.NewFile)
	require.NoError(t, m.Delete())
	require.NoFileExists(t, name)
}

// mapped reports whether this process has a file in its memory.
func mapped(t *testing.T, name string) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Contains(string(b), name)
}

// A table that does not reach its file ends all writing, as one that is not synced does.
func TestATableThatIsNotWritten(t *testing.T) {
	dir, err := os.MkdirTemp("", "stuck") // see TestATableThatIsNotSynced.
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := openT(t, dir)
	name := filepath.Join(dir, "999999.sst")
	m, err := z.OpenMmapFile(name, os.O_CREATE|os.O_RDWR|os.O_EXCL, pageBytes)
	require.ErrorIs(t, err, z.NewFile)
	require.NoError(t, m.Fd.Close())
	go func() { _ = z.Msync(m.Data) }() // it never returns.
	require.Eventually(t, func() bool { return s.stuck.failure() != nil }, time.Minute, time.Millisecond)
	require.ErrorIs(t, s.Apply([]node.Change{put("k", "v")}), os.ErrClosed)
	_ = s.Close()
}

// A full disk is no damage, also where Badger passes on the error as text.
func TestAFullDiskIsNoDamage(t *testing.T) {
	for _, err := range []error{unix.ENOSPC, unix.EDQUOT, fmt.Errorf("newMemTable err: %v", unix.ENOSPC)} {
		require.ErrorIs(t, Damage("d", err), ErrDiskFull)
		require.NotErrorIs(t, Damage("d", err), ErrDamaged)
	}
	require.ErrorIs(t, Damage("d", errors.New("bad magic")), ErrDamaged)
}

// A log that Badger removes while empty ones are looked for is no error.
func TestEmptyLogsWhileBadgerRemovesOthers(t *testing.T) {
	dir := t.TempDir()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			name := filepath.Join(dir, fmt.Sprintf("%05d%s", i%100, logSuffix))
			_ = os.WriteFile(name, []byte{1}, 0o600) // it is empty for a moment, and may be removed then.
			_ = os.Remove(name)
			select {
			case <-end:
				return
			default:
			}
		}
	}()
	var err error
	for i := 0; i < 20_000 && err == nil; i++ {
		err = dropEmpty(dir)
	}
	close(end)
	<-ended
	require.NoError(t, err)
}
