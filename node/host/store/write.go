package store

import (
	"errors"
	"fmt"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal"
)

// Apply implements node.Store. Errors that wrap badgerstore.ErrRefused are harmless: nothing was written, and the same
// batch may be tried again. Any other one ends all writing.
func (s *Store) Apply(changes []node.Change) error {
	if len(changes) == 0 {
		return s.writable()
	}
	if err := s.Write(changes); err != nil {
		return err
	}
	return s.Sync()
}

// Write puts a batch into the journal. It is durable, and readers see it, after the next Sync that begins when Write
// has returned. One goroutine at a time calls Write, and one calls Sync; they may be two. It has the errors of Apply.
func (s *Store) Write(changes []node.Change) error {
	if err := s.waitForRoom(); err != nil {
		return err
	}
	err := s.base.Admit(changes)
	if errors.Is(err, badgerstore.ErrDiskFull) && s.journal.Fits(batchBytesMost(changes)) {
		err = nil // it goes into files that have their blocks; Badger gets it when there is room.
	}
	if err != nil {
		return err
	}
	seq, err := s.journal.Append(func(b []byte) []byte { return appendBatch(b, changes) })
	if errors.Is(err, journal.ErrNoSpace) {
		return fmt.Errorf("%w: %w: make room on that disk", badgerstore.ErrDiskFull, err)
	}
	if err != nil {
		return s.fail(err)
	}
	own := make([]node.Change, len(changes))
	for i := range changes {
		own[i] = node.Change{Key: changes[i].Key, Value: clone(changes[i].Value)}
	}
	s.pending.Lock()
	s.pending.batches = append(s.pending.batches, batch{seq, own})
	s.pending.Unlock()
	if !s.journal.NextReady() {
		wake(s.prepare)
	}
	return nil
}

// Fits reports whether Write takes a batch of so many bytes also when the disk is full: the journal has the blocks for
// it, and the flushing is not behind.
func (s *Store) Fits(bytes int) bool {
	s.mu.RLock()
	behind := s.unwritable() != nil || s.tooFarBehind()
	s.mu.RUnlock()
	return !behind && s.journal.Fits(int64(bytes))
}

// Sync makes the batches durable that were written before it began, and shows them to readers.
func (s *Store) Sync() error {
	if err := s.writable(); err != nil {
		return err
	}
	durable, err := s.journal.Sync()
	if err != nil {
		return s.fail(err)
	}
	s.pending.Lock()
	n := 0
	for n < len(s.pending.batches) && s.pending.batches[n].seq <= durable {
		n++
	}
	ready := s.pending.batches[:n:n]
	s.pending.batches = s.pending.batches[n:]
	s.pending.Unlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range ready {
		for _, c := range ready[i].changes {
			s.active.set(c.Key, c.Value)
		}
		s.active.upTo = ready[i].seq
	}
	clear(ready)
	s.freeze()
	return nil
}

// freeze begins to flush the memory table when it is time. mu is held.
func (s *Store) freeze() {
	if s.frozen == nil && s.active.upTo > 0 && s.behind() {
		s.frozen, s.active = s.active, &memory{}
		wake(s.work)
	}
}

// behind reports whether the memory table should be flushed. mu is held.
func (s *Store) behind() bool {
	return s.active.bytes >= s.opts.MemoryBytes || s.journal.State().UsedBytes >= s.opts.JournalBytes
}

// tooFarBehind reports whether Write has to wait for the flushing. mu is held.
func (s *Store) tooFarBehind() bool {
	return s.frozen != nil &&
		(s.active.bytes >= s.opts.MemoryBytes || s.journal.State().UsedBytes >= 2*s.opts.JournalBytes)
}

// waitForRoom waits until the flushing has caught up. It refuses when the flushing waits for room on the disk, which
// may happen while it waits: keeping lets it look again every second.
func (s *Store) waitForRoom() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed || s.failed != nil:
			return s.unwritable()
		case !s.tooFarBehind():
			return nil
		case s.full != nil:
			return s.full
		}
		if err := s.base.Admit(nil); err != nil { // the flushing waits for room, inside of Badger.
			return err
		}
		s.changed.Wait()
	}
}

func (s *Store) writable() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.unwritable()
}

// unwritable is why nothing can be written; nil: it can. mu is held.
func (s *Store) unwritable() error {
	switch {
	case s.closed:
		return badgerstore.ErrClosed
	case s.failed != nil:
		return fmt.Errorf("an earlier write failed, so nothing more is written; "+
			"check the disk and start the node again: %w", s.failed)
	}
	return nil
}

// fail ends all writing. Readers still see the data that was durable before.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.changed.Broadcast()
	return err
}

// wake leaves a signal in a channel of capacity one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
