package store

import (
	"errors"
	"time"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal"
)

// flushing brings frozen memory tables to Badger, until the store is closed.
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

// flush brings the frozen table to Badger, if there is one. again: there was no room for it, and it is to be tried
// again.
func (s *Store) flush() (again bool) {
	s.mu.RLock()
	idle := s.frozen == nil || s.failed != nil
	s.mu.RUnlock()
	if idle {
		return false
	}
	err := s.load()
	if errors.Is(err, badgerstore.ErrRefused) {
		s.mu.Lock()
		if s.full == nil {
			s.log.Warn("what is in the journal waits there until the disk has room", "error", err)
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

// load writes the frozen table into Badger. When it returns nil all of it is on Badger's disk, and readers find it
// there.
func (s *Store) load() error {
	var changes []node.Change
	bytes := 0
	var err error
	put := func() bool {
		err = s.base.Load(changes)
		clear(changes)
		changes, bytes = changes[:0], 0
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

// What is handed to Badger at a time fits one of its transactions, but for a larger value.
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

// roomy says that the disk has room for segments that are kept for later.
func (s *Store) roomy() bool {
	if s.Store == nil {
		return true
	}
	free, err := s.opts.Base.FreeBytes(s.opts.Base.Dir)
	return err == nil && free >= badgerstore.WatermarksFor(s.opts.Base).FreeFrom
}

// flushAll brings everything to Badger when the store is closed. What there is no room for stays in the journal.
func (s *Store) flushAll() error {
	if s.failed != nil {
		return nil // Apply has said so.
	}
	for {
		if s.frozen == nil {
			if s.active.upTo == 0 {
				return nil
			}
			s.frozen, s.active = s.active, &memory{}
		}
		err := s.load()
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

// markSyncEvery is how old what the journal's mark says may be after a loss of power.
const markSyncEvery = time.Second

// keeping has the journal's next segment ready, and brings its mark to the disk, until the store is closed.
func (s *Store) keeping() {
	tick := time.NewTicker(markSyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.prepare:
			s.prepareNext()
		case <-tick.C:
			s.syncMark()
		case <-s.end:
			return
		}
	}
}

// prepareNext makes the journal's next segment. When the disk is full Write says so, should it come to that.
func (s *Store) prepareNext() {
	if err := s.journal.Prepare(); err != nil && !errors.Is(err, journal.ErrNoSpace) {
		_ = s.fail(err)
	}
}

// syncMark brings the journal's mark to the disk. One that is older finds less, and nothing that is wrong.
func (s *Store) syncMark() {
	if err := s.journal.SyncMark(); err != nil && !s.markFails {
		s.markFails = true
		s.log.Error("how far the journal has come is not on disk", "error", err)
	}
}
