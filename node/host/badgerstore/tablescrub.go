package badgerstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
	"golang.org/x/sys/unix"
)

// The scrub of tables reads them from the disk, one after the other, while the store is open. New ones come first,
// so that the next start has little to read. Then come those that were read longest ago, slowly, and none of them
// more often than ScrubAgain. It passes over the system's cache, which may hold what the disk has lost.
//
// A damaged table ends the store's service: Badger hides keys of a damaged block, and merges carry what is left of
// it into tables whose checksums are right. The table is taken off the list of checked ones first, so that the next
// start reads it in full and finds the damage too. Where a merge was faster than the scrub, the checksums of the
// records tell.

// Scrub says how much the scrub of tables reads. A rate of zero: it does not run.
type Scrub struct {
	NewBytesPerSecond int64         // of tables that were never read in full, and
	OldBytesPerSecond int64         // of those that were.
	Again             time.Duration // how long a table that was read is left alone.
	Look              time.Duration // how often it looks for new tables, and
	Settled           time.Duration // how long a store has to be open before the start counts as a good one.
	Listed            time.Duration // how often the list of checked tables is written while it grows.
}

func (s *Scrub) check() error {
	if s.NewBytesPerSecond < 0 || s.OldBytesPerSecond < 0 || s.Again < 0 ||
		s.NewBytesPerSecond > 0 && (s.Look <= 0 || s.Settled <= 0 || s.Listed <= 0) {
		return fmt.Errorf("store options: a scrub of %+v", *s)
	}
	return nil
}

func defaultScrub() Scrub {
	return Scrub{
		NewBytesPerSecond: 32 << 20, OldBytesPerSecond: 1 << 20, Again: 24 * time.Hour,
		Look: 10 * time.Second, Settled: time.Minute, Listed: 30 * time.Second,
	}
}

// tableScrub is the goroutine. Its fields are its own, but for those that Close uses after it has ended.
type tableScrub struct {
	store   *Store
	opts    Scrub
	checked checked
	changed bool // checked is not on disk.
	opened  time.Time
	wrote   time.Time
	told    bool // the log has said that the list cannot be written.
}

func newTableScrub(s *Store, c checked) *tableScrub {
	now := time.Now()
	return &tableScrub{store: s, opts: s.opts.Scrub, checked: c, opened: now, wrote: now}
}

// run reads tables until end is closed, or a table is damaged.
func (t *tableScrub) run(end <-chan struct{}) {
	if t.opts.NewBytesPerSecond == 0 {
		return
	}
	for {
		pause := t.opts.Look
		if id, known := t.next(); id != 0 {
			size, err := t.read(id)
			if err != nil {
				t.damaged(id, err)
				return
			}
			rate := t.opts.NewBytesPerSecond
			if known {
				rate = t.opts.OldBytesPerSecond
			}
			pause = time.Duration(float64(size) / float64(rate) * float64(time.Second))
		}
		if now := time.Now(); t.checked.starts > 0 && now.Sub(t.opened) >= t.opts.Settled ||
			t.changed && now.Sub(t.wrote) >= t.opts.Listed {
			t.write(now.Sub(t.opened) >= t.opts.Settled)
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-end:
			wait.Stop()
			return
		}
	}
}

// next is the table to be read, and whether it was read before; zero: none. Tables that are gone leave the list. While
// the store is being closed none is gone.
func (t *tableScrub) next() (id uint64, known bool) {
	infos, open := t.store.tables()
	if !open {
		return 0, false
	}
	there := make([]uint64, 0, len(infos))
	for i := range infos {
		there = append(there, infos[i].ID)
	}
	slices.Sort(there)
	for known := range t.checked.tables {
		if _, ok := slices.BinarySearch(there, known); !ok {
			delete(t.checked.tables, known)
			t.changed = true
		}
	}
	for _, id := range there {
		if _, ok := t.checked.tables[id]; !ok {
			return id, false
		}
	}
	if len(there) == 0 || t.opts.OldBytesPerSecond == 0 {
		return 0, false
	}
	oldest := slices.MinFunc(there, func(a, b uint64) int {
		return cmp.Compare(t.checked.tables[a].at, t.checked.tables[b].at)
	})
	age := time.Since(time.Unix(t.checked.tables[oldest].at, 0))
	if age >= 0 && age < t.opts.Again {
		return 0, false
	}
	return oldest, true
}

// read reads a table in full. One that a merge has replaced meanwhile is no error, and one that cannot be read while
// the store is being closed is left to the next start.
func (t *tableScrub) read(id uint64) (size int64, err error) {
	name := table.NewFilename(id, t.store.opts.Dir)
	state, err := stateOf(name)
	if err == nil {
		err = readTable(name, state.size)
	}
	if err != nil && !t.store.hasTable(id) {
		delete(t.checked.tables, id)
		t.changed = true
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	t.checked.tables[id] = checkedTable{file: state, at: time.Now().Unix()}
	t.changed = true
	return state.size, nil
}

// damaged reports a table, once the next start will read it in full.
func (t *tableScrub) damaged(id uint64, err error) {
	delete(t.checked.tables, id)
	t.write(false)
	if t.changed { // the list could not be written.
		if forgetErr := forgetChecked(t.store.opts.Dir); forgetErr != nil {
			t.store.log.Error("the list of checked tables cannot be removed: remove it before the next start",
				"dir", t.store.opts.Dir, "file", checkedName, "error", forgetErr)
		}
	}
	t.store.damaged(err)
}

// write brings the list to the disk. good: starts before this one do not count any more.
func (t *tableScrub) write(good bool) {
	if good {
		t.checked.starts = 0
	}
	t.wrote, t.changed = time.Now(), true
	err := t.checked.write(t.store.opts.Dir)
	if err == nil {
		t.changed = false
	} else if !t.told {
		t.told = true
		t.store.log.Warn("the list of checked tables cannot be written: the next start takes longer", "error", err)
	}
}

// uncachedAlign is what memory and places of reads past the cache are multiples of.
const uncachedAlign = 4096

// readTable checks each block of a table as it is on the disk.
func readTable(name string, size int64) (err error) {
	// Memory of its own begins at a page, as reads past the cache want it, and is given back at once.
	memory, err := unix.Mmap(-1, 0, int(size)/uncachedAlign*uncachedAlign+uncachedAlign,
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("memory for a table of %d bytes: %w", size, err)
	}
	defer func() {
		if r := recover(); r != nil {
			err = damagedTable(r)
		}
		_ = unix.Munmap(memory)
	}()
	f, n, err := readFile(name, unix.O_DIRECT, memory)
	if errors.Is(err, unix.EINVAL) { // this file system has no reads past the cache.
		f, n, err = readFile(name, 0, memory)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = verifyMapped(&z.MmapFile{Data: memory[:n], Fd: f}, true)
	return err
}

// readFile reads a file into memory, up to its end, and leaves it open.
func readFile(name string, flags int, memory []byte) (f *os.File, n int, err error) {
	if f, err = os.OpenFile(name, os.O_RDONLY|flags, 0); err != nil {
		return nil, 0, err
	}
	for n < len(memory) && n%uncachedAlign == 0 { // the end is where fewer bytes come.
		k, err := unix.Pread(int(f.Fd()), memory[n:], int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, 0, errors.Join(&fs.PathError{Op: "read", Path: name, Err: err}, f.Close())
		}
		if n += k; k == 0 {
			break
		}
	}
	return f, n, nil
}
