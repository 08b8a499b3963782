package store

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/host/journal"
	"kvs/node/storetest"
	"kvs/sim/memstore"
)

// Bounds of what waits for something that goes on beside the test.
const (
	patience = time.Minute
	tick     = 10 * time.Millisecond
)

var errPlanted = errors.New("planted failure")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// testOptions make tables and segments so small that the suite flushes all the time.
func testOptions(dir string) Options {
	o := DefaultOptions(dir, quiet())
	o.Base.FreeBytesMin = 1 << 20
	o.Base.BallastBytes = 0
	o.Journal = journal.Options{SegmentBytes: 64 << 10, SparesMax: 2}
	o.MemoryBytes = 64 << 10
	o.JournalBytes = 256 << 10
	return o
}

func openT(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// disk is a data folder whose store can crash.
type disk struct{ dir string }

func newDisk(t testing.TB) storetest.Disk { return &disk{dir: t.TempDir()} }

func (d *disk) Open(t testing.TB) node.Store { return openT(t, testOptions(d.dir)) }

func TestContract(t *testing.T) { storetest.Run(t, storetest.Factory{New: newDisk}) }

type memDisk struct{ store *memstore.Store }

func (d *memDisk) Open(testing.TB) node.Store {
	d.store.Reopen()
	return d.store
}

func TestDifferentialWithMemstore(t *testing.T) {
	for seed := range uint64(4) {
		storetest.Differential(t, seed, newDisk(t), &memDisk{memstore.New()})
	}
}

func put(key, value string) node.Change { return node.Change{Key: key, Value: []byte(value)} }
