package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"kvs/node"
)

// Reasons why Apply refuses a batch and writes nothing. The store stays as it was, and takes the next batch.
var (
	ErrRefused     = errors.New("refused, nothing was written")
	ErrDiskFull    = fmt.Errorf("the disk is nearly full: %w", ErrRefused)
	ErrBatchTooBig = fmt.Errorf("the batch is too big: %w", ErrRefused)
)

// Retryable reports whether Apply may take the same batch later, when the disk has room again.
func Retryable(err error) bool { return errors.Is(err, ErrRefused) && !errors.Is(err, ErrBatchTooBig) }

// writer is the part of a Store that one goroutine at a time uses.
type writer struct {
	store   *Store
	version uint64            // of the last transaction, complete or not.
	large   map[string]uint32 // the number of chunks of every value that has some.
	last    map[string]int    // of a batch: the last operation on each key. Kept between batches.
	failed  error
	mark    *mark
	dirty   bool // something was written since the last sync.

	bytesMax int64 // of one transaction.
	countMax int
	commit   commitFunc
}

// commitFunc returns when the transaction is in Badger's log. Tests inject failures here.
type commitFunc func(txn *badger.Txn, version uint64) error

func commitTransaction(txn *badger.Txn, version uint64) error { return txn.CommitAt(version, nil) }

// entry is one change in Badger's key space. A nil value deletes.
type entry struct {
	key   []byte
	value []byte
	meta  byte
}

func (w *writer) init(s *Store, m *mark, commit commitFunc) {
	*w = writer{
		mark:     m,
		store:    s,
		version:  s.db.MaxVersion(),
		large:    make(map[string]uint32),
		last:     make(map[string]int),
		bytesMax: s.db.MaxBatchSize() - transactionMargin - keyBytesMax,
		countMax: int(s.db.MaxBatchCount()) - 8,
		commit:   commit,
	}
}

// Apply implements node.Store. Errors that wrap ErrRefused are harmless, see there; any other one ends all writing.
func (s *Store) Apply(changes []node.Change) error {
	if err := s.Load(changes); err != nil {
		return err
	}
	return s.Sync()
}

// Load is Apply without the disk: after a crash the changes are there as a whole or not at all, in the order of the
// calls, and until Sync returns no reader sees them. It has the errors of Apply.
func (s *Store) Load(changes []node.Change) error {
	if s.readOnly() {
		if err := s.openFully(); err != nil {
			return err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := &s.writer
	switch {
	case s.closed:
		return ErrClosed
	case w.failed != nil:
		return w.unwritable()
	case len(changes) == 0:
		return nil
	}
	if w.failed = s.stuck.failure(); w.failed != nil {
		return w.unwritable()
	}
	if err := s.Admit(changes); err != nil {
		return err
	}
	entries := w.entries(changes)
	if err := w.reserve(entries); err != nil {
		return err
	}
	s.ballast.wrote.Store(time.Now().UnixNano())
	groups := w.split(entries)
	if len(groups) > 1 {
		groups = w.withIntent(groups)
	}
	if err := w.commitAll(groups); err != nil {
		w.failed = err
		return err
	}
	w.remember(changes)
	return nil
}

// Sync makes all loaded batches durable, and shows them to readers. The goroutine that calls Load calls it. After an
// error the store refuses to write for good.
func (s *Store) Sync() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := &s.writer
	switch {
	case s.closed:
		return ErrClosed
	case s.noRoom != nil:
		return nil // nothing was loaded.
	case w.failed != nil:
		return w.unwritable()
	}
	err := w.store.stuck.failure()
	if err == nil {
		err = w.sync()
	}
	if err != nil {
		w.failed = err
		return err
	}
	s.durable.Store(w.version)
	s.forget(w.version)
	return nil
}

// readOnly reports whether the store is open to be read alone.
func (s *Store) readOnly() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.noRoom != nil
}

// unwritable says that nothing is written after a failure.
func (w *writer) unwritable() error {
	return fmt.Errorf("an earlier write failed, so nothing more is written; "+
		"check the disk and start the node again: %w", w.failed)
}

// sync makes all transactions durable, and records that in the mark. Badger syncs a table before it removes the log:
// only the logs remain to be synced.
func (w *writer) sync() error {
	if !w.dirty {
		return nil
	}
	if err := syncLogs(w.store.opts.Dir); err != nil {
		return err
	}
	if err := w.mark.set(w.version); err != nil {
		return err
	}
	w.dirty = false
	return nil
}

// Admit returns the error with which Load would refuse changes. It may be called from any goroutine.
func (s *Store) Admit(changes []node.Change) error {
	o := &s.opts
	size := int64(0)
	for i := range changes {
		if len(changes[i].Key) > keyBytesMax {
			return fmt.Errorf("%w: a key of %d bytes, at most %d are possible",
				ErrBatchTooBig, len(changes[i].Key), keyBytesMax)
		}
		size += int64(len(changes[i].Key) + len(changes[i].Value))
	}
	if size > o.BatchBytesMax {
		return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrBatchTooBig, size, o.BatchBytesMax)
	}
	if err := s.stuck.refuses(); err != nil {
		return err
	}
	err := checkSpace(o, o.FreeBytesMin+uint64(size))
	if errors.Is(err, ErrDiskFull) { // the disk is full: Badger's own writes need room, too.
		if giveErr := s.ballast.giveWhenShort(); giveErr != nil {
			s.log.Error("the space reserved for a full disk could not be released", "error", giveErr)
		}
	}
	return err
}

