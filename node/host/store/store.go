package store

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal"
)

// Options are the folder of a store, and its bounds on memory and space. Start from DefaultOptions.
type Options struct {
	Base         badgerstore.Options // its Prepare belongs to the store.
	Journal      journal.Options
	MemoryBytes  int64         // of a memory table that is flushed.
	JournalBytes int64         // of segments in use at which the memory table is flushed, even if it is small.
	RetryDelay   time.Duration // between attempts to flush while the disk is full.
}

// DefaultOptions suit a node that shares its machine: see badgerstore.DefaultOptions. The memory tables take up to
// twice MemoryBytes besides, the journal up to twice JournalBytes on the disk.
func DefaultOptions(dir string, logger *slog.Logger) Options {
	return Options{
		Base:         badgerstore.DefaultOptions(dir, logger),
		Journal:      journal.DefaultOptions(),
		MemoryBytes:  16 << 20,
		JournalBytes: 64 << 20,
		RetryDelay:   time.Second,
	}
}

func (o *Options) check() error {
	if o.MemoryBytes < 1 || o.JournalBytes < o.Journal.SegmentBytes || o.RetryDelay <= 0 {
		return fmt.Errorf("store options: memory tables of %d bytes, a journal of %d bytes in segments of %d, "+
			"retries after %v: each must be above zero, with room for a segment",
			o.MemoryBytes, o.JournalBytes, o.Journal.SegmentBytes, o.RetryDelay)
	}
	return nil
}

// folderName is the folder of the journal, below the data folder.
const folderName = "journal"

// base is the store behind the journal. badgerstore.Store documents it.
type base interface {
	Get(key string) (value []byte, found bool, err error)
	Pin() uint64
	ScanAt(pin uint64, prefix, from string, fn func(key string, value []byte) bool) (shown bool, err error)
	ScanKeysAt(pin uint64, prefix, from string, fn func(key string) bool) (shown bool, err error)
	Admit(changes []node.Change) error
	Load(changes []node.Change) error
	Sync() error
	Leave()
	Close() error
}

// Store is a node.Store. Make one with Open.
type Store struct {
	*badgerstore.Store // for methods that do not concern the journal; nil in tests of the journal over another base.

	opts    Options
	log     *slog.Logger
	base    base
	journal *journal.Journal

	// mu guards the fields below. It is held while a batch goes into the memory table, and never during a wait for the
	// disk.
	mu      sync.RWMutex
	changed sync.Cond // of mu: frozen, failed, full or closed has changed.
	active  *memory
	frozen  *memory // being flushed; nil: there is none.
	failed  error   // the failure after which nothing is written.
	full    error   // why flushing waits for room on the disk; nil: it does not.
	closed  bool

	pending struct { // batches that were written and not synced, oldest first.
		sync.Mutex
		batches []batch
	}

	markFails bool // it has been logged; of the goroutine that syncs the mark.

	work       chan struct{} // there may be a table to flush.
	prepare    chan struct{} // the journal may need its next segment.
	end        chan struct{} // closed by Close.
	background sync.WaitGroup
}

// batch is a batch that waits for the journal's sync.
type batch struct {
	seq     uint64
	changes []node.Change // its own.
}

var _ node.Store = (*Store)(nil)

// Open opens the store in o.Base.Dir and makes a new one where the folder is absent or empty. Its errors are those of
// badgerstore.Open, also for the journal.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	var made *journal.Journal
	dir := filepath.Join(o.Base.Dir, folderName)
	o.Base.Prepare = func() error {
		var err error
		made, err = makeJournal(dir, o.Journal)
		return err
	}
	behind, err := badgerstore.Open(ctx, o.Base)
	if err != nil {
		if made != nil {
			err = errors.Join(err, made.Close())
		}
		return nil, err
	}
	m := &memory{}
	if made == nil {
		if made, err = openJournal(dir, &o, m); err != nil {
			return nil, errors.Join(badgerstore.Damage(o.Base.Dir, err), behind.Close())
		}
	}
	s := newStore(o, behind, made, m)
	s.Store = behind
	if o.Base.AcceptLoss {
		if err := s.startOver(dir); err != nil {
			err = fmt.Errorf("%w: %s: %w", badgerstore.ErrUnusable, o.Base.Dir, err)
			return nil, errors.Join(err, behind.Close())
		}
	}
	s.start()
	return s, nil
}

// makeJournal makes a new journal in a folder of its own.
func makeJournal(dir string, o journal.Options) (*journal.Journal, error) {
	fs, err := journal.Folder(dir)
	if err != nil {
		return nil, err
	}
	var identity journal.Identity
	if _, err := crand.Read(identity[:]); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	return journal.Create(fs, o, identity)
}

// openJournal puts the records of the journal into m. With AcceptLoss it takes those that can be read, and makes a new
// journal.
func openJournal(dir string, o *Options, m *memory) (*journal.Journal, error) {
	fs, err := journal.Folder(dir)
	if err != nil {
		return nil, err
	}
	replay := func(seq uint64, content []byte) error { return m.replay(seq, content) }
	if !o.Base.AcceptLoss {
		return journal.Open(fs, o.Journal, replay)
	}
	j, err := journal.Open(fs, o.Journal, replay)
	if !errors.Is(err, journal.ErrDamaged) {
		return j, err
	}
	o.Base.Logger.Warn("the journal has lost data, and the node goes on without it, as asked for", "dir", dir, "error",
		err)
	*m = memory{}
	return nil, journal.Salvage(fs, replay)
}

func (m *memory) replay(seq uint64, content []byte) error {
	m.upTo = seq
	if err := readBatch(content, func(key string, value []byte) { m.set(key, clone(value)) }); err != nil {
		return fmt.Errorf("record %d: %w", seq, err)
	}
	return nil
}

// startOver writes all salvaged records into Badger, and begins a new journal when the former one was damaged.
func (s *Store) startOver(dir string) error {
	if s.journal != nil {
		return nil
	}
	s.frozen, s.active = s.active, &memory{}
	if err := s.load(func(time.Duration) {}); err != nil {
		return err
	}
	s.frozen = nil
	var err error
	s.journal, err = makeJournal(dir, s.opts.Journal)
	return err
}

func newStore(o Options, behind base, j *journal.Journal, m *memory) *Store {
	s := &Store{
		opts: o, log: o.Base.Logger, base: behind, journal: j, active: m,
		work: make(chan struct{}, 1), prepare: make(chan struct{}, 1), end: make(chan struct{}),
	}
	s.changed.L = &s.mu
	return s
}

// start starts the background goroutines.
func (s *Store) start() {
	s.background.Go(s.flushing)
	s.background.Go(s.keeping)
	s.mu.Lock()
	s.freeze()
	s.mu.Unlock()
}

// Close implements node.Store. It waits for running calls, and writes everything into Badger, so that the next Open has
// nothing to replay; records for which there is no room stay in the journal. Closing twice does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	close(s.end)
	s.base.Leave()
	s.background.Wait()
	errs := []error{s.flushAll(), s.journal.Close(), s.base.Close()}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the store in %s: %w", s.opts.Base.Dir, err)
	}
	return nil
}
