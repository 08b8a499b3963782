package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// A disk may be so full that Badger cannot be opened: it would write what its logs hold into a new table at once,
// and dies of a write to a mapped file for which there is no room. Then the store is opened to be read: Badger
// opens its files read-only, starts no goroutine that writes, and makes no file. Load refuses until there is room,
// and opens Badger as usual then. What is written meanwhile waits in the journal (node/host/store), as far as that
// has room.

// noRoom is what a store needs that is open to be read alone. The store's mu guards it.
type noRoom struct {
	whole  *wholeness
	marker folderMarker
	lock   *os.File // the folder, locked: Badger's own lock lets other readers in.
}

// openToRead opens Badger to be read alone, on a disk without room. why is what is said of it.
func (s *Store) openToRead(whole *wholeness, marker *folderMarker, why error) error {
	o := &s.opts
	if !marker.current() { // there is nothing to read yet, or the folder has to become one of the current format.
		return why
	}
	if err := errors.Join(dropEmpty(o.Dir), endLogs(o.Dir)); err != nil {
		return err
	}
	lock, err := os.Open(o.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(lockedError(o.Dir), lock.Close())
	}
	options := o.badger()
	options.ReadOnly, options.BypassLockGuard = true, true
	db, err := badger.OpenManaged(options)
	if err != nil {
		return errors.Join(Damage(o.Dir, err), lock.Close())
	}
	s.db = db
	s.noRoom = &noRoom{whole: whole, marker: *marker, lock: lock}
	if err := s.readable(); err != nil {
		return errors.Join(err, db.Close(), lock.Close())
	}
	o.Logger.Warn("the disk is full: the store is opened to be read, and takes writes when there is room", "dir", o.Dir,
		"error", why)
	return nil
}

// readable checks that the store is what the marker promises. A batch that a crash had cut short is gone: the logs
// were cut off behind the last transaction of which the mark says that it is complete.
func (s *Store) readable() error {
	last := s.db.MaxVersion()
	if _, err := s.noRoom.whole.mark(last); err != nil {
		return Damage(s.opts.Dir, err)
	}
	s.durable.Store(last)
	s.discard.Store(last)
	_, err := s.checkFormat(last, &s.noRoom.marker)
	return err
}

// openFully opens Badger as usual once there is room. If others have taken that room meanwhile, Badger is opened to be
// read again, and the error wraps ErrDiskFull.
func (s *Store) openFully() error {
	if err := s.ballast.roomToOpen(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.noRoom == nil:
		return nil
	}
	n := s.noRoom
	err := errors.Join(s.db.Close(), n.lock.Close())
	if err == nil {
		err = s.openBadger(n.whole, &n.marker)
	}
	if errors.Is(err, ErrDiskFull) {
		full := err
		if err = s.openToRead(n.whole, &n.marker, full); err == nil {
			return full
		}
	}
	if err != nil { // there is nothing left to read from.
		s.closed = true
		close(s.end)
		return fmt.Errorf("open the store in %s now that there is room: %w", s.opts.Dir, err)
	}
	s.noRoom = nil
	s.beside.Go(func() { s.scrub.run(s.end) })
	s.log.Info("the disk has room again: the store takes writes", "dir", s.opts.Dir)
	return nil
}

// endLogs cuts off what Badger's logs reserve behind their last transaction: Badger reads nothing but whole logs
// when it may not write. They are never written to again.
func endLogs(dir string) error {
	names, err := logNames(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		l, err := mapLog(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		at := 0
		if l.whole() {
			at = logHeaderBytes
			for {
				_, _, end := l.transaction(at)
				if end == 0 {
					break
				}
				at = end
			}
		}
		if err := l.close(); err != nil {
			return err
		}
		if at <= logHeaderBytes {
			err = os.Remove(filepath.Join(dir, name)) // it holds nothing.
		} else if at < len(l.data) {
			err = os.Truncate(filepath.Join(dir, name), int64(at))
		}
		if err != nil {
			return err
		}
	}
	return syncLogs(dir)
}
