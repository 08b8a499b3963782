package badgerstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4/table"
	"github.com/stretchr/testify/require"

	"kvs/node"
)

// tablesFolder is a folder whose tables were all read.
func tablesFolder(t *testing.T, o Options) {
	t.Helper()
	for i := range 4 { // a table each.
		s, err := Open(t.Context(), o)
		require.NoError(t, err)
		for k := range 50 {
			require.NoError(t, s.Load([]node.Change{put(string(rune('a'+i))+damageValue(k), damageValue(k))}))
		}
		require.NoError(t, s.Sync())
		require.NoError(t, s.Close())
	}
	s, err := Open(t.Context(), o) // reads the last one.
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func noScrub(dir string) Options {
	o := testOptions(dir)
	o.LevelZeroTables, o.LevelZeroTablesStall = 50, 60
	o.Scrub = Scrub{}
	return o
}

// rot changes a bit of a table as a disk does: nothing tells of it.
func rot(t *testing.T, dir string) {
	t.Helper()
	c := readChecked(dir)
	bit("*.sst", func(*testing.T, string) int64 { return 100 })(t, dir)
	for id := range c.tables {
		state, err := stateOf(table.NewFilename(id, dir))
		require.NoError(t, err)
		c.tables[id] = checkedTable{file: state, at: c.tables[id].at}
	}
	require.NoError(t, c.write(dir))
}

// A start reads in full what was not read since it was written, and nothing else.
func TestAStartReadsNewTablesAlone(t *testing.T) {
	o := noScrub(t.TempDir())
	tablesFolder(t, o)
	found, err := verifyTables(t.Context(), &o)
	require.NoError(t, err)
	require.NotEmpty(t, found.checked.tables)
	require.Zero(t, found.read)
	require.Zero(t, found.checked.starts, "they ended in good order")

	copied := noScrub(copyFolder(t, o.Dir)) // other files, which another disk may have damaged.
	found, err = verifyTables(t.Context(), &copied)
	require.NoError(t, err)
	require.Equal(t, len(found.checked.tables), found.read)

	name := one(t, o.Dir, "*.sst")
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, b, 0o600)) // somebody writes to it.
	found, err = verifyTables(t.Context(), &o)
	require.NoError(t, err)
	require.Equal(t, 1, found.read)

	bit(checkedName, func(*testing.T, string) int64 { return 20 })(t, o.Dir)
	found, err = verifyTables(t.Context(), &o)
	require.NoError(t, err)
	require.Equal(t, len(found.checked.tables), found.read, "a damaged list is none")
}

// The scrub finds what has rotted in a table that no start reads; from then on no start takes the folder.
func TestTheScrubFindsARottenTable(t *testing.T) {
	dir := t.TempDir()
	tablesFolder(t, noScrub(dir))
	rot(t, dir)
	o := testOptions(dir)
	o.LevelZeroTables, o.LevelZeroTablesStall = 50, 60 // no merge is faster than the scrub.
	o.Scrub = Scrub{NewBytesPerSecond: 1 << 40, OldBytesPerSecond: 1 << 40, Look: time.Millisecond, Settled: time.Hour,
		Listed: time.Hour}
	told := make(chan error, 2)
	o.Damaged = func(err error) { told <- err }
	s, err := Open(t.Context(), o)
	require.NoError(t, err, "a start reads the index of that table alone")
	select {
	case err = <-told:
	case <-time.After(time.Minute):
		t.Fatal("the damage was not found")
	}
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, ".sst")
	require.ErrorContains(t, err, "keep the folder")
	require.NoError(t, s.Close())
	require.Empty(t, told)
	for range 2 {
		_, err = Open(t.Context(), noScrub(dir))
		require.ErrorIs(t, err, ErrDamaged)
	}
}

