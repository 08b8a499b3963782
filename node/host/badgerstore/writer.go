package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"kvs/node"
)

// Why Apply refuses a batch without having written anything. The store stays as it was, and takes the next batch.
var (
	ErrRefused     = errors.New("refused, nothing was written")
	ErrDiskFull    = fmt.Errorf("the disk is nearly full: %w", ErrRefused)
	ErrBatchTooBig = fmt.Errorf("the batch is too big: %w", ErrRefused)
)

// Retryable says that Apply may take the same batch later, when somebody has made room on the disk.
func Retryable(err error) bool { return errors.Is(err, ErrRefused) && !errors.Is(err, ErrBatchTooBig) }

// writer is the part of a Store that one goroutine at a time uses.
type writer struct {
	store   *Store
	version uint64            // of the last transaction, complete or not.
	large   map[string]uint32 // the number of chunks of every value that has some.
	last    map[string]int    // of a batch: the last operation on each key. Kept between batches.
	since   int64             // bytes written since discard was moved.
	failed  error

	bytesMax int64 // of one transaction.
	countMax int
	commit   commitFunc
}

// commitFunc returns when the transaction is on disk. Tests put their failures here.
type commitFunc func(txn *badger.Txn, version uint64) error

func commitSynced(txn *badger.Txn, version uint64) error { return txn.CommitAt(version, nil) }

// entry is one change in Badger's key space. A nil value deletes.
type entry struct {
	key   []byte
	value []byte
	meta  byte
}

func (w *writer) init(s *Store, commit commitFunc) {
	*w = writer{
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
func (s *Store) Apply(ops []node.Op) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := &s.writer
	switch {
	case s.closed:
		return ErrClosed
	case w.failed != nil:
		return fmt.Errorf("an earlier write failed, so nothing more is written; check the disk and start the node again: %w", w.failed)
	case len(ops) == 0:
		return nil
	}
	size, err := w.admit(ops)
	if err != nil {
		return err
	}
	groups := w.split(w.entries(ops))
	if len(groups) > 1 {
		groups = w.withIntent(groups)
	}
	if err := w.commitAll(groups); err != nil {
		w.failed = err
		return err
	}
	w.remember(ops)
	s.durable.Store(w.version)
	// Badger drops old versions when it writes tables, and it writes one a memtable: telling it more often is of no use.
	if w.since += size; w.since >= s.opts.MemTableBytes/2 {
		w.since = 0
		s.forget(w.version)
	}
	return nil
}

// admit refuses what cannot or should not be written. It returns the size of the batch.
func (w *writer) admit(ops []node.Op) (size int64, err error) {
	o := &w.store.opts
	for i := range ops {
		if len(ops[i].Key) > keyBytesMax {
			return 0, fmt.Errorf("%w: a key of %d bytes, at most %d are possible", ErrBatchTooBig, len(ops[i].Key), keyBytesMax)
		}
		size += int64(len(ops[i].Key) + len(ops[i].Value))
	}
	if size > o.BatchBytesMax {
		return 0, fmt.Errorf("%w: %d bytes, at most %d are possible", ErrBatchTooBig, size, o.BatchBytesMax)
	}
	return size, checkSpace(o, o.FreeBytesMin+uint64(size))
}

// checkSpace refuses when less than want bytes are free.
func checkSpace(o *Options, want uint64) error {
	free, err := o.FreeBytes(o.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if free < want {
		return fmt.Errorf("%w: %s has %d bytes free, %d are needed: make room on that disk", ErrDiskFull, o.Dir, free, want)
	}
	return nil
}

// entries turns operations into entries, one a key at the most: the last operation on a key wins.
func (w *writer) entries(ops []node.Op) []entry {
	clear(w.last)
	for i := range ops {
		w.last[ops[i].Key] = i
	}
	out := make([]entry, 0, len(ops)+2)
	for i := range ops {
		if w.last[ops[i].Key] == i {
			out = w.appendEntries(out, &ops[i])
		}
	}
	return out
}

func (w *writer) appendEntries(out []entry, op *node.Op) []entry {
	former, count := w.large[op.Key], chunkCount(len(op.Value))
	switch {
	case count > 0:
		out = append(out,
			entry{key: dataKey(op.Key), value: binary.BigEndian.AppendUint64(nil, uint64(len(op.Value))), meta: metaHead},
			entry{key: largeKey(op.Key), value: binary.BigEndian.AppendUint32(nil, count)})
		for i := range count {
			chunk := op.Value[int(i)*chunkBytes : min((int(i)+1)*chunkBytes, len(op.Value))]
			out = append(out, entry{key: chunkKey(op.Key, i), value: chunk})
		}
	default:
		out = append(out, entry{key: dataKey(op.Key), value: op.Value})
		if former > 0 {
			out = append(out, entry{key: largeKey(op.Key)})
		}
	}
	for i := count; i < former; i++ {
		out = append(out, entry{key: chunkKey(op.Key, i)})
	}
	return out
}

// remember keeps large in step with what was written.
func (w *writer) remember(ops []node.Op) {
	for i := range ops {
		if w.last[ops[i].Key] != i {
			continue
		}
		if count := chunkCount(len(ops[i].Value)); count > 0 {
			w.large[ops[i].Key] = count
		} else if len(w.large) > 0 {
			delete(w.large, ops[i].Key)
		}
	}
	if len(w.last) > lastKeysMax {
		w.last = make(map[string]int) // clearing a map takes as long as it has ever been large.
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

// commitAll writes one transaction after the other, each on disk before the next.
func (w *writer) commitAll(groups [][]entry) error {
	for _, group := range groups {
		txn := w.store.db.NewTransactionAt(w.version, true)
		for i := range group {
			if err := setEntry(txn, &group[i]); err != nil {
				txn.Discard()
				return fmt.Errorf("write a transaction of %d entries: %w", len(group), err)
			}
		}
		w.version++
		if err := w.commit(txn, w.version); err != nil {
			return fmt.Errorf("commit transaction %d: %w", w.version, err)
		}
	}
	return nil
}

func setEntry(txn *badger.Txn, e *entry) error {
	if e.value == nil {
		return txn.Delete(e.key)
	}
	return txn.SetEntry(badger.NewEntry(e.key, e.value).WithMeta(e.meta))
}
