package badgerstore

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"kvs/node"
)

// Store is a node.Store. Make one with Open.
type Store struct {
	opts Options
	log  *slog.Logger
	db   *badger.DB

	// mu is held for reading by every call and for writing by Close: Badger unmaps its files, and a reader that still
	// used them would crash the process.
	mu     sync.RWMutex
	closed bool
	noRoom *noRoom // the store is open to be read alone; nil: it is open.

	durable atomic.Uint64 // the last transaction that is on disk and complete; readers read at it. Sync moves it.
	discard atomic.Uint64 // what Badger may drop: versions below it that newer ones up to it have replaced.

	writer  writer
	ballast *ballast
	scrub   *tableScrub
	end     chan struct{} // closed by Close.
	beside  sync.WaitGroup

	sick  atomic.Bool // damage was reported.
	left  atomic.Bool // Leave was called.
	stuck stuck
}

var _ node.Store = (*Store)(nil)

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("the store is closed")

// Get implements node.Reader.
func (s *Store) Get(key string) (value []byte, found bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, false, ErrClosed
	}
	return s.get(key)
}

// get reads at the last durable transaction. If the writer has moved discard past that one meanwhile, Badger may have
// dropped the version in question, and the result, even an error, means nothing: get reads again.
func (s *Store) get(key string) (value []byte, found bool, err error) {
	for {
		at := s.durable.Load()
		value, found, err = s.getAt(at, dataKey(key))
		if s.discard.Load() <= at {
			break
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %q: %w", key, err)
	}
	return value, found, nil
}

func (s *Store) getAt(at uint64, key []byte) ([]byte, bool, error) {
	txn := s.db.NewTransactionAt(at, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	var value []byte
	if item.UserMeta() == metaHead {
		value, err = readChunks(txn, item)
	} else {
		value, err = copyValue(item)
	}
	return value, err == nil, err
}

// copyValue returns a copy that is never nil: an empty value is a value.
func copyValue(item *badger.Item) ([]byte, error) {
	return item.ValueCopy(make([]byte, 0, item.ValueSize()))
}

// Scan implements node.Reader. It shows the state of one moment, except that a large value overwritten meanwhile may
// show as the newer one, or be left out when it was deleted.
func (s *Store) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	for {
		if shown, err := s.ScanAt(s.Pin(), prefix, from, fn); shown || err != nil {
			return err
		}
	}
}

// Pin names the state that readers see, for ScanAt.
func (s *Store) Pin() uint64 { return s.durable.Load() }

// ScanAt is a Scan of the state that was pinned. shown is false when that state is gone, and fn was not called; pin a
// newer one.
func (s *Store) ScanAt(
	pin uint64, prefix, from string, fn func(key string, value []byte) bool,
) (shown bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false, ErrClosed
	}
	txn, it := s.iteratorAt(pin, dataKey(prefix))
	if txn == nil {
		return false, nil
	}
	defer txn.Discard()
	defer it.Close()
	for it.Seek(dataKey(max(prefix, from))); it.Valid(); it.Next() {
		item := it.Item()
		key := string(item.Key()[1:])
		more, err := s.visit(txn, item, key, fn)
		if err != nil {
			return true, fmt.Errorf("scan at %q: %w", key, err)
		}
		if !more {
			break
		}
	}
	return true, nil
}

// ScanKeys implements node.KeyScanner: it is as much work for large values as for small ones.
func (s *Store) ScanKeys(prefix, from string, fn func(key string) bool) error {
	for {
		if shown, err := s.ScanKeysAt(s.Pin(), prefix, from, fn); shown || err != nil {
			return err
		}
	}
}

// ScanKeysAt is ScanAt without the values.
func (s *Store) ScanKeysAt(pin uint64, prefix, from string, fn func(key string) bool) (shown bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false, ErrClosed
	}
	txn, it := s.iteratorAt(pin, dataKey(prefix))
	if txn == nil {
		return false, nil
	}
	defer txn.Discard()
	defer it.Close()
	for it.Seek(dataKey(max(prefix, from))); it.Valid() && fn(string(it.Item().Key()[1:])); it.Next() {
	}
	return true, nil
}