// checkSpace refuses when less than want bytes are free.
func checkSpace(o *Options, want uint64) error {
	free, err := o.FreeBytes(o.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if free < want {
		return fmt.Errorf("%w: %s has %d bytes free, %d are needed: make room on that disk", ErrDiskFull, o.Dir, free,
			want)
	}
	return nil
}

// entries turns changes into entries, at most one for each key: the last change of a key wins.
func (w *writer) entries(changes []node.Change) []entry {
	clear(w.last)
	for i := range changes {
		w.last[changes[i].Key] = i
	}
	out := make([]entry, 0, len(changes)+2)
	for i := range changes {
		if w.last[changes[i].Key] == i {
			out = w.appendEntries(out, &changes[i])
		}
	}
	return out
}

func (w *writer) appendEntries(out []entry, change *node.Change) []entry {
	former, count := w.large[change.Key], chunkCount(len(change.Value))
	switch {
	case count > 0:
		out = append(out,
			entry{key: dataKey(change.Key), value: binary.BigEndian.AppendUint64(nil, uint64(len(change.Value))),
				meta: metaHead},
			entry{key: largeKey(change.Key), value: binary.BigEndian.AppendUint32(nil, count)})
		for i := range count {
			chunk := change.Value[int(i)*chunkBytes : min((int(i)+1)*chunkBytes, len(change.Value))]
			out = append(out, entry{key: chunkKey(change.Key, i), value: chunk})
		}
	default:
		out = append(out, entry{key: dataKey(change.Key), value: change.Value})
		if former > 0 {
			out = append(out, entry{key: largeKey(change.Key)})
		}
	}
	for i := count; i < former; i++ {
		out = append(out, entry{key: chunkKey(change.Key, i)})
	}
	return out
}

// remember updates large after a write.
func (w *writer) remember(changes []node.Change) {
	for i := range changes {
		if w.last[changes[i].Key] != i {
			continue
		}
		if count := chunkCount(len(changes[i].Value)); count > 0 {
			w.large[changes[i].Key] = count
		} else if len(w.large) > 0 {
			delete(w.large, changes[i].Key)
		}
	}
	if len(w.last) > lastKeysMax {
		w.last = make(map[string]int) // clearing a map takes as long as its largest size.
	}
}

const lastKeysMax = 4096

// split cuts entries into transactions that Badger takes.
func (w *writer) split(entries []entry) [][]entry {
	groups := make([][]entry, 0, 1)
	start, size := 0, int64(0)
	for i := range entries {
		n := int64(len(entries[i].key) + len(entries[i].value) + entryOverhead)
		if i > start && (size+n > w.bytesMax || i-start >= w.countMax) {
			groups = append(groups, entries[start:i:i])
			start, size = i, 0
		}
		size += n
	}
	return append(groups, entries[start:len(entries):len(entries)])
}

// withIntent makes several transactions one: see recoverIntent.
func (w *writer) withIntent(groups [][]entry) [][]entry {
	base := binary.BigEndian.AppendUint64(nil, w.version)
	groups[0] = append(groups[0], entry{key: ownKey(intentName), value: base})
	return endIntent(groups)
}

func endIntent(groups [][]entry) [][]entry {
	end := len(groups) - 1
	groups[end] = append(groups[end], entry{key: ownKey(intentName)})
	return groups
}

// commitAll writes one transaction after the other.
func (w *writer) commitAll(groups [][]entry) error {
	for _, group := range groups {
		txn := w.store.db.NewTransactionAt(w.version, true)
		group = append(group, entry{key: ownKey(numberName), value: binary.BigEndian.AppendUint64(nil, w.version+1)})
		for i := range group {
			if err := setEntry(txn, &group[i]); err != nil {
				txn.Discard()
				return fmt.Errorf("write a transaction of %d entries: %w", len(group), err)
			}
		}
		w.version++
		w.dirty = true
		if err := w.await(txn, w.version); err != nil {
			return fmt.Errorf("commit transaction %d: %w", w.version, err)
		}
	}
	return nil
}

// await commits a transaction. Badger may let it wait for memtables, which wait for a table that cannot be made: a
// store that is left does not wait for that, nor does any store after a failure. Whether the transaction is in the log
// is not known then.
func (w *writer) await(txn *badger.Txn, version uint64) error {
	committed := make(chan error, 1)
	go func() { committed <- w.commit(txn, version) }()
	look := time.NewTicker(closeLook)
	defer look.Stop()
	k := &w.store.stuck
	for {
		select {
		case err := <-committed:
			return err
		case <-look.C:
		}
		if err := k.failure(); err != nil {
			return err
		}
		if w.store.left.Load() && k.hopeless(closePatience) {
			return fmt.Errorf("%w: %w", ErrNotClosed, k.refuses())
		}
	}
}

func setEntry(txn *badger.Txn, e *entry) error {
	if e.value == nil {
		return txn.Delete(e.key)
	}
	return txn.SetEntry(badger.NewEntry(e.key, e.value).WithMeta(e.meta))
}
