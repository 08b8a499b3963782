package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"kvs/node"
	"kvs/node/host/badgerstore"
)

// fillVariable makes the test binary a writer of large values, in a folder that somebody else fills.
const fillVariable = "KVS_STORE_TEST_FILL"

const filledKeys = 40

// filledOptions are those of a small disk.
func filledOptions(dir string) Options {
	o := testOptions(dir)
	o.Base.FreeBytesMin, o.Base.BallastBytes = 24<<20, 48<<20
	return o
}

// writeUntilFull writes values of 400 KB, and says each that was acknowledged, until the store refuses.
func writeUntilFull(dir string) {
	s, err := Open(context.Background(), filledOptions(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	value, _, _ := s.Get("last")
	n, _ := strconv.Atoi(string(value))
	for {
		n++
		number := strconv.Itoa(n)
		err := s.Apply(changesOf(n))
		if errors.Is(err, badgerstore.ErrDiskFull) {
			fmt.Println("full")
			err = s.Close()
			if err == nil || errors.Is(err, badgerstore.ErrNotClosed) { // others have all of the disk.
				os.Exit(0)
			}
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(number)
	}
}

// changesOf is the n-th batch.
func changesOf(n int) []node.Change {
	return []node.Change{put(fmt.Sprint("n", n%filledKeys), filledValue(n)), put("last", strconv.Itoa(n))}
}

func filledValue(n int) string { return strings.Repeat(strconv.Itoa(n)+" ", 400_000/8) }

// take fills a file system with one file, to the last block. Called again, it takes what has become free.
func take(t *testing.T, mnt string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(mnt, "taken"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	for size, at := int64(1<<30), info.Size(); size >= 4096; {
		switch err := unix.Fallocate(int(f.Fd()), 0, at, size); {
		case err == nil:
			at += size
		case errors.Is(err, unix.ENOSPC):
			size /= 2
		default:
			require.ErrorIs(t, err, unix.EINTR)
		}
	}
}

// Others take all that is left of a disk, at once, while a real process writes: it refuses, and can be closed. Badger's
// files have their blocks, or else a write to one of them would end the process (SIGBUS). It can be started again on
// the full disk, all that was acknowledged is there, and it writes again when there is room.
func TestOthersFillTheDiskAtOnce(t *testing.T) {
	mnt := mountExt4(t, 320<<20).mnt
	dir := filepath.Join(mnt, "data")
	for round := range 6 {
		w := startWriter(t, fillVariable, dir)
		w.read(t, 30+17*round)
		take(t, mnt)
		for w.lines.Scan() {
			if n, err := strconv.Atoi(w.lines.Text()); err == nil {
				w.acked = n
				take(t, mnt) // merged tables have made room, and the writer would go on for ever.
			} else if w.lines.Text() != "full" && !strings.Contains(w.lines.Text(), "goroutine") {
				t.Log(w.lines.Text())
			}
		}
		require.NoError(t, w.Wait(), "it did not end in good order")

		s := openT(t, filledOptions(dir)) // the disk is full still.
		checkFilled(t, s, w.acked)
		require.NoError(t, s.Close())
		require.NoError(t, os.Remove(filepath.Join(mnt, "taken")))
		s = openT(t, filledOptions(dir))
		checkFilled(t, s, w.acked)
		require.NoError(t, s.Close())
	}
}

func checkFilled(t *testing.T, s *Store, acked int) {
	t.Helper()
	value, _, err := s.Get("last")
	require.NoError(t, err)
	n, err := strconv.Atoi(string(value))
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, acked)
	for i := max(1, n-filledKeys+1); i <= n; i++ {
		value, _, err := s.Get(fmt.Sprint("n", i%filledKeys))
		require.NoError(t, err)
		require.Equal(t, filledValue(i), string(value), i)
	}
}
