package badgerstore

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

var asideAt = time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)

func TestSetAside(t *testing.T) {
	dir := killedFolder(t)
	bit("*.mem", func(t *testing.T, dir string) int64 { return logEnd(t, dir) / 2 })(t, dir)
	require.ErrorIs(t, whatIsThere(t, dir), ErrDamaged)
	before := names(t, dir)
	aside, err := SetAside(dir, asideAt, []byte("why"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "damaged-20261123-150405.000"), aside)

	s := openT(t, dir)
	_, found, err := s.Get("k0")
	require.NoError(t, err)
	require.False(t, found, "a new store")
	require.NoError(t, s.Apply([]node.Change{put("k0", "new")}))
	require.NoError(t, s.Close())
	s = openT(t, dir)
	_, found, err = s.Get("k0")
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, s.Close())

	lost, err := ReadBeside(dir, LostFile)
	require.NoError(t, err)
	require.Equal(t, "why", string(lost))
	require.NoError(t, RemoveBeside(dir, LostFile))
	require.NoError(t, RemoveBeside(dir, LostFile))
	lost, err = ReadBeside(dir, LostFile)
	require.NoError(t, err)
	require.Nil(t, lost)

	require.Subset(t, append(names(t, aside), "BALLAST 134217728"), before, "all of it is there")
	require.ErrorContains(t, whatIsThere(t, aside), "is lost")
	o := testOptions(aside)
	o.AcceptLoss = true
	s, err = Open(t.Context(), o)
	require.NoError(t, err, "a data folder")
	_, found, err = s.Get("k0")
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, s.Close())
}

// A crash while the files move: the next start goes on.
func TestSetAsideIsCutShort(t *testing.T) {
	dir := closedFolder(t)
	name := asidePrefix + "20261123-150405.000"
	require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	require.NoError(t, writeMarker(dir, folderMarker{state: stateAside, format: formatCurrent, aside: name}))
	require.NoError(t, os.Rename(filepath.Join(dir, manifestName), filepath.Join(dir, name, manifestName)))
	s := openT(t, dir)
	_, found, err := s.Get("k")
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, s.Close())
	s = openT(t, filepath.Join(dir, name))
	_, found, err = s.Get("k")
	require.NoError(t, err)
	require.True(t, found)
}

func TestSetAsideAgainAndAgain(t *testing.T) {
	dir := closedFolder(t)
	for i := range asideMax {
		_, err := SetAside(dir, asideAt.Add(time.Duration(i)*time.Hour), nil)
		require.NoError(t, err)
		require.NoError(t, openT(t, dir).Close())
	}
	before := names(t, dir)
	_, err := SetAside(dir, asideAt.Add(time.Hour*24), nil)
	require.ErrorIs(t, err, ErrOften)
	require.ErrorContains(t, err, "replace the disk")
	require.Equal(t, before, names(t, dir))
}

func TestSetAsideOfAStoreInUse(t *testing.T) {
	dir := t.TempDir()
	openT(t, dir)
	_, err := SetAside(dir, asideAt, nil)
	require.ErrorIs(t, err, ErrLocked)
}
