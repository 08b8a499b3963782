package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The ballast is a file whose space the node has to itself, whatever else fills the disk. While there is room it is
// kept; when there is hardly any it is given up: then there is enough to open the store, to serve, and to take the
// deletions that make room, and Badger, which dies of a write to a mapped file on a full disk, has what its compactions
// need. It comes back when there is room again.

const ballastName = "BALLAST"

// ErrNoBallast says that the file system cannot set space aside.
var ErrNoBallast = errors.New("the file system cannot set space aside")

// ballast is that file. It is safe for concurrent use.
type ballast struct {
	opts Options
	mu   sync.Mutex // one at a time looks and acts.
	owed uint64     // bytes given up in this run and not set aside again.
}

// shortBelow is the free space below which the ballast is given up.
func (b *ballast) shortBelow() uint64 { return b.opts.FreeBytesMin / 2 }

// roomToOpen makes sure that opening has the room it needs, to write out what the log holds: less than Apply, for a
// node whose disk has just become full can still be restarted to serve. It gives up the ballast for that.
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

// giveWhenShort gives the ballast up if there is one, and so little is free that Badger is in danger.
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
		b.opts.Logger.Warn("the disk is full: the space kept for this was given up",
			"dir", b.opts.Dir, "free_bytes", free, "bytes", b.opts.BallastBytes)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// keep gives the ballast up when the disk is full, and sets it aside when there is ample room.
func (b *ballast) keep() error {
	if err := b.giveWhenShort(); err != nil || b.opts.BallastBytes == 0 {
		return err
	}
	free, err := b.opts.FreeBytes(b.opts.Dir)
	if err != nil || free < b.opts.BallastBytes+WatermarksFor(b.opts).FreeFrom {
		// it must not make the disk full itself.
		return err
	}
	return b.take()
}

// take sets the ballast aside, unless it is there already.
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
	if err != nil { // a sparse file keeps nothing.
		return errors.Join(err, f.Close(), os.Remove(name))
	}
	b.owed = 0
	return f.Close()
}

// BallastOwed is how many bytes of the space kept for a full disk were given up and are not set aside again. They look
// free and are not: the disk is full until there is room for them too.
func (s *Store) BallastOwed() uint64 {
	s.ballast.mu.Lock()
	defer s.ballast.mu.Unlock()
	return s.ballast.owed
}

// KeepBallast gives up the space that is kept for a full disk when it is needed, and sets it aside again when there is
// ample room. It is to be called now and then. ErrNoBallast: the file system cannot do that.
func (s *Store) KeepBallast() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil
	}
	return s.ballast.keep()
}

// guardInterval is how often the free space is looked at: Badger writes tables by itself, at any moment.
const guardInterval = 50 * time.Millisecond

// guard gives the ballast up as soon as the disk is full, until end is closed.
func (b *ballast) guard(end <-chan struct{}) {
	tick := time.NewTicker(guardInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = b.giveWhenShort() // Apply and KeepBallast report what is wrong.
		case <-end:
			return
		}
	}
}

// reserveLogs gives Badger's logs the blocks that they have only a promise of: they are sparse, mapped files, and a
// write to a block that the disk has no room for ends the process. A log is complete before the next one is made, so
// only the newest one matters.
func (w *writer) reserveLogs() {
	for {
		f, err := os.OpenFile(filepath.Join(w.store.opts.Dir, fmt.Sprintf("%05d.mem", w.nextLog)), os.O_RDWR, 0)
		if err != nil {
			return // it is not there yet; what else is wrong with it, Badger says.
		}
		info, err := f.Stat()
		if err == nil {
			// where it cannot be done, it is as it was.
			_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, info.Size())
		}
		_ = f.Close()
		w.nextLog++
	}
}

// firstLog is the number of the oldest log in dir, and of the first one that will be made when there is none.
func firstLog(dir string) int {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.mem")) // in the order of their numbers.
	if len(logs) == 0 {
		return 1
	}
	n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(logs[0]), ".mem"))
	if err != nil {
		return 1
	}
	return n
}
