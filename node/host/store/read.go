package store

import (
	"strings"

	"kvs/node/host/badgerstore"
)

// Get implements node.Reader.
func (s *Store) Get(key string) (value []byte, found bool, err error) {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, false, badgerstore.ErrClosed
	}
	value, known := s.active.tree.Get(key)
	if !known && s.frozen != nil {
		value, known = s.frozen.tree.Get(key)
	}
	s.mu.RUnlock()
	if known {
		return value, value != nil, nil
	}
	// A key that was in neither table is in Badger, also when a table is flushed meanwhile: then the value can only be
	// newer.
	return s.base.Get(key)
}

// Scan implements node.Reader. It shows the state of one moment, with the exception for large values that
// badgerstore.Scan names.
func (s *Store) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	return s.scan(prefix, from, fn, s.base.ScanAt)
}

// ScanKeys implements node.KeyScanner.
func (s *Store) ScanKeys(prefix, from string, fn func(key string) bool) error {
	return s.scan(prefix, from, func(key string, _ []byte) bool { return fn(key) },
		func(pin uint64, prefix, from string, fn func(key string, value []byte) bool) (shown bool, err error) {
			return s.base.ScanKeysAt(pin, prefix, from, func(key string) bool { return fn(key, nil) })
		})
}

type scanAt func(pin uint64, prefix, from string, fn func(key string, value []byte) bool) (shown bool, err error)

func (s *Store) scan(prefix, from string, fn func(key string, value []byte) bool, base scanAt) error {
	for {
		pin, memory, err := s.pin()
		if err != nil {
			return err
		}
		c := memory.cursor(max(prefix, from))
		more := true
		// upTo shows the entries of the memory tables below a key, or all of them.
		upTo := func(end string, all bool) {
			for more {
				key, value, ok := c.peek()
				if !ok || !all && key >= end || !strings.HasPrefix(key, prefix) {
					return
				}
				c.pass(key)
				more = value == nil || fn(key, value)
			}
		}
		shown, err := base(pin, prefix, from, func(key string, value []byte) bool {
			upTo(key, false)
			if at, newer, ok := c.peek(); more && ok && at == key {
				value = newer
				c.pass(key)
				if newer == nil {
					return true
				}
			}
			more = more && fn(key, value)
			return more
		})
		if err != nil {
			return err
		}
		if !shown {
			continue
		}
		upTo("", true)
		return nil
	}
}

// pin returns the state of this moment. The tables are shared with the writer, which copies nodes on write from now on.
func (s *Store) pin() (base uint64, memory snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, memory, badgerstore.ErrClosed
	}
	if s.active.tree.Len() > 0 {
		memory.newer = s.active.tree.Copy()
	}
	if s.frozen != nil {
		memory.older = &s.frozen.tree
	}
	return s.base.Pin(), memory, nil
}
