package storm

import (
	"fmt"
	"syscall"
)

// mountDisk makes a folder a file system of its own, in memory. It needs root.
func mountDisk(dir string, bytes int64) error {
	return syscall.Mount("kvs-storm", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
}

func unmountDisk(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

// allocate makes a file take up bytes of its file system.
func allocate(fd uintptr, bytes int64) error { return syscall.Fallocate(int(fd), 0, 0, bytes) }
