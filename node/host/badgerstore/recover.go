package badgerstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// recoverIntent undoes a batch of several transactions that a crash has cut short. The note of intent holds the last
// complete transaction; Badger has kept all versions up to it, because discard never passes a batch that is being
// written. Every key written since gets its old value back, in new transactions, the last of which removes the note. If
// this is cut short too, the next start does it again from the same note.
func (s *Store) recoverIntent() error {
	note, found, err := s.getAt(newest, ownKey(intentName))
	if err != nil {
		return fmt.Errorf("%w: %s: %w: %s", ErrDamaged, s.opts.Dir, err, whatToDo)
	}
	if !found {
		return nil
	}
	if len(note) != 8 || binary.BigEndian.Uint64(note) >= s.writer.version {
		return fmt.Errorf("%w: %s: impossible note of intent %x at transaction %d: %s", ErrDamaged, s.opts.Dir, note,
			s.writer.version, whatToDo)
	}
	base := binary.BigEndian.Uint64(note)
	if err := checkSpace(&s.opts, s.opts.FreeBytesMin); err != nil {
		return err
	}
	restored, err := s.stateBefore(base)
	if err != nil {
		return fmt.Errorf("%w: %s: undo the batch after transaction %d: %w: %s", ErrDamaged, s.opts.Dir, base, err,
			whatToDo)
	}
	if err := s.writer.reserve(restored); err != nil {
		return err
	}
	torn := s.writer.version
	if err := s.writer.commitAll(endIntent(s.writer.split(restored))); err != nil {
		return fmt.Errorf("%w: %s: undo the batch after transaction %d: %w", ErrUnusable, s.opts.Dir, base, err)
	}
	s.log.Info("undid a batch that a crash had cut short", "folder", s.opts.Dir, "complete", base, "torn", torn, "keys",
		len(restored))
	return nil
}

// stateBefore returns the values at base of all keys that were written after it. A batch is bounded, so the result is
// bounded too.
func (s *Store) stateBefore(base uint64) ([]entry, error) {
	all := s.db.NewTransactionAt(newest, false)
	defer all.Discard()
	it := all.NewIterator(badger.IteratorOptions{AllVersions: true, SinceTs: base})
	defer it.Close()
	before := s.db.NewTransactionAt(base, false)
	defer before.Discard()

	var out []entry
	intent, number := ownKey(intentName), ownKey(numberName)
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		if bytes.Equal(key, intent) || bytes.Equal(key, number) ||
			len(out) > 0 && bytes.Equal(key, out[len(out)-1].key) {
			continue
		}
		old := entry{key: key}
		switch item, err := before.Get(key); {
		case errors.Is(err, badger.ErrKeyNotFound):
		case err != nil:
			return nil, err
		default:
			if old.value, err = copyValue(item); err != nil {
				return nil, err
			}
			old.meta = item.UserMeta()
		}
		out = append(out, old)
	}
	return out, nil
}

// loadLarge finds the values that have chunks.
func (s *Store) loadLarge() error {
	txn, it := s.iterator([]byte{kindLarge})
	defer txn.Discard()
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := string(it.Item().Key()[1:])
		err := it.Item().Value(func(b []byte) error {
			if len(b) != 4 {
				return fmt.Errorf("count of %d bytes", len(b))
			}
			s.writer.large[key] = binary.BigEndian.Uint32(b)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w: %s: chunks of %q: %w: %s", ErrDamaged, s.opts.Dir, key, err, whatToDo)
		}
	}
	return nil
}
