package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/daemon"
)

func TestLogs(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "node1.yaml"), nil, 0o600))
	require.EqualValues(t, exitFailed, execute(b.app, []string{"logs", "node1"}))
	require.Contains(t, b.err.String(), "has no log")
	d, err := b.app.daemon(func(string) {})
	require.NoError(t, err)
	inst, _, err := b.app.resolve("node1")
	require.NoError(t, err)
	path := d.Home.LogPath(inst)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600))
	require.Zero(t, execute(b.app, []string{"logs", "node1.yaml", "--lines", "2"}))
	require.Equal(t, "two\nthree\n", b.out.String())
}

// stepClock runs one step of a script at each pause.
type stepClock struct {
	daemon.SystemClock
	steps []func()
}

func (c *stepClock) Sleep(context.Context, time.Duration) error {
	if len(c.steps) == 0 {
		return context.Canceled
	}
	step := c.steps[0]
	c.steps = c.steps[1:]
	step()
	return nil
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write := func(flags int, text string) func() {
		return func() {
			f, err := os.OpenFile(path, flags|os.O_WRONLY|os.O_CREATE, 0o600)
			require.NoError(t, err)
			_, err = f.WriteString(text)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	write(os.O_TRUNC, "old\n")()
	var out bytes.Buffer
	clock := &stepClock{steps: []func(){
		write(os.O_APPEND, "added\n"),
		func() {},
		func() { // the last line comes after the last look.
			write(os.O_APPEND, "last of the old one\n")()
			require.NoError(t, os.Rename(path, path+".1"))
		},
		write(0, "first of the new one\n"),
		write(os.O_TRUNC, "cut\n"),
	}}
	require.NoError(t, follow(context.Background(), clock, path, 4, &out))
	require.Equal(t, "added\nlast of the old one\nfirst of the new one\ncut\n", out.String())
}

// A node that sets several files aside between two looks hides none of them.
func TestFollowAcrossSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n-1.log")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	aside := func(at string) { require.NoError(t, os.Rename(path, filepath.Join(dir, "n-1-"+at+".log"))) }
	write("older\n")
	aside("2026-01")
	write("one\n")
	var out bytes.Buffer
	clock := &stepClock{steps: []func(){func() {
		aside("2026-02")
		write("two\n")
		aside("2026-03")
		write("three\n")
		aside("2026-04")
		write("four\n")
	}}}
	require.NoError(t, follow(context.Background(), clock, path, 0, &out))
	require.Equal(t, "one\ntwo\nthree\nfour\n", out.String())
}
