package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Badger reads a log up to the first damaged entry, cuts it off there, and opens without an error. After a crash that
// is right: the end of the log was being written. Anywhere else it loses acknowledged data. So the logs are checked
// here first.
//
// The mark (mark.go) names the last transaction that has to be there. Later transactions may have holes, and a later
// log may hold what an earlier one has lost: all of them are cut off before Badger reads the logs, as if they had never
// been written. Every transaction up to the mark has to be in a log or in a table.
//
// In folders of format 2 each transaction was on disk before the next one began, and the mark may be older. An
// unreadable part is one of three:
//
//   - a torn end: nothing that can be read follows, but for entries of the very transaction that is cut short. The next
//     transaction begins only when the one before is on disk, so it was never acknowledged;
//   - a hole: an entry of a later transaction follows, so what is missing in between was on disk once;
//   - an end that comes too soon: the mark or the tables name later transactions.
//
// The layout of a log is Badger's (v4, memtable.go, value.go): a header of 20 bytes, then entries of meta u8, user meta
// u8, three varints (length of the key, length of the value, expiry), key, value, and a CRC-32C of all that. A key ends
// in the number of its transaction, counted down from the highest. The last entry of a transaction has a flag in its
// meta.
const (
	logSuffix       = ".mem"
	logHeaderBytes  = 20
	entryHeaderMax  = 22
	entryKeyMax     = 1 << 16
	metaTransaction = 1 << 6
	metaEnd         = 1 << 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logSpan is which transactions the logs hold: from first to last without a gap; both zero: none.
type logSpan struct {
	first, last uint64
	numbered    bool // the first one has the number of the store's last transaction: see numberKey.

	tables uint64         // the highest transaction in a table.
	upTo   uint64         // transactions after this one are cut off; the highest number: none are.
	cuts   map[string]int // the places of the cuts, by the names of the logs.
}

// readLogs reads all logs in dir. Errors say what is damaged.
func (s *logSpan) readLogs(dir string) error {
	s.cuts = map[string]int{}
	names, err := logNames(dir)
	if err != nil {
		return err
	}
	var torn *tornLog
	for _, name := range names {
		l, err := mapLog(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if cut, ok := s.cutAt(l); ok {
			s.cuts[name] = cut
			l.data = l.data[:cut]
		}
		torn, err = s.readLog(l, torn)
		if closeErr := l.close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if torn != nil && torn.name == "" {
			torn.name = name
		}
	}
	return nil
}

// cutAt is where a log has to be cut off, if it has to be: after the last transaction that was on disk. Zero: all of it
// is cut off.
func (s *logSpan) cutAt(l *mappedLog) (at int, cut bool) {
	if s.upTo == math.MaxUint64 {
		return 0, false
	}
	last := max(s.tables, s.last)
	if l.whole() {
		for at = logHeaderBytes; ; {
			number, _, end := l.transaction(at)
			if end == 0 || number > s.upTo {
				break
			}
			last, at = max(last, number), end
		}
	}
	if last < s.upTo || l.zeroFrom(at) { // readLog reports what is missing; and nothing was written after the last one.
		return 0, false
	}
	if at == logHeaderBytes {
		at = 0
	}
	return at, true
}

// cutLogs cuts off what readLogs has found after the last transaction that was on disk.
func (s *logSpan) cutLogs(dir string) error {
	for name, at := range s.cuts {
		if err := os.Truncate(filepath.Join(dir, name), int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// syncLogs syncs all logs in dir, and their names. Badger removes a log when everything in it is in a table, which is
// on the disk by then.
func syncLogs(dir string) error {
	names, err := logNames(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(unix.Fdatasync(int(f.Fd())), f.Close())
		}
		if err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	return syncFolder(dir)
}

// logNames lists the logs, oldest first.
func logNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries { // sorted, and the numbers have leading zeros.
		if strings.HasSuffix(e.Name(), logSuffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// tornLog is a log whose end cannot be read: no transaction may follow it.
type tornLog struct {
	name string
	at   int
}

// readLog reads one log. torn is the torn end of an earlier one.
func (s *logSpan) readLog(l *mappedLog, torn *tornLog) (*tornLog, error) {
	if len(l.data) < logHeaderBytes {
		if len(l.data) == 0 || l.zeroFrom(0) { // made, and not written to before a crash.
			return torn, nil
		}
		return torn, fmt.Errorf("the log is cut off after %d bytes", len(l.data))
	}
	if !l.whole() {
		return torn, fmt.Errorf("the header of the log is damaged (key %d)", binary.BigEndian.Uint64(l.data))
	}
	at := logHeaderBytes
	for {
		number, numbered, end := l.transaction(at)
		if end == 0 {
			break
		}
		switch {
		case torn != nil:
			return torn, fmt.Errorf("what follows byte %d of %s is lost: transaction %d comes after it",
				torn.at, torn.name, number)
		case s.last != 0 && number != s.last+1:
			return torn, fmt.Errorf("transactions %d to %d are lost: %d follows at byte %d",
				s.last+1, number-1, number, at)
		case s.last == 0:
			s.first, s.numbered = number, numbered
		}
		s.last = number
		at = end
	}
	if l.zeroFrom(at) {
		return torn, nil
	}
	// An entry of the transaction that is cut short may have reached the disk: it has the next number, and no later
	// one.
	if found, number := l.later(at, s.last); found {
		return torn, fmt.Errorf("the log is damaged at byte %d: transaction %d is lost, and %d follows",
			at, s.last+1, number)
	}
	return &tornLog{at: at}, nil
}

// mappedLog is a log in memory, read-only.
type mappedLog struct {
	file *os.File
	data []byte
}

func mapLog(name string) (*mappedLog, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f) // not mapped: a disk that cannot be read gives an error and no signal.
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &mappedLog{file: f, data: data}, nil
}

func (l *mappedLog) close() error { return l.file.Close() }

// whole reports whether Badger accepts the header: the number of the encryption key must be that of no key.
func (l *mappedLog) whole() bool {
	return len(l.data) >= logHeaderBytes && binary.BigEndian.Uint64(l.data) == 0
}

// zeroFrom reports whether nothing was written from there on.
func (l *mappedLog) zeroFrom(at int) bool {
	for _, b := range l.data[at:] {
		if b != 0 {
			return false
		}
	}
	return true
}

// logEntry is one entry, whose checksum is right.
type logEntry struct {
	meta   byte
	key    []byte // without the number.
	number uint64
	value  []byte
	end    int // where the next one begins.
}

// entry reads the entry that begins there, if one does.
func (l *mappedLog) entry(at int) (e logEntry, ok bool) {
	b := l.data[at:]
	if len(b) < 2+3+8+crc32.Size {
		return e, false
	}
	e.meta = b[0]
	n := 2
	var sizes [3]uint64
	for i := range sizes {
		v, k := binary.Uvarint(b[n:min(len(b), entryHeaderMax)])
		if k <= 0 {
			return e, false
		}
		sizes[i] = v
		n += k
	}
	keyBytes, valueBytes := sizes[0], sizes[1]
	if keyBytes < 9 || keyBytes > entryKeyMax || valueBytes > math.MaxUint32 ||
		uint64(len(b)-n) < keyBytes+valueBytes+crc32.Size {
		return e, false
	}
	key := b[n : n+int(keyBytes)]
	n += len(key)
	e.value = b[n : n+int(valueBytes)]
	n += len(e.value)
	if e.meta&(metaTransaction|metaEnd) == 0 || binary.BigEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return e, false
	}
	e.key = key[:len(key)-8]
	e.number = math.MaxUint64 - binary.BigEndian.Uint64(key[len(key)-8:])
	e.end = at + n + crc32.Size
	return e, true
}

// transaction reads the one that begins there. end is zero when it is not complete.
func (l *mappedLog) transaction(at int) (number uint64, numbered bool, end int) {
	own := string(ownKey(numberName))
	for {
		e, ok := l.entry(at)
		if !ok || number != 0 && e.number != number {
			return 0, false, 0
		}
		number = e.number
		if e.meta&metaEnd != 0 {
			if n, err := strconv.ParseUint(string(e.value), 10, 64); err != nil || n != number {
				return 0, false, 0
			}
			return number, numbered, e.end
		}
		numbered = numbered || string(e.key) == own
		at = e.end
	}
}

// later looks for an entry of a transaction after the one that follows last, at any place from there on.
func (l *mappedLog) later(from int, last uint64) (found bool, number uint64) {
	for at := from; at < len(l.data); at++ {
		if l.data[at]&(metaTransaction|metaEnd) == 0 {
			continue
		}
		if e, ok := l.entry(at); ok {
			if e.number > last+1 {
				return true, e.number
			}
			at = e.end - 1
		}
	}
	return false, 0
}

// logsFit checks the logs against what the tables hold and the mark says.
func logsFit(span *logSpan, m *mark) error {
	tables := span.tables
	if span.first != 0 && span.numbered && span.first > m.since && span.first > tables+1 {
		return fmt.Errorf("transactions %d to %d are lost: neither a table nor a log holds them", tables+1,
			span.first-1)
	}
	if last := max(span.last, tables); m.last > last {
		return fmt.Errorf(
			"transactions %d to %d are lost: they were on disk once, and neither a table nor a log holds them",
			last+1, m.last)
	}
	return nil
}

// unreadable reports whether a file system failed to read, so that the content is unknown.
func unreadable(err error) bool {
	var path *fs.PathError
	return errors.Is(err, unix.EIO) || errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist)
}
