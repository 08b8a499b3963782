package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/badgerstore"
)

// A data folder that a version without a journal has left, killed in the middle of its work.
func TestFolderOfFormat2(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("tar", "-C", dir, "-xzf", "testdata/format2.tar.gz").CombinedOutput()
	require.NoError(t, err, string(out))
	// A start was cut short before the folder got its new format: what it has left of a journal counts for nothing.
	require.NoError(t, os.Mkdir(filepath.Join(dir, folderName), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, folderName, "0000000000000003.segment"), []byte("junk"), 0o600))
	check := func(s *Store) {
		for i := 1; i < 40; i++ {
			value, found, err := s.Get(fmt.Sprint("k", i))
			require.NoError(t, err)
			require.True(t, found, "k%d", i)
			require.Equal(t, fmt.Sprintf("value-%d-%s", i, strings.Repeat("x", 100*(i%7))), string(value))
		}
		_, found, err := s.Get("k0")
		require.NoError(t, err)
		require.False(t, found, "it was deleted")
		value, _, err := s.Get("again")
		require.NoError(t, err)
		require.Equal(t, "39", string(value))
		value, _, err = s.Get("large")
		require.NoError(t, err)
		require.Len(t, value, 600<<10)
	}
	for range 2 {
		s := openT(t, testOptions(dir))
		check(s)
		require.NoError(t, s.Apply([]node.Change{put("new", "value")}))
		require.NoError(t, s.Close())
	}
	marker, err := os.ReadFile(filepath.Join(dir, "KVS"))
	require.NoError(t, err)
	require.Contains(t, string(marker), "format: 3\n")
}

// A data folder of the current format, killed in the middle of its work: some of it is in Badger, some in the journal
// alone.
func TestFolderOfFormat3(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("tar", "-C", dir, "-xzf", "testdata/format3.tar.gz").CombinedOutput()
	require.NoError(t, err, string(out))
	s := openT(t, testOptions(dir))
	require.NotZero(t, s.active.upTo, "the journal holds something")
	count := 0
	require.NoError(t, s.Scan("k", "", func(key string, value []byte) bool {
		require.Equal(t, key+strings.Repeat(".", 1000), string(value))
		count++
		return true
	}))
	require.Equal(t, 150, count)
	_, found, err := s.Get("gone")
	require.NoError(t, err)
	require.False(t, found)
}

// The journal of a folder that has one must be there.
func TestDamagedJournal(t *testing.T) {
	fill := func(t *testing.T) string {
		dir := t.TempDir()
		o := testOptions(dir)
		o.MemoryBytes, o.JournalBytes = 64<<20, 64<<20 // nothing is flushed.
		s := openT(t, o)
		for i := range 100 {
			require.NoError(t, s.Apply([]node.Change{put(fmt.Sprint("k", i), strings.Repeat("v", 1000))}))
		}
		killed := t.TempDir()
		require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
		require.NoError(t, s.Close())
		return killed
	}
	rot := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			b[5000] ^= 1
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
	}
	for name, damage := range map[string]func(t *testing.T, dir string){
		"a bit": rot("journal/0000000000000001.segment"),
		"a segment is gone": func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "journal/0000000000000001.segment")))
		},
		"the journal is gone": func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "journal")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fill(t)
			damage(t, dir)
			for range 2 { // a refusal does not make it look whole.
				_, err := Open(t.Context(), testOptions(dir))
				require.ErrorIs(t, err, badgerstore.ErrDamaged)
				require.ErrorContains(t, err, dir)
				require.ErrorContains(t, err, "keep the folder")
			}
			o := testOptions(dir)
			o.Base.AcceptLoss = true
			s := openT(t, o)
			count := 0
			require.NoError(t, s.ScanKeys("k", "", func(string) bool { count++; return true }))
			require.Less(t, count, 100)
			if name != "the journal is gone" {
				require.Greater(t, count, 30, "what can be read is there")
			}
			require.NoError(t, s.Apply([]node.Change{put("new", "value")}))
			require.NoError(t, s.Close())
			s = openT(t, testOptions(dir)) // from now on this is what there is.
			_, found, err := s.Get("new")
			require.NoError(t, err)
			require.True(t, found)
		})
	}
}

// When others fill the disk, writes are refused and what is in the journal stays there, over restarts too, until there
// is room.
func TestOthersFillTheDisk(t *testing.T) {
	dir := t.TempDir()
	var free atomic.Uint64
	free.Store(1 << 40)
	o := testOptions(dir)
	o.Base.FreeBytes = func(string) (uint64, error) { return free.Load(), nil }
	o.JournalBytes = 64 << 20
	o.MemoryBytes = 64 << 20
	s := openT(t, o)
	for i := range 50 {
		require.NoError(t, s.Apply([]node.Change{put(fmt.Sprint("k", i), strings.Repeat("v", 2000))}))
	}
	free.Store(o.Base.FreeBytesMin / 2)
	require.NoError(t, s.Apply([]node.Change{put("reserved", "")}), "the journal's files have their blocks")
	before, err := os.ReadDir(filepath.Join(dir, "journal"))
	require.NoError(t, err)
	full := func() (refused error) {
		for refused == nil {
			refused = s.Apply([]node.Change{put("filling", strings.Repeat("v", 500))})
		}
		return refused
	}
	require.ErrorIs(t, full(), badgerstore.ErrDiskFull)
	after, err := os.ReadDir(filepath.Join(dir, "journal"))
	require.NoError(t, err)
	require.Len(t, after, len(before), "no file was made")
	require.ErrorIs(t, s.Apply([]node.Change{put("refused", strings.Repeat("v", 500))}), badgerstore.ErrDiskFull)
	require.NoError(t, s.Close(), "what there is no room for stays in the journal")

	o.MemoryBytes = 10_000 // it is behind from the beginning.
	s = openT(t, o)
	count := 0
	require.NoError(t, s.ScanKeys("k", "", func(string) bool { count++; return true }))
	require.Equal(t, 50, count)
	require.ErrorIs(t, full(), badgerstore.ErrDiskFull)
	require.ErrorIs(t, s.Apply([]node.Change{put("refused", strings.Repeat("v", 500))}), badgerstore.ErrDiskFull)
	free.Store(1 << 40)
	require.Eventually(t, func() bool { return s.Apply([]node.Change{put("taken", "")}) == nil }, patience, tick)
	require.Eventually(t, func() bool { return s.journal.State().Released >= 50 }, patience, tick)
	require.NoError(t, s.Close())
	s = openT(t, o)
	_, found, err := s.Get("refused")
	require.NoError(t, err)
	require.False(t, found)
	_, found, err = s.Get("taken")
	require.NoError(t, err)
	require.True(t, found)
}
