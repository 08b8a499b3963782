package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Badger maps its logs and tables. third_party/ristretto, which makes these files for it, gives each of them its
// blocks, so that Badger gets an error when the disk has no room. Badger tries again to make a table. Without a log
// for the next memtable it cannot go on, and half a line in MANIFEST is damage at the next start. So the files of the
// next logs are there before Badger asks for them, empty but with their blocks, and so are blocks behind the end of
// MANIFEST.

// manifestAhead is how much Badger may append to MANIFEST before anybody looks again. A line has a few dozen bytes for
// each table.
const manifestAhead = 256 << 10

// reserve makes sure that Badger has the files for a batch. It wraps ErrDiskFull when there is no room for them.
func (w *writer) reserve(entries []entry) error {
	o := &w.store.opts
	size := int64(0)
	for i := range entries {
		size += int64(len(entries[i].key)+len(entries[i].value)) + skipListOverhead
	}
	err := reserveBehind(filepath.Join(o.Dir, manifestName), manifestAhead)
	if err == nil {
		err = w.reserveLogs(1 + int(size/o.MemTableBytes))
	}
	if noSpace(err) {
		return fmt.Errorf("%w: %w: make room on that disk", ErrDiskFull, err)
	}
	return err
}

// skipListOverhead is what an entry takes in a memtable besides its key and value, rounded up.
const skipListOverhead = 256

// noSpace reports whether a disk or a quota has no room. Badger passes on some errors as text alone.
func noSpace(err error) bool {
	for _, full := range []unix.Errno{unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, full) || err != nil && strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

// reserveLogs makes the files of the next logs.
func (w *writer) reserveLogs(count int) error {
	o := &w.store.opts
	last, err := lastLog(o.Dir)
	for n := last + 1; n <= last+count && err == nil; n++ {
		err = reserveLog(logName(o.Dir, n), 2*o.MemTableBytes) // twice: the length that Badger gives it.
	}
	return err
}

// lastLog is the number of the last log that Badger has taken. There is always one while Badger is open.
func lastLog(dir string) (last int, err error) {
	names, err := logNames(dir)
	for _, name := range names {
		n, numberErr := strconv.Atoi(strings.TrimSuffix(name, logSuffix))
		if info, statErr := os.Stat(filepath.Join(dir, name)); numberErr == nil && statErr == nil && info.Size() > 0 {
			last = max(last, n)
		}
	}
	return last, err
}

// reserveLog makes an empty file with blocks.
func reserveLog(name string, bytes int64) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := keepBlocks(f, bytes); err != nil {
		return errors.Join(fmt.Errorf("reserve the log %s: %w", name, err), f.Close(), os.Remove(name))
	}
	return f.Close()
}

// reserveBehind allocates blocks behind the end of a file.
func reserveBehind(name string, bytes int64) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = keepBlocks(f, info.Size()+bytes)
	}
	if err != nil {
		err = fmt.Errorf("reserve blocks for %s: %w", name, err)
	}
	return errors.Join(err, f.Close())
}

// keepBlocks allocates the blocks of a file up to a size, and leaves its length as it is. It does nothing where the
// file system cannot do that.
func keepBlocks(f *os.File, size int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Blocks*512 >= size {
		return nil
	}
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil
		}
		return err
	}
}

// dropReserve removes the files that Badger has not taken.
func (w *writer) dropReserve() error {
	err := dropEmpty(w.store.opts.Dir)
	if err != nil {
		return fmt.Errorf("remove the reserved logs: %w", err)
	}
	return nil
}

func logName(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%05d%s", number, logSuffix))
}
