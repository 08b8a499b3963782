package logging_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host/logging"
)

// Whatever is written is in one of the files, each line whole, and none is larger than it may be.
func TestFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	f, err := logging.OpenFile(logging.FileOptions{Path: filepath.Join(dir, "n.log"), BytesMax: 1000, FilesMax: 0})
	require.NoError(t, err)
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for j := range 50 {
				_, err := fmt.Fprintf(f, "line %d of %d %s\n", j, i, strings.Repeat("x", j))
				require.NoError(t, err)
			}
		})
	}
	writers.Wait()
	_, err = f.Write([]byte(strings.Repeat("long", 500) + "\n")) // larger than a file may be, and whole all the same.
	require.NoError(t, err)
	require.NoError(t, f.Close())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Greater(t, len(entries), 3)
	lines := map[string]int{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		if len(text) > 1000 {
			require.Len(t, text, 2001)
		}
		for line := range strings.Lines(string(text)) {
			lines[line]++
		}
	}
	require.Len(t, lines, 201)
}

func TestOldFilesGo(t *testing.T) {
	dir := t.TempDir()
	f, err := logging.OpenFile(logging.FileOptions{Path: filepath.Join(dir, "n.log"), BytesMax: 10, FilesMax: 2})
	require.NoError(t, err)
	defer f.Close()
	for i := range 6 {
		_, err := fmt.Fprintf(f, "line number %d\n", i)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) == 3
	}, time.Minute, time.Millisecond)
}

// What somebody moves away stays as it is, and Reopen begins a new file. Outputs follow the file.
func TestReopenAndOutputs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	spare, err := os.Open(os.DevNull) // a descriptor of ours to play the standard error stream.
	require.NoError(t, err)
	defer spare.Close()
	fd := int(spare.Fd())
	f, err := logging.OpenFile(logging.FileOptions{Path: path, BytesMax: 20, FilesMax: 9, Outputs: []int{fd}})
	require.NoError(t, err)
	defer f.Close()
	say := func(text string) {
		_, err := f.Write([]byte(text))
		require.NoError(t, err)
		_, err = syscall.Write(fd, []byte("past "+text))
		require.NoError(t, err)
	}
	say("one\n")
	require.NoError(t, os.Rename(path, path+".moved"))
	say("two\n")
	require.NoError(t, f.Reopen())
	say("three\n")
	say("four, which is too long\n")
	read := func(name string) string {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, "one\npast one\ntwo\npast two\n", read(path+".moved"))
	require.Equal(t, "four, which is too long\npast four, which is too long\n", read(path))
	aside, err := filepath.Glob(filepath.Join(dir, "n-*.log"))
	require.NoError(t, err)
	require.Len(t, aside, 1)
	require.Equal(t, "three\npast three\n", read(aside[0]))
}

func TestFileOptions(t *testing.T) {
	for _, o := range []logging.FileOptions{{BytesMax: 1}, {Path: "x"}, {Path: "x", BytesMax: 1, FilesMax: -1}} {
		_, err := logging.OpenFile(o)
		require.ErrorContains(t, err, "want a path")
	}
	_, err := logging.OpenFile(logging.FileOptions{Path: t.TempDir(), BytesMax: 1})
	require.Error(t, err)
}
