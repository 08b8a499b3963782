package host

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"kvs/node"
)

// ownDisk mounts a file system of its own. Where that cannot be done the test is skipped, or fails if
// KVS_REQUIRE_MOUNTS=1 says that it must run.
func ownDisk(t *testing.T, bytes int64) (mnt string) {
	t.Helper()
	image, mnt := filepath.Join(t.TempDir(), "image"), t.TempDir()
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, bytes))
	for _, command := range [][]string{
		{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, mnt},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			require.NotEqual(t, "1", os.Getenv("KVS_REQUIRE_MOUNTS"), "%v: %v %s", command, err, out)
			t.Skipf("NO MOUNT: %v: %v %s", command, err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", mnt).Run() })
	return mnt
}

// takeAll fills a file system with one more file, to the last block.
func takeAll(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer f.Close()
	for size, at := int64(1<<30), int64(0); size >= 4096; {
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

// A node is started again on a disk that others have filled. It reads and deletes, also when others have taken the
// space that it has kept: then its journal has room for the deletions. Each other write is refused at once and for
// certain, and so are deletions when the journal is full. When there is room it writes again, without a restart.
func TestARestartOnAFullDisk(t *testing.T) {
	mnt := ownDisk(t, 600<<20)
	o := testOptions(testConfig(t))
	o.Config.DataDir = filepath.Join(mnt, "data")
	o.Config.Disk.LowWatermark, o.Config.Disk.HighWatermark = 128<<20, 160<<20
	o.Config.Disk.CheckInterval = 20 * time.Millisecond
	h := startHost(t, o)
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "a", "1").Code)
	require.Equal(t, node.CodeCreated, do(t, h, node.OpPut, "b", "2").Code)
	stopHost(t, h)
	refused := func(op node.OpKind, path string) {
		t.Helper()
		resp := do(t, h, op, path, "x")
		require.Equal(t, node.CodeDiskFull, resp.Code, "%v", resp)
		require.Equal(t, node.OutcomeNotApplied, resp.Outcome)
	}

	takeAll(t, filepath.Join(mnt, "taken"))
	h = startHost(t, o)
	require.Equal(t, "1", string(do(t, h, node.OpGet, "a", "").Record.Value))
	refused(node.OpPut, "a")
	require.Equal(t, node.CodeOK, do(t, h, node.OpDelete, "b", "").Code)
	stopHost(t, h)

	takeAll(t, filepath.Join(mnt, "taken more")) // what the node had kept.
	h = startHost(t, o)
	code, body := request(t, http.MethodGet, "http://"+h.Addr()+"/kv/a", "")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, node.CodeNotFound, do(t, h, node.OpGet, "b", "").Code)
	refused(node.OpPut, "a")
	require.Equal(t, node.CodeOK, do(t, h, node.OpDelete, "a", "").Code, "it was refused")
	require.Equal(t, node.CodeNotFound, do(t, h, node.OpGet, "a", "").Code)
	long := strings.Repeat(strings.Repeat("p", 200)+"/", 5)
	for i := 0; do(t, h, node.OpDelete, fmt.Sprint(long, i), "").Code == node.CodeOK; i++ {
		require.Less(t, i, 100_000, "the journal has no end")
	}
	refused(node.OpDelete, "a")
	require.Equal(t, node.CodeNotFound, do(t, h, node.OpGet, "a", "").Code)
	stopHost(t, h)
	h = startHost(t, o)
	require.Equal(t, node.CodeNotFound, do(t, h, node.OpGet, "a", "").Code, "what was deleted stays deleted")
	refused(node.OpPut, "a")

	require.NoError(t, os.Remove(filepath.Join(mnt, "taken")))
	require.Eventually(t, func() bool { return do(t, h, node.OpPut, "a", "3").Code == node.CodeCreated }, patience,
		20*time.Millisecond)
	stopHost(t, h)
	h = startHost(t, o)
	require.Equal(t, "3", string(do(t, h, node.OpGet, "a", "").Record.Value))
}
