package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"kvs/node"
)

// childVariable makes the test binary a writer that is going to be killed.
const childVariable = "KVS_STORE_TEST_WRITES"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		writeUntilKilled(dir)
	}
	if dir := os.Getenv(fillVariable); dir != "" {
		writeUntilFull(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled writes batches of two keys with the same number, and says each number that was acknowledged.
func writeUntilKilled(dir string) {
	s, err := Open(context.Background(), testOptions(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	value, _, _ := s.Get("a")
	n, _ := strconv.Atoi(strings.TrimSpace(string(value)))
	for {
		n++
		number := fmt.Sprintf("%-200d", n)
		if err := s.Apply(
			[]node.Change{put("a", number), put(fmt.Sprint("n", n%500), number), put("b", number)}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// writerProcess is a process that writes until it is killed.
type writerProcess struct {
	*exec.Cmd
	lines *bufio.Scanner
	acked int // the last number that it has said.
}

// writerMax is far more than a writer takes.
const writerMax = 3 * time.Minute

func startWriter(t *testing.T, variable, dir string) *writerProcess {
	t.Helper()
	w := &writerProcess{Cmd: exec.Command(os.Args[0])}
	w.Env = append(os.Environ(), variable+"="+dir)
	out, err := w.StdoutPipe()
	require.NoError(t, err)
	w.lines = bufio.NewScanner(out)
	w.Stderr = os.Stderr
	require.NoError(t, w.Start())
	stuck := time.AfterFunc(writerMax, func() { _ = w.Process.Signal(syscall.SIGQUIT) }) // it says where it stands.
	t.Cleanup(func() { stuck.Stop() })
	return w
}

// read takes in so many acknowledgements.
func (w *writerProcess) read(t *testing.T, count int) {
	t.Helper()
	for range count {
		require.True(t, w.lines.Scan(), "the writer has ended by itself")
		n, err := strconv.Atoi(w.lines.Text())
		require.NoError(t, err, w.lines.Text())
		w.acked = n
	}
}

// kill ends it, and takes in what it has said before.
func (w *writerProcess) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, w.Process.Kill())
	for w.lines.Scan() {
		if n, err := strconv.Atoi(w.lines.Text()); err == nil {
			w.acked = n
		}
	}
	require.Error(t, w.Wait())
}

// checkWritten opens what a writer has left: all that was acknowledged is there, and no batch in part.
func checkWritten(t *testing.T, dir string, acked int) {
	t.Helper()
	s := openT(t, testOptions(dir))
	a, _, err := s.Get("a")
	require.NoError(t, err)
	b, _, err := s.Get("b")
	require.NoError(t, err)
	require.Equal(t, string(a), string(b), "half a batch")
	n, err := strconv.Atoi(strings.TrimSpace(string(a)))
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, acked)
	for i := max(1, n-499); i <= n; i++ {
		value, _, err := s.Get(fmt.Sprint("n", i%500))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%-200d", i), string(value))
	}
	require.NoError(t, s.Close())
}

// A real process is killed in the middle of its work, again and again.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	for round := range 6 {
		w := startWriter(t, childVariable, dir)
		w.read(t, 100+300*round)
		w.kill(t)
		checkWritten(t, dir, w.acked)
	}
}

// ext4Shutdown is EXT4_IOC_SHUTDOWN, and what it is told: not to write out even its own journal (fs/ext4/ext4.h).
const (
	ext4Shutdown   = 0x8004587d
	ext4NoLogFlush = 2
)

// noMount skips a test, or fails it where KVS_REQUIRE_MOUNTS=1 says that it must run.
func noMount(t *testing.T, why string) {
	t.Helper()
	require.NotEqual(t, "1", os.Getenv("KVS_REQUIRE_MOUNTS"), why)
	t.Skip("NO MOUNT: " + why)
}

// loopDisk is an ext4 file system of its own, on a loop device.
type loopDisk struct{ image, mnt string }

// mountExt4 makes and mounts one of so many bytes.
func mountExt4(t *testing.T, bytes int64) loopDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		noMount(t, "only root may mount a file system")
	}
	d := loopDisk{filepath.Join(t.TempDir(), "image"), t.TempDir()}
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, bytes))
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", d.image).CombinedOutput(); err != nil {
		noMount(t, fmt.Sprintf("no ext4 can be made here: %v %s", err, out))
	}
	if err := d.mount(); err != nil {
		noMount(t, fmt.Sprintf("nothing can be mounted here: %v", err))
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", d.mnt).Run() }) // a killed process may hold files yet.
	return d
}

func (d loopDisk) mount() error {
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.mnt).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (d loopDisk) unmount() error { return exec.Command("umount", d.mnt).Run() }

// The power fails under a real process on a real file system: ext4 on a loop device forgets all that was not synced.
func TestFileSystemShutDown(t *testing.T) {
	disk := mountExt4(t, 256<<20)
	dir := filepath.Join(disk.mnt, "data")
	for round := range 4 {
		w := startWriter(t, childVariable, dir)
		w.read(t, 200+700*round)
		root, err := os.Open(disk.mnt)
		require.NoError(t, err)
		require.NoError(t, unix.IoctlSetPointerInt(int(root.Fd()), ext4Shutdown, ext4NoLogFlush))
		require.NoError(t, root.Close())
		w.kill(t)
		require.Eventually(t, func() bool { return disk.unmount() == nil }, patience, tick)
		require.NoError(t, disk.mount())
		checkWritten(t, dir, w.acked)
	}
}