// iterator returns one over all keys with a prefix, at the last durable transaction. Once made it holds all tables it
// needs; until then it has the same problem as get.
func (s *Store) iterator(prefix []byte) (*badger.Txn, *badger.Iterator) {
	for {
		if txn, it := s.iteratorAt(s.Pin(), prefix); txn != nil {
			return txn, it
		}
	}
}

// iteratorAt returns nil when Badger may have dropped versions of that state.
func (s *Store) iteratorAt(at uint64, prefix []byte) (*badger.Txn, *badger.Iterator) {
	txn := s.db.NewTransactionAt(at, false)
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	if s.discard.Load() <= at {
		return txn, it
	}
	it.Close()
	txn.Discard()
	return nil, nil
}

// visit hands one item to fn.
func (s *Store) visit(txn *badger.Txn, item *badger.Item, key string, fn func(key string, value []byte) bool) (
	more bool, err error) {
	if item.UserMeta() != metaHead {
		err = item.Value(func(value []byte) error {
			more = fn(key, value)
			return nil
		})
		return more, err
	}
	value, err := readChunks(txn, item)
	if s.discard.Load() > txn.ReadTs() { // the chunks are not in the iterator's tables, and may be gone.
		var found bool
		if value, found, err = s.get(key); err == nil && !found {
			return true, nil
		}
	}
	return err == nil && fn(key, value), err
}

// forget lets Badger drop versions that newer ones up to this one have replaced. The order matters for get: a reader
// that sees the effect of SetDiscardTs sees discard too.
func (s *Store) forget(version uint64) {
	s.discard.Store(version)
	s.db.SetDiscardTs(version)
}

// Leave ends a Load that waits for Badger while Badger waits for a table that cannot be made: it returns ErrNotClosed
// within seconds. An owner whose goroutines call Load calls it before it waits for them. Close does so itself.
func (s *Store) Leave() { s.left.Store(true) }

// Close implements node.Store. It waits for calls that are running. Closing twice does nothing.
func (s *Store) Close() error {
	s.Leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.end)
	s.mu.Unlock()
	s.beside.Wait() // the scrub asks for the tables.
	s.mu.Lock()
	if n := s.noRoom; n != nil {
		return errors.Join(s.db.Close(), n.lock.Close())
	}
	err := errors.Join(s.writer.dropReserve(), s.writer.mark.close(), s.closeBadger())
	if !s.sick.Load() {
		s.scrub.write(err == nil)
	}
	if err != nil {
		return fmt.Errorf("close the store in %s: %w", s.opts.Dir, err)
	}
	return nil
}

// tables lists Badger's. open: the list is complete; while the store is being closed there is no list.
func (s *Store) tables() (infos []badger.TableInfo, open bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, false
	}
	return s.db.Tables(), true
}

// hasTable reports whether Badger still has a table. One of a store that is being closed it does not.
func (s *Store) hasTable(id uint64) bool {
	infos, _ := s.tables()
	return slices.ContainsFunc(infos, func(t badger.TableInfo) bool { return t.ID == id })
}

// damaged reports, once, that the store has lost what was on disk.
func (s *Store) damaged(err error) {
	if s.sick.Swap(true) {
		return
	}
	err = Damage(s.opts.Dir, err)
	s.log.Error("a table of the store is damaged", "error", err)
	if s.opts.Damaged != nil {
		s.opts.Damaged(err)
	}
}

// Sizes are for status and metrics.
type Sizes struct {
	DiskBytes uint64 // space that the data folder occupies.
	FreeBytes uint64 // free space on its file system.
	Tables    int
}

// Sizes asks the file system.
func (s *Store) Sizes() (Sizes, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return Sizes{}, ErrClosed
	}
	occupied, err := diskBytes(s.opts.Dir)
	if err != nil {
		return Sizes{}, err
	}
	free, err := s.opts.FreeBytes(s.opts.Dir)
	if err != nil {
		return Sizes{}, err
	}
	return Sizes{DiskBytes: occupied, FreeBytes: free, Tables: len(s.db.Tables())}, nil
}

// newest reads all transactions, complete or not.
const newest = math.MaxUint64
