package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/host/journal/faultfs"
	"kvs/sim/memstore"
)

// behind is a base in memory that promises no more than badgerstore does: what was loaded since the last sync is there
// after a crash from the beginning on up to any moment. Its calls are events like those of the folder.
type behind struct {
	hook   func(e faultfs.Event) error
	states []*memstore.Store // after each Load since the last Sync; the first one is what is on disk.
	shown  *memstore.Store   // what readers see: that of the last Sync.
	pin    uint64
	failed error
}

// Kinds of events of a base, besides those of a folder.
const (
	opLoad  faultfs.Op = "load"
	opFlush faultfs.Op = "flush" // the sync of the base.
)

func newBehind(content *memstore.Store) *behind {
	return &behind{states: []*memstore.Store{content.Clone()}, shown: content.Clone()}
}

func (b *behind) now() *memstore.Store { return b.states[len(b.states)-1] }

// crash returns what a crash leaves.
func (b *behind) crash(rng *rand.Rand, keep faultfs.Keep) *behind {
	at := 0
	switch keep {
	case faultfs.KeepAll:
		at = len(b.states) - 1
	case faultfs.KeepSome:
		at = rng.IntN(len(b.states))
	}
	return newBehind(b.states[at])
}

func (b *behind) event(op faultfs.Op) error {
	if b.hook == nil {
		return nil
	}
	return b.hook(faultfs.Event{Op: op})
}

func (b *behind) Get(key string) ([]byte, bool, error) { return b.shown.Get(key) }
func (b *behind) Pin() uint64                          { return b.pin }
func (b *behind) Admit([]node.Change) error            { return nil }
func (b *behind) Leave()                               {}
func (b *behind) Close() error                         { return nil }

func (b *behind) ScanAt(pin uint64, prefix, from string, fn func(key string, value []byte) bool) (bool, error) {
	if pin != b.pin {
		return false, nil
	}
	return true, b.shown.Scan(prefix, from, fn)
}

func (b *behind) ScanKeysAt(pin uint64, prefix, from string, fn func(key string) bool) (bool, error) {
	return b.ScanAt(pin, prefix, from, func(key string, _ []byte) bool { return fn(key) })
}

func (b *behind) Load(changes []node.Change) error {
	if b.failed != nil {
		return b.failed
	}
	if err := b.event(opLoad); err != nil {
		if !errors.Is(err, badgerstore.ErrRefused) {
			b.failed = err
		}
		return err
	}
	next := b.now().Clone()
	if err := next.Apply(changes); err != nil {
		return err
	}
	b.states = append(b.states, next)
	return nil
}

func (b *behind) Sync() error {
	if b.failed != nil {
		return b.failed
	}
	if err := b.event(opFlush); err != nil {
		b.failed = err
		return err
	}
	b.shown, b.states = b.now(), []*memstore.Store{b.now()}
	b.pin++
	return nil
}

// content is all that a reader shows, as text.
func content(r node.Reader) (string, error) {
	out := ""
	err := r.Scan("", "", func(key string, value []byte) bool {
		out += fmt.Sprintf("%q=%.1q*%d-%x\n", key, value, len(value), crc32.ChecksumIEEE(value))
		return true
	})
	return out, err
}
