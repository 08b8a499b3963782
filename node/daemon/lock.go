package daemon

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// A lock is one instance's lock file, held. It belongs to the open file, not to a process: `kvs start` takes it and the
// child inherits it, so that it stays held without a gap from before the start until the node's process is gone,
// however it dies. The file itself is never removed: if it were removed while a process waits for it, two processes
// could hold the lock.
type lock struct{ f *os.File }

// lockVariable tells a child under which descriptor it inherits its lock.
const lockVariable = "KVS_DAEMON_LOCK_FD"

// tryLock takes the lock of key; held: another process has it.
func (h Home) tryLock(key string) (l *lock, held bool, err error) {
	f, err := os.OpenFile(h.lockPath(key), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrHome, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return &lock{f}, false, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = f.Close()
		return nil, true, nil
	}
	_ = f.Close()
	return nil, false, fmt.Errorf("%w: lock %s: %w", ErrHome, h.lockPath(key), err)
}

// release closes this process's copy. The lock is free when the last copy is closed.
func (l *lock) release() {
	if l != nil {
		_ = l.f.Close()
	}
}

// inheritLock takes over the lock that `kvs start` passed to this process, if there is one. The variable is removed, so
// that it does not reach further children; a descriptor that is not this instance's lock file is left alone.
func (h Home) inheritLock(key string) *lock {
	text, ok := os.LookupEnv(lockVariable)
	if !ok {
		return nil
	}
	_ = os.Unsetenv(lockVariable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil
	}
	var have, want syscall.Stat_t
	if syscall.Fstat(fd, &have) != nil || syscall.Stat(h.lockPath(key), &want) != nil || have.Dev != want.Dev ||
		have.Ino != want.Ino {
		return nil
	}
	syscall.CloseOnExec(fd)
	return &lock{os.NewFile(uintptr(fd), h.lockPath(key))}
}
