package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The ballast is a file that reserves space for the node, whatever else fills the disk. It is kept while the disk has
// room, and released when hardly any room is left. Then there is enough room to open the store, to serve, and to take
// deletions, and Badger, which crashes on a write to a mapped file on a full disk, has room for its compactions. The
// ballast is made again when the disk has room again.

const ballastName = "BALLAST"

// ErrNoBallast means that the file system cannot reserve space.
var ErrNoBallast = errors.New("the file system cannot set space aside")

// ballast is that file. It is safe for concurrent use.
type ballast struct {
	opts Options
	mu   sync.Mutex // one at a time looks and acts.
	owed uint64     // bytes given up in this run and not set aside again.

	wrote atomic.Int64 // when the store was written to last, in Unix nanoseconds.
}

// shortBelow is the free space below which the ballast is released.
func (b *ballast) shortBelow() uint64 { return b.opts.FreeBytesMin / 2 }

// roomToOpen makes sure that opening has the room to write out the content of the logs. It needs less than Apply, so
// that a node whose disk has just become full can be restarted to serve. It releases the ballast for that.
func (b *ballast) roomToOpen() error {
	err := checkSpace(&b.opts, b.shortBelow())
	if !errors.Is(err, ErrDiskFull) {
		return err
	}
	if giveErr := b.giveWhenShort(); giveErr != nil {
		return errors.Join(err, giveErr)
	}
	return checkSpace(&b.opts, b.shortBelow())
}

// giveWhenShort releases the ballast if there is one, and so little space is free that Badger could crash.
func (b *ballast) giveWhenShort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	free, err := b.opts.FreeBytes(b.opts.Dir)
	if err != nil || free >= b.shortBelow() {
		return err
	}
	err = os.Remove(filepath.Join(b.opts.Dir, ballastName))
	if err == nil {
		b.owed = b.opts.BallastBytes
		b.opts.Logger.Warn("the disk is full: the space reserved for this was released",
			"dir", b.opts.Dir, "free_bytes", free, "bytes", b.opts.BallastBytes)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// keep releases the ballast when the disk is full, and makes it when there is ample room.
func (b *ballast) keep() error {
	if err := b.giveWhenShort(); err != nil || b.opts.BallastBytes == 0 {
		return err
	}
	free, err := b.opts.FreeBytes(b.opts.Dir)
	if err != nil || free < b.opts.BallastBytes+WatermarksFor(b.opts).FreeFrom {
		// the ballast must not fill the disk itself.
		return err
	}
	return b.take()
}

// take makes the ballast, unless it exists already.
func (b *ballast) take() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := filepath.Join(b.opts.Dir, ballastName)
	if info, err := os.Stat(name); err == nil && uint64(info.Size()) == b.opts.BallastBytes {
		b.owed = 0
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, int64(b.opts.BallastBytes))
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = fmt.Errorf("%w: %w", ErrNoBallast, err)
	}
	if err != nil { // a sparse file reserves nothing.
		return errors.Join(err, f.Close(), os.Remove(name))
	}
	b.owed = 0
	return f.Close()
}

// BallastOwed is how many bytes of the ballast were released and are not reserved again. They count as used: the disk
// is full until there is room for them too.
func (s *Store) BallastOwed() uint64 {
	s.ballast.mu.Lock()
	defer s.ballast.mu.Unlock()
	return s.ballast.owed
}

// KeepBallast releases the ballast when its space is needed, and makes it again when there is ample room. It is to be
// called from time to time. ErrNoBallast: the file system cannot reserve space.
func (s *Store) KeepBallast() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil
	}
	return s.ballast.keep()
}

// How often the free space is looked at: Badger writes tables by itself, at any moment, and mostly soon after it was
// written to.
const (
	guardInterval = 50 * time.Millisecond
	guardClosely  = 5 * time.Millisecond
	guardWorking  = 10 * time.Second // so long after a write Badger may be merging.
)

// guard releases the ballast as soon as the disk is full, until end is closed.
func (b *ballast) guard(end <-chan struct{}) {
	for {
		pause := guardInterval
		if time.Since(time.Unix(0, b.wrote.Load())) < guardWorking {
			pause = guardClosely
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
			_ = b.giveWhenShort() // Apply and KeepBallast report what is wrong.
		case <-end:
			wait.Stop()
			return
		}
	}
}
