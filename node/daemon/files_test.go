package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, sub := range []string{"a/node1", "b"} { // a/node1 is a folder: node1's data.
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for _, f := range []string{"a/node1.yaml", "a/node2.yml", "a/both.yaml", "a/both.yml", "a/plain", "b/node1.yaml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, f), nil, 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "a/node1.yaml"), filepath.Join(dir, "b/alias.yaml")))

	for _, c := range []struct {
		cwd, arg, want string
		found          bool
	}{
		{"a", "node1", "a/node1.yaml", true},
		{"a", "node1.yaml", "a/node1.yaml", true},
		{"a", "node1.yml", "a/node1.yaml", true},
		{"a", "./node1", "a/node1.yaml", true},
		{"", "a/node1", "a/node1.yaml", true},
		{"b", "../a/node1.yaml", "a/node1.yaml", true},
		{"link", "node1", "a/node1.yaml", true},
		{"b", "alias", "a/node1.yaml", true},
		{"b", "node1", "b/node1.yaml", true},
		{"a", "node2", "a/node2.yml", true},
		{"a", "node2.yaml", "a/node2.yml", true},
		{"a", "both.yml", "a/both.yml", true},
		{"a", "plain", "a/plain", true},
		{"a", "new", "a/new.yaml", false},
		{"link", "new.yml", "a/new.yml", false},
		{"a", "missing/new", "a/missing/new.yaml", false},
	} {
		inst, found, err := Resolve(filepath.Join(dir, c.cwd), c.arg)
		require.NoError(t, err, c.arg)
		require.Equal(t, filepath.Join(dir, c.want), inst.Config, "%s in %s", c.arg, c.cwd)
		require.Equal(t, c.found, found, c.arg)
		require.Equal(t, strings.TrimSuffix(strings.TrimSuffix(filepath.Base(c.want), ".yaml"), ".yml"), inst.Name)
	}
	_, _, err = Resolve(filepath.Join(dir, "a"), "both")
	require.ErrorIs(t, err, ErrAmbiguous)
	for _, bad := range []string{"", "a/"} {
		_, _, err = Resolve(dir, bad)
		require.Error(t, err)
	}
}

func TestKeysKeepInstancesApart(t *testing.T) {
	a, b := instanceAt("/a/node1.yaml"), instanceAt("/b/node1.yaml")
	require.NotEqual(t, a.Key(), b.Key())
	require.Equal(t, "node1-1f5f891c", a.Key(), "keys must not change: they find the PID files of running nodes")
	long := instanceAt("/" + strings.Repeat("x", 250) + ".yaml")
	require.LessOrEqual(t, len(long.Key()), 120)
}

// Find reaches a running node by its bare name from any folder, but never mixes two up, and a file that is here wins.
func TestFind(t *testing.T) {
	w := newWorld(t)
	here := t.TempDir()
	_, found, err := w.d.Find(here, "node1")
	require.NoError(t, err)
	require.False(t, found)

	w.write(w.entry(77, 1))
	inst, found, err := w.d.Find(here, "node1")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, w.inst, inst)
	_, found, err = w.d.Find(here, "./node1")
	require.NoError(t, err)
	require.False(t, found, "a path is a path")
	inst, found, err = w.d.Find(filepath.Dir(w.inst.Config), "node1.yaml")
	require.NoError(t, err)
	require.True(t, found, "its configuration was deleted, its PID file was not")
	require.Equal(t, w.inst, inst)

	other := instanceAt("/elsewhere/node1.yaml")
	rec := w.entry(78, 1)
	rec.Config = other.Config
	require.NoError(t, writeRecord(w.d.Home.PIDPath(other), rec))
	_, _, err = w.d.Find(here, "node1")
	require.ErrorIs(t, err, ErrAmbiguous)
	require.ErrorContains(t, err, "/elsewhere/node1.yaml")

	require.NoError(t, os.WriteFile(filepath.Join(here, "node1.yaml"), nil, 0o600))
	inst, found, err = w.d.Find(here, "node1")
	require.NoError(t, err)
	require.True(t, found)
	require.NotEqual(t, w.inst, inst)
}

