// Package memstore is the store of the simulator's disks: a sorted map in memory. It satisfies what machines read from
// (Get and Scan) and kvs' node.Store.
//
// Applied means durable here: a crash may lose only persists that the simulated disk has not applied yet, and the
// simulator holds that queue itself. It is not safe for concurrent use, and it has no goroutines, locks or randomness
// of its own: the simulator has one thread, and one seed draws everything.
//
// Begin with Store. The hooks a simulated disk needs (bit-rot, wiping, failing, a digest to compare members by) are in
// hooks.go.
package memstore

import (
	"errors"
	"fmt"

	"kvs/machine"
)

// Store is a store in memory. Make one with New.
type Store struct {
	entries sorted
	bytes   int // keys and values.
	changes uint64
	slab    []byte // room for values.
	next    error
	failed  error
	closed  bool
}

// ErrClosed is returned by every call after Close, until Reopen.
var ErrClosed = errors.New("memstore is closed")

// New returns an empty store.
func New() *Store { return &Store{} }

// Get returns the value under key, and whether there is one. The slice is never written to again. It does not allocate.
func (s *Store) Get(key string) (value []byte, found bool, err error) {
	if s.closed {
		return nil, false, ErrClosed
	}
	value, found = s.entries.get(key)
	return value, found, nil
}

// Scan calls fn for each key that begins with prefix and is not below from, in ascending byte order, until fn returns
// false.
func (s *Store) Scan(prefix, from string, fn func(key string, value []byte) bool) error {
	if s.closed {
		return ErrClosed
	}
	s.entries.ascend(prefix, max(prefix, from), fn)
	return nil
}

// Apply makes changes, all or none, later ones of a key winning over earlier ones. Values are copied: the caller may
// reuse its buffers.
func (s *Store) Apply(changes []machine.Change) error { return s.apply(changes, s.keep) }

// Take is Apply of values that are the store's from then on: the caller must not change them any more.
func (s *Store) Take(changes []machine.Change) error {
	return s.apply(changes, func(value []byte) []byte { return value })
}

func (s *Store) apply(changes []machine.Change, keep func([]byte) []byte) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.failed != nil:
		return fmt.Errorf("an earlier write failed, so nothing more is written: %w", s.failed)
	case s.next != nil:
		s.failed, s.next = s.next, nil
		return s.failed
	}
	for _, change := range changes {
		if change.Value == nil {
			s.remove(change.Key)
			continue
		}
		s.put(change.Key, keep(change.Value))
	}
	return nil
}

// Close ends the use of the store. The content stays for Reopen.
func (s *Store) Close() error {
	s.closed = true
	return nil
}

// slabBytes is how much room for values is allocated at once. A replaced value keeps its slab alive as long as a
// neighbour is in use. That is acceptable since worlds are small and short, and the collector has a tenth of the work.
const slabBytes = 16 << 10

// keep copies a value, which is never written to again.
func (s *Store) keep(value []byte) []byte {
	if len(value) > slabBytes/8 {
		return append([]byte{}, value...)
	}
	if max(1, len(value)) > cap(s.slab)-len(s.slab) { // an empty value is not nil, which would mean that there is none.
		s.slab = make([]byte, 0, slabBytes)
	}
	begin := len(s.slab)
	s.slab = append(s.slab, value...)
	return s.slab[begin:len(s.slab):len(s.slab)]
}

func (s *Store) put(key string, value []byte) {
	s.changes++
	former, replaced := s.entries.set(key, value)
	s.bytes += len(value)
	if replaced {
		s.bytes -= len(former)
	} else {
		s.bytes += len(key)
	}
}

func (s *Store) remove(key string) {
	s.changes++
	if former, found := s.entries.remove(key); found {
		s.bytes -= len(key) + len(former)
	}
}
