package badgerstore

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"kvs/node"
)

// Options say where a store is and how much memory and space it uses. Start from DefaultOptions or ThroughputOptions.
type Options struct {
	Dir    string       // the data folder; it is made when it is absent.
	Logger *slog.Logger // Badger's own messages and what recovery did.

	MemTableBytes        int64 // size of a memtable. Badger holds up to MemTablesMax full ones besides the one it writes to.
	MemTablesMax         int
	IndexCacheBytes      int64                            // table indexes and bloom filters kept in memory; 0: all of them.
	Compactors           int                              // goroutines that merge tables, at least 2.
	LevelZeroTables      int                              // tables on level 0 that start a compaction.
	LevelZeroTablesStall int                              // tables on level 0 that make writes wait for it.
	BatchBytesMax        int64                            // keys and values of one Apply; larger ones are refused.
	FreeBytesMin         uint64                           // Apply refuses to write when it would leave less than this free on the disk.
	FreeBytes            func(dir string) (uint64, error) // asks the file system; FreeBytes of this package.
}

// DefaultOptions suit a node that shares its machine: 11 MiB of heap when opened, 70 to 90 MiB while 1 KiB values pour in
// (mostly Badger's memtables and table builders), and about 10 % fewer writes a second than ThroughputOptions.
func DefaultOptions(dir string, logger *slog.Logger) Options {
	return Options{
		Dir:                  dir,
		Logger:               logger,
		MemTableBytes:        8 << 20,
		MemTablesMax:         2,
		IndexCacheBytes:      8 << 20,
		Compactors:           2,
		LevelZeroTables:      2,
		LevelZeroTablesStall: 6,
		BatchBytesMax:        64 << 20,
		FreeBytesMin:         64 << 20,
		FreeBytes:            FreeBytes,
	}
}

// ThroughputOptions suit a node that has a machine to itself. The guard on free space grows with the memtables, because
// flushing and merging them needs room.
func ThroughputOptions(dir string, logger *slog.Logger) Options {
	o := DefaultOptions(dir, logger)
	o.MemTableBytes = 64 << 20
	o.MemTablesMax = 3
	o.IndexCacheBytes = 0
	o.LevelZeroTables = 5
	o.LevelZeroTablesStall = 15
	o.FreeBytesMin = 256 << 20
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
		return fmt.Errorf("store options: memtable of %d bytes, want %d to %d", o.MemTableBytes, memTableBytesMin, 1<<30)
	case o.MemTablesMax < 1 || o.Compactors < 2:
		return fmt.Errorf("store options: %d memtables and %d compactors, want at least 1 and 2", o.MemTablesMax, o.Compactors)
	case o.LevelZeroTables < 1 || o.LevelZeroTablesStall <= o.LevelZeroTables:
		return fmt.Errorf("store options: level 0 compacts at %d tables and stalls at %d, want 1 or more, and then more", o.LevelZeroTables, o.LevelZeroTablesStall)
	case o.IndexCacheBytes < 0:
		return fmt.Errorf("store options: index cache of %d bytes", o.IndexCacheBytes)
	case o.BatchBytesMax < batchBytesMin:
		return fmt.Errorf("store options: batches of %d bytes, want at least %d", o.BatchBytesMax, batchBytesMin)
	}
	return nil
}

// batchBytesMin lets one record of the largest size and some company through.
const batchBytesMin = node.RecordBytesMax + 1<<20

func (o *Options) badger() badger.Options {
	b := badger.DefaultOptions(o.Dir)
	b.SyncWrites = true
	b.DetectConflicts = false // one writer.
	b.Compression = options.None
	b.BlockCacheSize = 0 // only of use with compression or encryption: tables are mapped.
	b.IndexCacheSize = o.IndexCacheBytes
	b.MemTableSize = o.MemTableBytes
	b.NumMemtables = o.MemTablesMax
	b.NumCompactors = o.Compactors
	b.NumLevelZeroTables = o.LevelZeroTables
	b.NumLevelZeroTablesStall = o.LevelZeroTablesStall
	b.ValueThreshold = 1 << 20   // the largest that Badger allows; chunks are half of it.
	b.ValueLogFileSize = 1 << 20 // never written to; Badger makes one sparse file of twice this size.
	b.MetricsEnabled = false     // they are global variables.
	// Damage in a table is an error when the table is opened. Without this it shows as wrong values, and the stricter modes
	// hide keys or panic (v4.9.6).
	b.ChecksumVerificationMode = options.OnTableRead
	b.Logger = badgerLogger{o.Logger}
	return b
}
