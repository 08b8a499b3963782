package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// Badger checks its tables while it opens them, in goroutines of its own: it does not report its progress, and a table
// that is cut off makes it panic where no caller can recover. So each block of each table is checked here first, and
// Badger opens intact tables only.

// verifiersMax bounds the goroutines that check tables: more do not read a disk faster.
const verifiersMax = 4

// verifyTables checks every table that the manifest names, and reports how many of how many are done. It stops at the
// first damaged one, or when ctx ends. It returns the highest transaction in them.
func verifyTables(ctx context.Context, o *Options) (last uint64, err error) {
	m, err := readManifest(o)
	if err != nil {
		return 0, err
	}
	names := make(chan string)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var highest atomic.Uint64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), verifiersMax, len(m.Tables)) {
		workers.Go(func() {
			for name := range names {
				last, err := verifyTable(name)
				if err != nil {
					cancel(fmt.Errorf("%s: %w", filepath.Base(name), err))
					return
				}
				for before := highest.Load(); last > before &&
					!highest.CompareAndSwap(before, last); before = highest.Load() {
				}
				o.progress(int(done.Add(1)), len(m.Tables))
			}
		})
	}
	o.progress(0, len(m.Tables))
feed:
	for id := range m.Tables {
		select {
		case names <- table.NewFilename(id, o.Dir):
		case <-ctx.Done():
			break feed
		}
	}
	close(names)
	workers.Wait()
	return highest.Load(), context.Cause(ctx)
}

// readManifest lists the tables. A folder without a manifest has none yet: prepareFolder has checked that this is
// allowed.
func readManifest(o *Options) (badger.Manifest, error) {
	f, err := os.Open(filepath.Join(o.Dir, manifestName))
	if errors.Is(err, os.ErrNotExist) {
		return badger.Manifest{}, nil
	}
	if err != nil {
		return badger.Manifest{}, err
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, 0, o.badger())
	if err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	return m, nil
}

// verifyTable checks one table, and returns the highest transaction in it. Badger's code panics over some damage, and
// the system raises a fault where a mapped file cannot be read: both are errors here.
func verifyTable(name string) (last uint64, err error) {
	debug.SetPanicOnFault(true) // for this goroutine.
	defer debug.SetPanicOnFault(false)
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, errors.New("the table is gone")
	case err != nil:
		return 0, err
	case info.Size() == 0:
		return 0, errors.New("the table is empty")
	}
	mapped, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the table is cut off, or its end is damaged")
			if fault, ok := r.(runtime.Error); ok {
				err = fmt.Errorf("%w (%w)", err, fault)
			}
		}
		if mapped.Fd != nil { // OpenTable closes it when it fails.
			_ = mapped.Close(-1)
		}
	}()
	t, err := table.OpenTable(mapped, table.Options{Compression: options.None, ChkMode: options.NoVerification})
	if err != nil {
		return 0, err
	}
	return t.MaxVersion(), t.VerifyChecksum()
}