// The scrub reads new tables soon, and those that it has read not again before their time.
func TestTheScrubReadsNewTables(t *testing.T) {
	o := testOptions(t.TempDir())
	o.LevelZeroTables, o.LevelZeroTablesStall = 50, 60
	o.Scrub = Scrub{NewBytesPerSecond: 1 << 40, OldBytesPerSecond: 1 << 40, Look: time.Millisecond,
		Settled: time.Millisecond, Listed: time.Millisecond, Again: time.Hour}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, s.Apply([]node.Change{put("k", damageValue(3))}))
	require.NoError(t, s.Close())
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	for i := range 30 { // more than a memtable, which becomes a table.
		require.NoError(t, s.Apply([]node.Change{put(fmt.Sprint("k", i), string(make([]byte, 500<<10)))}))
	}
	require.Eventually(t, func() bool { return len(readChecked(o.Dir).tables) > 1 }, time.Minute, time.Millisecond)
	require.Zero(t, readChecked(o.Dir).starts, "the start has proved itself")
	require.NoError(t, s.Close())
	read := len(readChecked(o.Dir).tables)
	require.Greater(t, read, 1)
	id, _ := s.scrub.next()
	require.Zero(t, id, "a closed store has none")
	require.Len(t, s.scrub.checked.tables, read, "and forgets none that was read")
}

// A table that cannot be read while the store is being closed is read in full by the next start.
func TestATableThatCannotBeReadAtTheClose(t *testing.T) {
	s, err := Open(t.Context(), noScrub(t.TempDir()))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s.scrub.checked.tables[7] = checkedTable{}
	_, err = s.scrub.read(7)
	require.NoError(t, err)
	require.Empty(t, s.scrub.checked.tables)
}

// A store that ends soon after each start, as one does that meets damage which ends the process, is read in full.
func TestStartsThatEndSoon(t *testing.T) {
	o := noScrub(t.TempDir())
	tablesFolder(t, o)
	rot(t, o.Dir)
	for range startsMax {
		s, err := Open(t.Context(), o)
		require.NoError(t, err)
		c := readChecked(o.Dir) // what a kill leaves.
		require.NoError(t, s.Close())
		require.NoError(t, c.write(o.Dir))
	}
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestCheckedIsReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	require.Empty(t, readChecked(dir).tables)
	c := checked{starts: 2, tables: map[uint64]checkedTable{
		7: {fileState{1, 2, 3}, 4}, 1 << 60: {fileState{5, 6, -7}, -8},
	}}
	require.NoError(t, c.write(dir))
	require.Equal(t, c, readChecked(dir))
	whole, err := os.ReadFile(filepath.Join(dir, checkedName))
	require.NoError(t, err)
	for at := range whole { // any byte.
		b := append([]byte(nil), whole...)
		b[at] ^= 1
		require.NoError(t, os.WriteFile(filepath.Join(dir, checkedName), b, 0o600))
		require.Empty(t, readChecked(dir).tables, at)
		require.NoError(t, os.WriteFile(filepath.Join(dir, checkedName), whole[:at], 0o600))
		require.Empty(t, readChecked(dir).tables, at)
	}
	require.NoError(t, forgetChecked(dir))
	require.NoError(t, forgetChecked(dir))
}

// A table that is cut off, or cannot be read, is an error past the cache as well, and no panic.
func TestReadTable(t *testing.T) {
	dir := t.TempDir()
	tablesFolder(t, noScrub(dir))
	name := one(t, dir, "*.sst")
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	size := int64(len(whole))
	require.NoError(t, readTable(name, size))
	for _, at := range []int64{0, 1, 100, size / 2, size - 1} {
		require.NoError(t, os.WriteFile(name, whole[:at], 0o600))
		require.Error(t, readTable(name, size), at)
		require.Error(t, readTable(name, at), at)
	}
	require.NoError(t, os.Remove(name))
	require.ErrorIs(t, readTable(name, size), os.ErrNotExist)
	_, err = Open(context.Background(), noScrub(dir))
	require.ErrorIs(t, err, ErrDamaged)
}
