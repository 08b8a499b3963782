package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/slot"
	"kvs/node/storetest"
	"kvs/sim/memstore"
)

var errPlanted = errors.New("planted failure")

// disk is a folder whose store can crash and fail.
type disk struct {
	dir   string
	store *Store
	fail  bool
}

func newDisk(t testing.TB) storetest.Disk { return &disk{dir: t.TempDir()} }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func testOptions(dir string) Options { return DefaultOptions(dir, quiet()) }

func (d *disk) Open(t testing.TB) node.Store {
	s, err := open(context.Background(), testOptions(d.dir), func(txn *badger.Txn, version uint64) error {
		if d.fail {
			d.fail = false
			return errPlanted
		}
		return commitTransaction(txn, version)
	})
	require.NoError(t, err)
	d.store = s
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (d *disk) FailNext(testing.TB) { d.fail = true }

// Crash goes on in a copy of the folder, taken without asking the store: what a killed process leaves behind.
func (d *disk) Crash(t testing.TB) { d.dir = copyFolder(t, d.dir) }

// copyFolder copies everything but the lock; holes stay holes. Files are copied one after the other, a kill freezes all
// of them at once: a copy during which Badger made or removed a file (a flush, a compaction) is of no moment that ever
// was, and is taken again.
func copyFolder(t testing.TB, from string) string {
	for range 100 {
		before := folderNow(t, from)
		to := t.TempDir()
		whole := true
		for _, name := range before.names {
			whole = whole && copySparse(t, filepath.Join(from, name), filepath.Join(to, name))
		}
		if after := folderNow(t, from); whole && after.manifest == before.manifest &&
			slices.Equal(after.names, before.names) {
			return to
		}
	}
	require.Fail(t, "the folder never stood still long enough to be copied", from)
	return ""
}

type folder struct {
	names    []string // sorted.
	manifest string   // names every table: its content changes with each flush and compaction.
}

func folderNow(t testing.TB, dir string) (f folder) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != lockName {
			f.names = append(f.names, e.Name())
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, badger.ManifestFilename))
	require.NoError(t, err)
	f.manifest = string(b)
	return f
}

// copySparse returns false when the file is gone.
func copySparse(t testing.TB, from, to string) bool {
	b, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	require.NoError(t, err)
	f, err := os.Create(to)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(int64(len(b))))
	const block = 64 << 10
	zero := strings.Repeat("\x00", block)
	for at := 0; at < len(b); at += block {
		part := b[at:min(at+block, len(b))]
		if string(part) == zero[:len(part)] {
			continue
		}
		_, err := f.WriteAt(part, int64(at))
		require.NoError(t, err)
	}
	return true
}

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Factory{New: newDisk})
}

type memDisk struct{ store *memstore.Store }

func (d *memDisk) Open(testing.TB) node.Store {
	d.store.Reopen()
	return d.store
}

func TestDifferentialWithMemstore(t *testing.T) {
	for seed := range uint64(3) {
		storetest.Differential(t, seed, newDisk(t), &memDisk{memstore.New()})
	}
}

func openT(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), testOptions(dir))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(key, value string) node.Change { return node.Change{Key: key, Value: []byte(value)} }

func content(t testing.TB, s *Store) []string {
	t.Helper()
	out := []string{}
	require.NoError(t, s.Scan("", "", func(key string, value []byte) bool {
		out = append(out, fmt.Sprintf("%s %d %.8x", key, len(value), value))
		return true
	}))
	return out
}

// A batch of several transactions, cut short after each of them, by a failure before or after the transaction was on
// disk: nothing of it may show after a restart, also when the restart is cut short itself.
func TestTornBatch(t *testing.T) {
	value := func(c string, n int) string { return strings.Repeat(c, n) }
	for cut := 1; ; cut++ {
		d := newDisk(t).(*disk)
		s := d.Open(t).(*Store)
		require.NoError(t, s.Apply([]node.Change{put("big", value("a", 2<<20)), put("small", "a"), put("gone", "a"),
			put("shrinks", value("a", 1<<20))}))
		before := content(t, s)

		commits, afterwards := 0, cut%2 == 0
		s.writer.commit = func(txn *badger.Txn, version uint64) error {
			if commits++; commits < cut {
				return commitTransaction(txn, version)
			}
			if afterwards {
				require.NoError(t, commitTransaction(txn, version))
			}
			return errPlanted
		}
		err := s.Apply([]node.Change{
			put("big", value("b", 4<<20)), put("new", value("b", 1<<20)), {Key: "gone"}, put("shrinks", "b"),
			put("small", "b"),
		})
		if err == nil {
			require.Greater(t, cut, 3, "the batch was meant to take several transactions")
			return
		}
		require.ErrorIs(t, err, errPlanted)
		require.Equal(t, before, content(t, s), "readers never see a part of it")
		whole := afterwards && len(readIntent(t, s)) == 0
		synced := cut%3 != 0 // as when Badger has written a table in the middle of the batch; otherwise it is cut off.
		if synced {
			if !afterwards {
				s.writer.version-- // the one that failed is in no log.
			}
			require.NoError(t, s.writer.sync())
		}

		// A restart whose own repair fails, and one that works.
		d.Crash(t)
		if !whole {
			repaired, err := open(context.Background(), testOptions(d.dir),
				func(txn *badger.Txn, version uint64) error {
					require.NoError(t, commitTransaction(txn, version))
					return errPlanted
				})
			if err == nil { // nothing of the batch was on disk.
				require.True(t, cut == 1 || !synced)
				require.NoError(t, repaired.Close())
			} else {
				require.ErrorIs(t, err, errPlanted)
			}
		}
		s = openT(t, d.dir)
		if !whole || !synced {
			require.Equal(t, before, content(t, s), "cut in transaction %d", cut)
		}
		require.NoError(t, s.Apply([]node.Change{put("big", value("c", 3<<20)), {Key: "shrinks"}, put("after", "c")}))
		now := content(t, s)
		require.NoError(t, s.Close())
		s = openT(t, d.dir)
		require.Equal(t, now, content(t, s))
		require.Empty(t, readIntent(t, s))
		require.NoError(t, s.Close())
	}
}

