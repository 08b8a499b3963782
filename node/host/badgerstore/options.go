package badgerstore

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"kvs/node/slot"
)

// Options are the folder of a store, and its bounds on memory and space. Start from DefaultOptions or
// ThroughputOptions.
type Options struct {
	Dir    string       // the data folder; it is made when it is absent.
	Logger *slog.Logger // for Badger's own messages, and those of recovery.

	// size of a memtable. Badger holds up to MemTablesMax full ones besides the one it writes to.
	MemTableBytes int64
	MemTablesMax  int
	// table indexes and bloom filters kept in memory; 0: all of them.
	IndexCacheBytes      int64
	Compactors           int // goroutines that merge tables, at least 2.
	LevelZeroTables      int // tables on level 0 that start a compaction.
	LevelZeroTablesStall int // tables on level 0 that make writes wait for it.
	// BaseLevelBytes is the size of the level below, which is written anew, nearly whole, when level 0 is merged into
	// it. That needs as much room on the disk as both have, for a while.
	BaseLevelBytes int64
	TableBytes     int64 // of a table on that level; on the next one twice as much, and so on.
	BatchBytesMax  int64 // keys and values of one Apply; larger ones are refused.
	// Apply refuses to write when it would leave less than this free on the disk.
	FreeBytesMin uint64
	FreeBytes    func(dir string) (uint64, error) // asks the file system; FreeBytes of this package.
	// size of the file that is released when the disk is full; 0: none. See ballast.go.
	BallastBytes uint64

	// AcceptLoss opens a store that has lost data, as it is. It is for an operator that has decided that nothing better
	// is left. Default: such a store is refused with ErrDamaged.
	AcceptLoss bool

	// Prepare is called before a folder that is new, or has an older format, is marked as one of the current format: an
	// owner of files beside the store makes them then. After a crash in between it is called again. Default: nothing.
	Prepare func() error

	// Scrub reads the tables while the store is open.
	Scrub Scrub

	// Damaged is called, once, when damage was found after Open, with the error that the next Open will return. The
	// store is to be closed then. A goroutine of the store calls it, and it must not call the store. Default: a log
	// line.
	Damaged func(error)

	// Progress is called while Open checks the tables, with how many are done, from several goroutines. Default: no
	// call.
	Progress func(done, total int)
}

func (o *Options) prepare() error {
	if o.Prepare == nil {
		return nil
	}
	return o.Prepare()
}

func (o *Options) progress(done, total int) {
	if o.Progress != nil {
		o.Progress(done, total)
	}
}

// DefaultOptions suit a node that shares its machine. How much memory it takes while values pour in, mostly for
// Badger's memtables and table builders, is in docs/measurements.md. What a merge of level 0 makes fits into the space
// that is free when the ballast is given up.
func DefaultOptions(dir string, logger *slog.Logger) Options {
	return Options{
		Dir:                  dir,
		Logger:               logger,
		MemTableBytes:        8 << 20,
		MemTablesMax:         2,
		IndexCacheBytes:      8 << 20,
		Compactors:           2,
		LevelZeroTables:      6,
		LevelZeroTablesStall: 12,
		BaseLevelBytes:       64 << 20,
		TableBytes:           4 << 20,
		BatchBytesMax:        64 << 20,
		FreeBytesMin:         64 << 20,
		FreeBytes:            FreeBytes,
		BallastBytes:         128 << 20,
		Scrub:                defaultScrub(),
	}
}

// ThroughputOptions suit a node that has a machine to itself. The guard on free space grows with the memtables, because
// flushing and merging them needs room.
func ThroughputOptions(dir string, logger *slog.Logger) Options {
	o := DefaultOptions(dir, logger)
	o.MemTableBytes = 64 << 20
	o.MemTablesMax = 3
	o.IndexCacheBytes = 0
	o.LevelZeroTablesStall = 15
	o.FreeBytesMin = 256 << 20
	o.BallastBytes = 512 << 20
	return o
}

// Limits of what is handed to Badger. chunkBytes and everything that accompanies a chunk must stay below badger's limit
// for values outside the value log (1 MiB) and below the smallest transaction limit.
const (
	chunkBytes        = 512 << 10
	memTableBytesMin  = 8 << 20 // its transaction limit, 1.2 MiB, has room for two chunks and their keys.
	keyBytesMax       = 16 << 10
	entryOverhead     = 32 // what Badger counts for an entry besides key and value, rounded up.
	transactionMargin = 16 << 10
)

func (o *Options) check() error {
	switch {
	case o.Dir == "":
		return errors.New("store options: the data folder is missing")
	case o.Logger == nil || o.FreeBytes == nil:
		return errors.New("store options: a logger and a function for the free space are required")
	case o.MemTableBytes < memTableBytesMin || o.MemTableBytes > 1<<30:
		return fmt.Errorf("store options: memtable of %d bytes, want %d to %d", o.MemTableBytes, memTableBytesMin,
			1<<30)
	case o.MemTablesMax < 1 || o.Compactors < 2:
		return fmt.Errorf("store options: %d memtables and %d compactors, want at least 1 and 2", o.MemTablesMax,
			o.Compactors)
	case o.LevelZeroTables < 1 || o.LevelZeroTablesStall <= o.LevelZeroTables:
		return fmt.Errorf("store options: level 0 compacts at %d tables and stalls at %d, want 1 or more, "+
			"and then more", o.LevelZeroTables, o.LevelZeroTablesStall)
	case o.TableBytes < 1<<20 || o.BaseLevelBytes < o.TableBytes:
		return fmt.Errorf("store options: tables of %d bytes on a level of %d, want 1 MiB at least, and one table or "+
			"more", o.TableBytes, o.BaseLevelBytes)
	case o.IndexCacheBytes < 0:
		return fmt.Errorf("store options: index cache of %d bytes", o.IndexCacheBytes)
	case o.BatchBytesMax < batchBytesMin:
		return fmt.Errorf("store options: batches of %d bytes, want at least %d", o.BatchBytesMax, batchBytesMin)
	}
	return o.Scrub.check()
}

// batchBytesMin has room for one record of the largest size and some small changes.
const batchBytesMin = slot.RecordBytesMax + 1<<20

func (o *Options) badger() badger.Options {
	b := badger.DefaultOptions(o.Dir)
	b.SyncWrites = false      // Sync brings logs to the disk: Badger's msync of a whole mapping costs 240 us of CPU.
	b.DetectConflicts = false // there is one writer.
	b.Compression = options.None
	b.BlockCacheSize = 0 // only of use with compression or encryption: tables are mapped.
	b.IndexCacheSize = o.IndexCacheBytes
	b.MemTableSize = o.MemTableBytes
	b.NumMemtables = o.MemTablesMax
	b.NumCompactors = o.Compactors
	b.NumLevelZeroTables = o.LevelZeroTables
	b.NumLevelZeroTablesStall = o.LevelZeroTablesStall
	b.BaseLevelSize = o.BaseLevelBytes
	b.BaseTableSize = o.TableBytes
	b.ValueThreshold = 1 << 20   // the largest that Badger allows; chunks are half of it.
	b.ValueLogFileSize = 1 << 20 // never written to; Badger makes one sparse file of twice this size.
	b.MetricsEnabled = false     // Badger's metrics are global variables.
	// verifyTables and the scrub check every block. Badger's own check of whole tables would do that again, and its
	// stricter modes hide keys or panic (v4.9.6).
	b.ChecksumVerificationMode = options.NoVerification
	b.Logger = badgerLogger{o.Logger}
	return b
}
