package docker

import (
	"fmt"
	"os"
	"syscall"
)

// mountSmall mounts a file system of a few bytes, under a name that identifies the run.
func mountSmall(name, dir string, bytes int64) error {
	if err := syscall.Mount(name, dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", bytes)); err != nil {
		return fmt.Errorf("mount a small disk: %w; it needs root", err)
	}
	return nil
}

// unmount removes a file system even while it is in use.
func unmount(dir string) error {
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount "+dir, err)
	}
	return nil
}
