package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// wholeness is the result of the examination of a folder, before Badger opens it.
type wholeness struct {
	last   uint64 // the last transaction that Badger has to find.
	marked *mark  // nil: there is none yet, or none that is valid.

	checked checked // the tables that were read in full.
}

// examine finds out whether the folder holds everything that was on disk once: tables, logs, and the mark. Its errors
// say what is damaged. Transactions after the last Sync are cut off.
func examine(ctx context.Context, o *Options, marker *folderMarker) (*wholeness, error) {
	found, err := verifyTables(ctx, o)
	if err != nil {
		return nil, err
	}
	w := &wholeness{checked: found.checked}
	tables := found.last
	m, markErr := readMark(o.Dir)
	if !errors.Is(markErr, errNoMark) {
		if markErr != nil {
			return nil, markErr
		}
		w.marked = m
	} else if !marker.marked() {
		markErr = nil
	}
	span := logSpan{upTo: math.MaxUint64, tables: tables}
	if marker.current() && m != nil {
		span.upTo = m.last
	}
	lost := span.readLogs(o.Dir)
	if lost == nil {
		lost = markErr
	}
	if lost == nil && m != nil {
		lost = logsFit(&span, m)
	}
	w.last = max(tables, span.last)
	if lost != nil {
		if !o.AcceptLoss || unreadable(lost) {
			return nil, lost
		}
		o.Logger.Warn("the store has lost data, and the node goes on without it, as asked for", "dir", o.Dir, "error",
			lost)
		w.last, w.marked = 0, nil
	} else if err := span.cutLogs(o.Dir); err != nil {
		return nil, err
	}
	if err := dropEmpty(o.Dir); err != nil {
		return nil, err
	}
	return w, syncLogs(o.Dir) // a killed process leaves data that it has not synced.
}

// dropEmpty removes empty logs, which a crash leaves while Badger makes them: Badger refuses to open with them.
func dropEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if suffix := filepath.Ext(e.Name()); suffix != logSuffix && suffix != ".vlog" {
			continue
		}
		info, err := e.Info()
		if err == nil && info.Size() == 0 {
			err = os.Remove(filepath.Join(dir, e.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // an open store removes its flushed logs meanwhile.
			return err
		}
	}
	return nil
}

// mark is the mark to use from now on, for an opened store that holds the transactions up to last.
func (w *wholeness) mark(last uint64) (*mark, error) {
	if last < w.last {
		return nil, fmt.Errorf("transactions %d to %d are lost: Badger did not take them over", last+1, w.last)
	}
	if w.marked == nil {
		return &mark{last: last, since: last}, nil
	}
	return &mark{last: last, since: w.marked.since, slot: w.marked.slot}, nil
}

// Damage is the error for a folder that cannot be opened. It distinguishes a disk without room and one that cannot be
// read from one with damaged content.
func Damage(dir string, err error) error {
	if noSpace(err) {
		return fmt.Errorf("%w: open %s: %w: make room on that disk, and start again", ErrDiskFull, dir, err)
	}
	if unreadable(err) {
		return fmt.Errorf("%w: %s cannot be read: %w: check the disk, and start again", ErrUnusable, dir, err)
	}
	return fmt.Errorf("%w: open %s: %w: %s", ErrDamaged, dir, err, whatToDo)
}
