package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The mark says outside of Badger's files which transaction was on disk last, and so whether a log that ends there has
// lost something. It is part of every Sync: transactions after the one it names were never acknowledged, and a start
// cuts them off.
//
// In folders of format 2 it was written after each transaction, which was on disk, without waiting for the disk itself:
// so the last of them may come after it.
//
// The file has two slots, 4096 bytes apart, which are written in turn: one that is torn or rotten leaves the other. A
// slot:
//
//	"kvsmark" and a format byte (1), last u64, since u64, CRC-32C u32 of all that      little-endian
//
// last is the transaction. From since on each transaction also writes its number under numberKey, which no compaction
// drops.
const (
	markName      = "MARK"
	markMagic     = "kvsmark\x01"
	markSlotBytes = len(markMagic) + 8 + 8 + crc32.Size
	markSlotGap   = 4096
)

var errNoMark = errors.New("the mark of how far the store had come is gone or damaged")

// mark is that file, open for writing.
type mark struct {
	last, since uint64

	file *os.File
	slot int64
}

// readMark reads the better slot. errNoMark: there is none.
func readMark(dir string) (*mark, error) {
	f, err := os.Open(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoMark
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var best *mark
	for slot := range int64(2) {
		var b [markSlotBytes]byte
		if _, err := f.ReadAt(b[:], slot*markSlotGap); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if m, ok := decodeMark(b[:]); ok && (best == nil || m.last > best.last) {
			m.slot = 1 - slot
			best = m
		}
	}
	if best == nil {
		return nil, errNoMark
	}
	return best, nil
}

func decodeMark(b []byte) (*mark, bool) {
	end := len(b) - crc32.Size
	if string(b[:len(markMagic)]) != markMagic ||
		binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return nil, false
	}
	numbers := b[len(markMagic):]
	return &mark{last: binary.LittleEndian.Uint64(numbers), since: binary.LittleEndian.Uint64(numbers[8:])}, true
}

func (m *mark) encode() []byte {
	b := make([]byte, 0, markSlotBytes)
	b = append(b, markMagic...)
	b = binary.LittleEndian.AppendUint64(b, m.last)
	b = binary.LittleEndian.AppendUint64(b, m.since)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// open makes the file ready for writing. Its blocks are allocated from then on, so that a full disk does not affect it.
func (m *mark) open(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, markName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	m.file = f
	if err := m.set(m.last); err != nil {
		return errors.Join(err, f.Close())
	}
	return syncFolder(dir)
}

// set records that a transaction is on disk, and returns when both slots have it on disk.
func (m *mark) set(last uint64) error {
	m.last = last
	return errors.Join(m.write(), m.write())
}

func (m *mark) write() error {
	if _, err := m.file.WriteAt(m.encode(), m.slot*markSlotGap); err != nil {
		return fmt.Errorf("write %s: %w", markName, err)
	}
	m.slot = 1 - m.slot
	if err := unix.Fdatasync(int(m.file.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", markName, err)
	}
	return nil
}

func (m *mark) close() error { return m.file.Close() }
