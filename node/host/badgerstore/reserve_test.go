package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// A full disk is no damage, also where Badger passes on the error as text.
func TestAFullDiskIsNoDamage(t *testing.T) {
	for _, err := range []error{unix.ENOSPC, unix.EDQUOT, fmt.Errorf("newMemTable err: %v", unix.ENOSPC)} {
		require.ErrorIs(t, Damage("d", err), ErrDiskFull)
		require.NotErrorIs(t, Damage("d", err), ErrDamaged)
	}
	require.ErrorIs(t, Damage("d", errors.New("bad magic")), ErrDamaged)
}
