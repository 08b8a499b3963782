package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Open opens the store in o.Dir and makes a new one where the folder is absent or empty. Its errors are for people;
// those that concern the folder wrap one of ErrUnusable, ErrNotOurs, ErrLocked, ErrEmptied, ErrFormat, ErrDamaged, or
// ErrDiskFull.
//
// It reads the tables that were not read in full since they were written, which takes as long as the disk takes: ctx
// ends that, Options.Progress hears of it. The others are read in the background (Options.Scrub).
func Open(ctx context.Context, o Options) (*Store, error) { return open(ctx, o, commitTransaction) }

func open(ctx context.Context, o Options, commit commitFunc) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	marker, err := prepareFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	b := &ballast{opts: o}
	full := b.roomToOpen()
	if full != nil && !errors.Is(full, ErrDiskFull) {
		return nil, full
	}
	whole, err := examine(ctx, &o, &marker)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("open %s: %w", o.Dir, ctx.Err())
		}
		return nil, Damage(o.Dir, err)
	}
	s := &Store{opts: o, log: o.Logger, ballast: b, end: make(chan struct{})}
	s.writer.commit = commit
	s.scrub = newTableScrub(s, whole.checked)
	if full == nil {
		if err := s.openBadger(whole, &marker); errors.Is(err, ErrDiskFull) {
			full = err // others have taken the room meanwhile.
		} else if err != nil {
			return nil, err
		}
	}
	if full != nil {
		if err := s.openToRead(whole, &marker, full); err != nil {
			return nil, err
		}
		s.beside.Go(func() { b.guard(s.end) })
		return s, nil
	}
	if err := s.KeepBallast(); err != nil {
		o.Logger.Warn("no space is kept for a full disk", "error", err)
	}
	s.beside.Go(func() { b.guard(s.end) })
	s.beside.Go(func() { s.scrub.run(s.end) })
	return s, nil
}

// openBadger opens Badger for writing, on a folder that was examined.
func (s *Store) openBadger(whole *wholeness, marker *folderMarker) error {
	o := &s.opts
	s.scrub.checked.starts++
	if err := s.scrub.checked.write(o.Dir); err != nil { // what is not on the list is read again.
		o.Logger.Warn("the next start reads all tables", "error", err)
	}
	s.stuck.tables = map[string]time.Time{}
	stores.Store(filepath.Clean(o.Dir), s) // Badger makes tables from now on.
	db, err := badger.OpenManaged(o.badger())
	if err != nil {
		stores.Delete(filepath.Clean(o.Dir))
		if locked := checkUnlocked(o.Dir); errors.Is(locked, ErrLocked) {
			return locked
		}
		return Damage(o.Dir, err)
	}
	m, err := whole.mark(db.MaxVersion())
	if err == nil {
		err = m.open(o.Dir)
	}
	if err != nil {
		return errors.Join(Damage(o.Dir, err), db.Close())
	}
	s.db = db
	s.writer.init(s, m, s.writer.commit)
	if err := s.start(marker); err != nil {
		return errors.Join(err, m.close(), db.Close())
	}
	return nil
}

// start brings an opened Badger to the last complete batch and checks that it is what the marker file promises.
func (s *Store) start(marker *folderMarker) error {
	if err := s.recoverIntent(); err != nil {
		return err
	}
	s.durable.Store(s.writer.version)
	s.forget(s.writer.version)
	found, err := s.checkFormat(s.writer.version, marker)
	switch {
	case err != nil:
		return err
	case !found:
		if err := s.writer.commitAll([][]entry{{{key: ownKey(formatName), value: []byte(formatKey)}}}); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrUnusable, s.opts.Dir, err)
		}
	}
	if err := s.writer.sync(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnusable, s.opts.Dir, err)
	}
	if !marker.current() {
		if err := s.opts.prepare(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrUnusable, s.opts.Dir, err)
		}
		if err := writeMarker(s.opts.Dir, folderMarker{state: stateReady, format: formatCurrent}); err != nil {
			return err
		}
	}
	return s.loadLarge()
}

// checkFormat reads what the store says of its format; found false: it is a new one.
func (s *Store) checkFormat(at uint64, marker *folderMarker) (found bool, err error) {
	stored, found, err := s.getAt(at, ownKey(formatName))
	switch {
	case err != nil:
		return found, fmt.Errorf("%w: %s: %w: %s", ErrDamaged, s.opts.Dir, err, whatToDo)
	case found && string(stored) != formatKey:
		return found, fmt.Errorf("%w: the store in %s says format %q, this version reads %q: %s", ErrFormat, s.opts.Dir,
			stored, formatKey, whatToDo)
	case !found && marker.state == stateReady:
		return found, fmt.Errorf("%w: %s has been a node's data folder, but the store in it is empty: %s", ErrEmptied,
			s.opts.Dir, whatToDo)
	}
	return found, nil
}
