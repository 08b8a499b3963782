package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// CHECKED lists the tables whose every block was read from the disk and found whole since it was written. A table
// is never written to again, so a start need not read those: it reads the others in full, and of these the index
// alone. What rots later the scrub finds (tablescrub.go).
//
// The system changes the ctime of a file whenever anything is written to it, and the inode when the file is a copy.
// So a table in the list is the file that was read, with the content that was written then; only the disk can have
// changed it.
//
// The file also counts the starts of the store that ended soon and without Close. What is damaged can end the
// process when Badger meets it. After startsMax such starts all tables are read in full before Badger is opened.
//
// The file may be lost, or be older than the store: then more tables are read than need be. Layout, little-endian:
//
//	"kvschkd", format u8, starts u32, count u32,
//	count times: table u64, inode u64, size i64, ctime i64 (ns), read i64 (unix seconds); CRC-32C u32 of all that
const (
	checkedName       = "CHECKED"
	checkedFormat     = 1
	checkedMagic      = "kvschkd" + string(rune(checkedFormat))
	checkedEntryBytes = 5 * 8
	startsMax         = 3
)

// fileState tells a file, and its content, from others.
type fileState struct {
	inode uint64
	size  int64
	ctime int64 // nanoseconds.
}

func stateOf(name string) (s fileState, err error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return s, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return fileState{st.Ino, st.Size, st.Ctim.Nano()}, nil
}

// checkedTable is a table that was read.
type checkedTable struct {
	file fileState
	at   int64 // when, in Unix seconds. A clock that is off makes the scrub come sooner or later.
}

// checked is the content of the file. It is not safe for concurrent use.
type checked struct {
	starts uint32
	tables map[uint64]checkedTable
}

// readChecked reads the list. One that is absent or damaged is an empty one.
func readChecked(dir string) checked {
	empty := checked{tables: map[uint64]checkedTable{}}
	b, err := os.ReadFile(filepath.Join(dir, checkedName))
	if err != nil || len(b) < len(checkedMagic)+8+crc32.Size || string(b[:len(checkedMagic)]) != checkedMagic {
		return empty
	}
	end := len(b) - crc32.Size
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return empty
	}
	c := empty
	in := b[len(checkedMagic):end]
	c.starts = binary.LittleEndian.Uint32(in)
	count := binary.LittleEndian.Uint32(in[4:])
	if in = in[8:]; uint64(len(in)) != uint64(count)*checkedEntryBytes {
		return empty
	}
	for ; len(in) > 0; in = in[checkedEntryBytes:] {
		var f [5]uint64
		for i := range f {
			f[i] = binary.LittleEndian.Uint64(in[8*i:])
		}
		c.tables[f[0]] = checkedTable{fileState{f[1], int64(f[2]), int64(f[3])}, int64(f[4])}
	}
	return c
}

func (c *checked) encode() []byte {
	b := make([]byte, 0, len(checkedMagic)+8+len(c.tables)*checkedEntryBytes+crc32.Size)
	b = append(b, checkedMagic...)
	b = binary.LittleEndian.AppendUint32(b, c.starts)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.tables)))
	for _, id := range slices.Sorted(maps.Keys(c.tables)) {
		t := c.tables[id]
		for _, v := range [5]uint64{id, t.file.inode, uint64(t.file.size), uint64(t.file.ctime), uint64(t.at)} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// write replaces the file, and returns when it is on disk.
func (c *checked) write(dir string) error {
	if err := replaceFile(filepath.Join(dir, checkedName), c.encode()); err != nil {
		return fmt.Errorf("write %s: %w", checkedName, err)
	}
	return nil
}

// forgetChecked makes the next start read all tables.
func forgetChecked(dir string) error {
	if err := os.Remove(filepath.Join(dir, checkedName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(dir)
}