func TestPIDFileGolden(t *testing.T) {
	golden := "testdata/pidfile-v1.json"
	rec, err := readRecord(golden)
	require.NoError(t, err)
	require.Equal(t, Record{
		Format: 1, PID: 4242, StartTicks: 987654, BootID: "7a1b6c1e-2f6d-4b7e-9d5c-0f1e2d3c4b5a", Name: "node1",
		Config: "/srv/kvs/node1.yaml", Address: "127.0.0.1:7001",
		Started: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), Version: "v1.2.3",
	}, rec)
	path := filepath.Join(t.TempDir(), "x.pid")
	require.NoError(t, writeRecord(path, rec))
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file stays")
}

func TestPIDFileTable(t *testing.T) {
	const good = `{"format":1,"pid":7,"start_ticks":5,"boot_id":"b","config":"/x.yaml"}`
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"good", good, nil},
		{"unknown field", strings.Replace(good, "{", `{"new":1,`, 1), nil},
		{"empty", "", ErrPIDFileCorrupt},
		{"torn", good[:30], ErrPIDFileCorrupt},
		{"bare number", "1234\n", ErrPIDFileCorrupt},
		{"pid 0 is a process group", strings.Replace(good, ":7", ":0", 1), ErrPIDFileCorrupt},
		{"pid -1 is everybody", strings.Replace(good, ":7", ":-1", 1), ErrPIDFileCorrupt},
		{"no start time", strings.Replace(good, ":5", ":0", 1), ErrPIDFileCorrupt},
		{"no boot", strings.Replace(good, `"b"`, `""`, 1), ErrPIDFileCorrupt},
		{"relative config", strings.Replace(good, "/x", "x", 1), ErrPIDFileCorrupt},
		{"format 0", strings.Replace(good, "1", "0", 1), ErrPIDFileCorrupt},
		{"format 2", strings.Replace(good, "1", "2", 1), ErrPIDFileFormat},
		{"huge", good + strings.Repeat(" ", pidFileBytesMax), ErrPIDFileCorrupt},
	} {
		_, err := parseRecord([]byte(c.text))
		if c.want == nil {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorIs(t, err, c.want, c.name)
		}
	}
	require.Error(t, writeRecord(filepath.Join(t.TempDir(), "x.pid"), Record{PID: -1}))
}

func FuzzParseRecord(f *testing.F) {
	golden, err := os.ReadFile("testdata/pidfile-v1.json")
	require.NoError(f, err)
	f.Add(golden)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if rec, err := parseRecord(b); err == nil {
			require.Positive(t, rec.PID)
			require.NoError(t, writeRecord(filepath.Join(t.TempDir(), "x.pid"), rec))
		}
	})
}

func TestLogIsAppendedTo(t *testing.T) {
	w := newWorld(t)
	path := w.d.Home.LogPath(w.inst)
	open := func() int64 {
		f, from, err := w.d.openLog(w.inst)
		require.NoError(t, err)
		_, err = f.WriteString("line\n")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		return from
	}
	require.Zero(t, open())
	require.EqualValues(t, 5, open())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	dir, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), dir.Mode().Perm())
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\nthree\nfour"), 0o600))
	for _, c := range []struct {
		from  int64
		lines int
		want  string
	}{
		{0, 10, "one\ntwo\nthree\nfour"},
		{0, 1, "four"},
		{0, 2, "three\nfour"},
		{0, 0, ""},
		{8, 10, "three\nfour"},
		{8, 1, "four"},
		{18, 3, ""},
		{999, 1, "four"}, // the file has been replaced by a shorter one.
	} {
		got, end, err := Tail(path, c.from, c.lines)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got), "%+v", c)
		require.EqualValues(t, 18, end)
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("a line\n", tailBytesMax/7+100)), 0o600))
	got, _, err := Tail(path, 0, 1<<30)
	require.NoError(t, err)
	require.LessOrEqual(t, len(got), tailBytesMax)
	require.True(t, bytes.HasPrefix(got, []byte("a line\n")), "it begins with a whole line")
}