func readIntent(t *testing.T, s *Store) []byte {
	note, _, err := s.getAt(newest, ownKey(intentName))
	require.NoError(t, err)
	return note
}

// Readers stay at the last durable batch, and discard never passes it, so a reader that was overtaken looks again.
func TestOvertakenReaderLooksAgain(t *testing.T) {
	s := openT(t, t.TempDir())
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	at := s.durable.Load()
	s.discard.Store(at + 1)
	go s.durable.Store(at + 1) // until then, what a reader finds says nothing.
	value, found, err := s.Get("k")
	require.Equal(t, at+1, s.durable.Load())
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "v", string(value))
}

// Values of any size stay out of the value log, whose failed syncs Badger hides; so there is nothing to collect in it.
func TestValueLogStaysEmpty(t *testing.T) {
	dir := t.TempDir()
	s := openT(t, dir)
	for i, n := range []int{100, chunkBytes, chunkBytes + 1, 1 << 20, slot.RecordBytesMax} {
		require.NoError(t, s.Apply([]node.Change{put(fmt.Sprint(i), strings.Repeat("x", n))}))
	}
	require.NoError(t, s.Close())
	logs, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	info, err := os.Stat(logs[0])
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(20), "no more than its header")
}

// Overwriting one value for ever must not fill the disk: old versions are discarded by compaction.
func TestOldVersionsGo(t *testing.T) {
	s := openT(t, t.TempDir())
	value := strings.Repeat("x", 500<<10)
	const rounds = 300 // 150 MB in all.
	for range rounds {
		require.NoError(t, s.Apply([]node.Change{put("k", value)}))
	}
	sizes, err := s.Sizes()
	require.NoError(t, err)
	require.Less(t, sizes.DiskBytes, uint64(rounds*len(value)*2/3))
	require.NotZero(t, sizes.FreeBytes)
}

func TestSizesAfterClose(t *testing.T) {
	s := openT(t, t.TempDir())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := s.Sizes()
	require.ErrorIs(t, err, ErrClosed)
}

func TestRefusals(t *testing.T) {
	s := openT(t, t.TempDir())
	require.NoError(t, s.Apply([]node.Change{put("k", "v")}))
	for _, changes := range [][]node.Change{
		{put("a", "1"), put("b", strings.Repeat("x", int(s.opts.BatchBytesMax)))},
		{put("a", "1"), put(strings.Repeat("k", keyBytesMax+1), "2")},
	} {
		err := s.Apply(changes)
		require.ErrorIs(t, err, ErrBatchTooBig)
		require.ErrorIs(t, err, ErrRefused)
		require.False(t, Retryable(err), "it will not fit later either")
		require.Equal(t, []string{"k 1 76"}, content(t, s))
	}
	require.NoError(t, s.Apply([]node.Change{put("", "the empty key"), put(strings.Repeat("k", keyBytesMax), "2"),
		put("!badger!x", "not Badger's")}))
	require.Len(t, content(t, s), 4)
}

func TestOptions(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"folder":    func(o *Options) { o.Dir = "" },
		"logger":    func(o *Options) { o.Logger = nil },
		"free":      func(o *Options) { o.FreeBytes = nil },
		"memtable":  func(o *Options) { o.MemTableBytes = 1 << 20 },
		"memtables": func(o *Options) { o.MemTablesMax = 0 },
		"compactor": func(o *Options) { o.Compactors = 1 },
		"level 0":   func(o *Options) { o.LevelZeroTablesStall = o.LevelZeroTables },
		"tables":    func(o *Options) { o.TableBytes = 1 << 10 },
		"base":      func(o *Options) { o.BaseLevelBytes = o.TableBytes - 1 },
		"cache":     func(o *Options) { o.IndexCacheBytes = -1 },
		"batch":     func(o *Options) { o.BatchBytesMax = storetest.BatchBytesMin / 2 },
	} {
		o := testOptions(t.TempDir())
		spoil(&o)
		_, err := Open(context.Background(), o)
		require.ErrorContains(t, err, "store options: ", name)
	}
	require.GreaterOrEqual(t, batchBytesMin, storetest.BatchBytesMin)
	big := ThroughputOptions(t.TempDir(), quiet())
	big.FreeBytesMin = 1 << 20 // the machine that runs this test may not have so much to spare.
	s, err := Open(context.Background(), big)
	require.NoError(t, err)
	require.NoError(t, s.Apply([]node.Change{put("k", strings.Repeat("v", 3<<20))}))
	require.NoError(t, s.Close())
}

func BenchmarkGet(b *testing.B) {
	s, err := Open(context.Background(), testOptions(b.TempDir()))
	require.NoError(b, err)
	defer s.Close()
	for i := range 200 {
		changes := make([]node.Change, 50)
		for j := range changes {
			changes[j] = put(fmt.Sprintf("r/%06d", i*50+j), strings.Repeat("v", 256))
		}
		require.NoError(b, s.Apply(changes))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, found, err := s.Get("r/005000"); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}
