package store

import (
	"errors"
	"time"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal"
)

// flushing writes frozen memory tables into Badger, until the store is closed.
func (s *Store) flushing() {
	for {
		select {
		case <-s.work:
		case <-s.end:
			return
		}
		for s.flush() {
			select {
			case <-time.After(s.opts.RetryDelay):
			case <-s.end:
				return
			}
		}
	}
}

// flush writes the frozen table into Badger, if there is one. again: there was no room for it, and it has to be tried
// again.
func (s *Store) flush() (again bool) {
	s.mu.RLock()
	idle := s.frozen == nil || s.failed != nil
	s.mu.RUnlock()
	if idle {
		return false
	}
	err := s.load(s.rest)
	if errors.Is(err, badgerstore.ErrRefused) {
		s.mu.Lock()
		if s.full == nil {
			s.log.Warn("the records in the journal wait there until the disk has room", "error", err)
		}
		s.full = err
		s.changed.Broadcast()
		s.mu.Unlock()
		return true
	}
	if err != nil {
		_ = s.fail(err) // the next Write reports it.
		return false
	}
	upTo := s.thaw()
	if err := s.journal.Release(upTo, s.roomy()); err != nil {
		_ = s.fail(err)
	}
	return false
}

// load writes the frozen table into Badger, and calls rest after each batch with the time that it took. When it returns
// nil the whole table is on Badger's disk, and readers find it there.
func (s *Store) load(rest func(busy time.Duration)) error {
	var changes []node.Change
	bytes := 0
	var err error
	put := func() bool {
		began := time.Now()
		err = s.base.Load(changes)
		clear(changes)
		changes, bytes = changes[:0], 0
		rest(time.Since(began))
		return err == nil
	}
	s.frozen.tree.Scan(func(key string, value []byte) bool {
		n := len(key) + len(value)
		if len(changes) > 0 && (bytes+n > loadBytesMax || len(changes) >= loadChangesMax) && !put() {
			return false
		}
		changes = append(changes, node.Change{Key: key, Value: value})
		bytes += n
		return true
	})
	if err == nil && len(changes) > 0 {
		put()
	}
	if err != nil {
		return err
	}
	return s.base.Sync()
}

// rest waits between two batches for Badger, so that requests have most of the processors while a table is flushed:
// all members of a cluster have the same writes, and flush at the same time. It does not wait when the next table is
// half full already, or when the store is closed.
func (s *Store) rest(busy time.Duration) {
	if pause := s.restFor(busy, s.journal.State().UsedBytes); pause > 0 {
		select {
		case <-time.After(pause):
		case <-s.end:
		}
	}
}

// restFor is how long to rest after so much work, with so many bytes of the journal in use.
func (s *Store) restFor(busy time.Duration, used int64) time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.active.bytes >= s.opts.MemoryBytes/2 || used >= s.opts.JournalBytes/2*3 {
		return 0
	}
	return min(restTimes*busy, restMax)
}

// While a table is flushed, its goroutine works one part of the time and rests restTimes as long.
const (
	restTimes = 4
	restMax   = 100 * time.Millisecond
)

// Each batch for Badger fits one of its transactions, except a larger value.
const (
	loadBytesMax   = 512 << 10
	loadChangesMax = 2048
)

// thaw drops the frozen table, which Badger has, and freezes the next one if it is time.
func (s *Store) thaw() (upTo uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	upTo = s.frozen.upTo
	s.frozen, s.full = nil, nil
	s.freeze()
	s.changed.Broadcast()
	return upTo
}

// roomy reports whether the disk has room for segments that are kept for later.
func (s *Store) roomy() bool {
	if s.Store == nil {
		return true
	}
	free, err := s.opts.Base.FreeBytes(s.opts.Base.Dir)
	return err == nil && free >= badgerstore.WatermarksFor(s.opts.Base).FreeFrom
}

// flushAll writes everything into Badger when the store is closed. Records for which there is no room stay in the
// journal.
func (s *Store) flushAll() error {
	if s.failed != nil {
		return nil // Apply has reported it.
	}
	for {
		if s.frozen == nil {
			if s.active.upTo == 0 {
				return nil
			}
			s.frozen, s.active = s.active, &memory{}
		}
		err := s.load(func(time.Duration) {})
		if errors.Is(err, badgerstore.ErrRefused) {
			return nil
		}
		if err == nil {
			err = s.journal.Release(s.frozen.upTo, s.roomy())
		}
		if err != nil {
			return err
		}
		s.frozen = nil
	}
}

// markSyncEvery is how old the journal's mark may be after a loss of power.
const markSyncEvery = time.Second

// keeping prepares the journal's next segment, and syncs its mark, until the store is closed.
func (s *Store) keeping() {
	tick := time.NewTicker(markSyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.prepare:
			s.prepareNext()
		case <-tick.C:
			s.syncMark()
			s.changed.Broadcast()
		case <-s.end:
			return
		}
	}
}

// prepareNext makes the journal's next segment. It ignores a full disk, which Write reports if it still needs the
// segment.
func (s *Store) prepareNext() {
	if s.base.Admit(nil) != nil && s.journal.State().SpareBytes == 0 {
		return // what is left of the disk is Badger's.
	}
	if err := s.journal.Prepare(); err != nil && !errors.Is(err, journal.ErrNoSpace) {
		_ = s.fail(err)
	}
}

// syncMark syncs the journal's mark. With an older mark a start detects less damage, but never reports damage wrongly.
func (s *Store) syncMark() {
	if err := s.journal.SyncMark(); err != nil && !s.markFails {
		s.markFails = true
		s.log.Error("the journal's mark could not be synced", "error", err)
	}
}
