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
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// Badger checks its tables while it opens them, in goroutines of its own: it does not report its progress, and a table
// that is cut off makes it panic where no caller can recover. So the tables are checked here first, and Badger opens
// what is whole. Of a table that was read in full since it was written (checked.go) the index is checked, of all others
// each block.

// verifiersMax bounds the goroutines that check tables: more do not read a disk faster.
const verifiersMax = 4

// tables is what verifyTables has found.
type tables struct {
	last    uint64  // the highest transaction in them.
	checked checked // those that were read in full, now or before, and how many starts there were.
	read    int     // how many of them now.
}

// verifyTables checks every table that the manifest names, and tells progress how many are done, of how many. It ends
// with the first that is damaged, or with ctx.
func verifyTables(ctx context.Context, o *Options) (found tables, err error) {
	m, err := readManifest(o)
	if err != nil {
		return found, err
	}
	before := readChecked(o.Dir)
	found.checked = checked{starts: before.starts, tables: make(map[uint64]checkedTable, len(m.Tables))}
	if before.starts >= startsMax {
		o.Logger.Warn("the store ended soon after each of its last starts: all tables are read",
			"dir", o.Dir, "starts", before.starts)
		before.tables = nil
	}
	ids := make(chan uint64)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // of done and found.
	done := 0
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), verifiersMax, len(m.Tables)) {
		workers.Go(func() {
			for id := range ids {
				name := table.NewFilename(id, o.Dir)
				t, last, err := verifyUnlessKnown(name, before.tables[id])
				if err != nil {
					cancel(fmt.Errorf("%s: %w", filepath.Base(name), err))
					return
				}
				mu.Lock()
				found.last = max(found.last, last)
				found.checked.tables[id] = t
				if t != before.tables[id] {
					found.read++
				}
				done++
				o.progress(done, len(m.Tables))
				mu.Unlock()
			}
		})
	}
	o.progress(0, len(m.Tables))
feed:
	for id := range m.Tables {
		select {
		case ids <- id:
		case <-ctx.Done():
			break feed
		}
	}
	close(ids)
	workers.Wait()
	return found, context.Cause(ctx)
}

// verifyUnlessKnown checks a table, in full unless it is the one that was read before.
func verifyUnlessKnown(name string, before checkedTable) (t checkedTable, last uint64, err error) {
	state, err := stateOf(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return t, 0, errors.New("the table is gone")
	case err != nil:
		return t, 0, err
	case state.size == 0:
		return t, 0, errors.New("the table is empty")
	}
	full := before.file != state
	if last, err = verifyTable(name, full); err != nil {
		return t, 0, err
	}
	if full {
		before = checkedTable{file: state, at: time.Now().Unix()}
	}
	return before, last, nil
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

// verifyTable checks one table, each block of it or the index alone, and returns the highest transaction in it.
// Badger's code panics over some damage, and the system raises a fault where a mapped file cannot be read: both are
// errors here.
func verifyTable(name string, full bool) (last uint64, err error) {
	debug.SetPanicOnFault(true) // of this goroutine.
	defer debug.SetPanicOnFault(false)
	mapped, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = damagedTable(r)
		}
		if mapped.Fd != nil { // OpenTable closes it when it fails.
			_ = mapped.Close(-1)
		}
	}()
	return verifyMapped(mapped, full)
}

// verifyMapped checks a table in memory. It may panic: see damagedTable.
func verifyMapped(mapped *z.MmapFile, full bool) (last uint64, err error) {
	t, err := table.OpenTable(mapped, table.Options{Compression: options.None, ChkMode: options.NoVerification})
	if err != nil {
		return 0, err
	}
	if full {
		err = t.VerifyChecksum()
	}
	return t.MaxVersion(), err
}

// damagedTable is the error for what was recovered from Badger's code.
func damagedTable(recovered any) error {
	err := errors.New("the table is cut off, or its end is damaged")
	if fault, ok := recovered.(runtime.Error); ok {
		err = fmt.Errorf("%w (%w)", err, fault)
	}
	return err
}
