package badgerstore

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"kvs/node"
)

// wantRefused opens dir and expects an error for people: of this kind, naming the folder, saying what to do.
func wantRefused(t *testing.T, dir string, kind error, says ...string) {
	t.Helper()
	s, err := Open(context.Background(), testOptions(dir))
	if err == nil {
		_ = s.Close()
	}
	require.ErrorIs(t, err, kind)
	require.ErrorContains(t, err, dir)
	for _, text := range says {
		require.ErrorContains(t, err, text)
	}
}

// closedFolder returns a data folder with some data, not in use.
func closedFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made", "on the way")
	s := openT(t, dir)
	require.NoError(t, s.Apply([]node.Change{put("k", "v"), put("l", strings.Repeat("large", 1<<18))}))
	require.NoError(t, s.Close())
	return dir
}

func remove(t *testing.T, dir string, keep func(name string) bool) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !keep(e.Name()) {
			require.NoError(t, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
}

func TestEmptiedFolder(t *testing.T) {
	dir := closedFolder(t)
	remove(t, dir, func(name string) bool { return name == markerName })
	wantRefused(t, dir, ErrEmptied, "backup", "keep the folder")
	wantRefused(t, dir, ErrEmptied) // the refusal did not make it look new.
}

// Badger opens a folder without MANIFEST as a new one and deletes its tables.
func TestMissingManifest(t *testing.T) {
	dir := closedFolder(t)
	require.NoError(t, os.Remove(filepath.Join(dir, manifestName)))
	before, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, before)
	wantRefused(t, dir, ErrEmptied, manifestName)
	after, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.Equal(t, before, after, "what is left can still be saved")
}

func TestEmptyStoreInReadyFolder(t *testing.T) {
	dir := closedFolder(t)
	remove(t, dir, func(name string) bool { return name == markerName })
	fresh, err := badger.OpenManaged(
		badger.DefaultOptions(dir).WithLogger(nil).WithMemTableSize(8 << 20).WithValueLogFileSize(1 << 20))
	require.NoError(t, err)
	require.NoError(t, fresh.Close())
	wantRefused(t, dir, ErrDamaged, "mark")
	oldMarker(t, dir)
	wantRefused(t, dir, ErrEmptied, "is empty")
}

func TestForeignFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("years of work"), 0o600))
	wantRefused(t, dir, ErrNotOurs, "thesis.txt", "choose an empty or a new folder")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing was added")

	fresh := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(fresh, "lost+found"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(fresh, markerNewName), nil, 0o600)) // an interrupted start.
	openT(t, fresh)
}

func TestInterruptedFirstStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeMarker(dir, folderMarker{state: stateMaking, format: formatCurrent}))
	s := openT(t, dir) // nothing of Badger's there yet.
	require.NoError(t, s.Close())

	// All is there, but the marker was not finished.
	require.NoError(t, writeMarker(dir, folderMarker{state: stateMaking, format: formatCurrent}))
	s = openT(t, dir)
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	require.NoError(t, s.Close())
	m, err := readMarker(dir)
	require.NoError(t, err)
	require.Equal(t, folderMarker{state: stateReady, format: formatCurrent}, m)
}

func TestLockedFolder(t *testing.T) {
	dir := t.TempDir()
	s := openT(t, dir)
	wantRefused(t, dir, ErrLocked, "process ", "a data folder of its own")
	require.NoError(t, s.Apply([]node.Change{put("k", "the owner does not notice")}))
	require.NoError(t, s.Close())
	openT(t, dir)
}

func TestUnwritableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	wantRefused(t, file, ErrUnusable, "choose another folder")
	wantRefused(t, filepath.Join(file, "below"), ErrUnusable, "choose another folder")

	t.Run("Permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("permissions do not bind root")
		}
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o500))
		wantRefused(t, dir, ErrUnusable, "permission denied")
	})
}

func TestMarkerFile(t *testing.T) {
	for text, kind := range map[string]error{
		"format: 4\nstate: ready\n":   ErrFormat,
		"format: 0\nstate: ready\n":   ErrFormat,
		"format: one\n":               ErrDamaged,
		"":                            ErrDamaged,
		"format: 1\nstate: strange\n": ErrDamaged,
		"format: 1\n":                 ErrDamaged,
	} {
		dir := closedFolder(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, markerName), []byte(text), 0o600))
		wantRefused(t, dir, kind)
		require.NoError(t, writeMarker(dir, folderMarker{state: stateReady, format: formatCurrent}))
		openT(t, dir)
	}
}

func TestFormatInside(t *testing.T) {
	dir := t.TempDir()
	s := openT(t, dir)
	require.NoError(t, s.writer.commitAll([][]entry{{{key: ownKey(formatName), value: []byte("7")}}}))
	require.NoError(t, s.Close())
	wantRefused(t, dir, ErrFormat, `"7"`)
}

// Bits that rot in a table are found when the store is opened, before anybody reads wrong values.
func TestRottenTable(t *testing.T) {
	dir := closedFolder(t)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	b, err := os.ReadFile(tables[0])
	require.NoError(t, err)
	b[len(b)/3] ^= 4
	require.NoError(t, os.WriteFile(tables[0], b, 0o600))
	wantRefused(t, dir, ErrDamaged, "backup")
}

// A table that is cut off made Badger panic where nobody can recover: the node ended with a stack instead of a message.
func TestTruncatedTable(t *testing.T) {
	for _, left := range []int64{0, 1, 3, 5, 100, 1000, -1, -4, -20, -200} {
		dir := closedFolder(t)
		tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		require.NoError(t, err)
		require.NotEmpty(t, tables)
		size := left
		if left < 0 {
			info, err := os.Stat(tables[0])
			require.NoError(t, err)
			size += info.Size()
		}
		require.NoError(t, os.Truncate(tables[0], size))
		wantRefused(t, dir, ErrDamaged, filepath.Base(tables[0]), "backup")
	}
	dir := closedFolder(t)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(tables[0]))
	wantRefused(t, dir, ErrDamaged, filepath.Base(tables[0]), "gone")
}

// Opening says how far it is, and can be ended.
func TestOpenTellsItsProgress(t *testing.T) {
	dir := closedFolder(t)
	var mu sync.Mutex
	var told [][2]int
	o := testOptions(dir)
	o.Progress = func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, [2]int{done, total})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	told = nil
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	total := told[0][1]
	require.Positive(t, total)
	require.Len(t, told, total+1)
	require.Contains(t, told, [2]int{total, total})
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	l := badgerLogger{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	l.Debugf("never %d", 1)
	l.Infof("detail %d", 2)
	l.Warningf("careful %d\n", 3)
	l.Errorf("broken %d", 4)
	require.NotContains(t, out.String(), "never")
	require.NotContains(t, out.String(), "detail")
	require.Contains(t, out.String(), `level=WARN msg="badger: careful 3"`)
	require.Contains(t, out.String(), `level=ERROR msg="badger: broken 4"`)
}
