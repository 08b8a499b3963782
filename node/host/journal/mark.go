package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"
)

// The mark has two slots, 4096 bytes apart, which are written in turn: one that is torn or rotten leaves the other. A
// slot:
//
//	"kvsmark" and a format byte (2), identity of the journal [16]byte, acknowledged u64, released u64,
//	CRC-32C u32 of all that      little-endian
//
// acknowledged is the highest sequence number whose sync has returned; released is the highest one that the store
// behind has on its own disk.
const (
	markName      = "MARK"
	markMagic     = "kvsmark"
	markFormat    = 2 // of the mark and of the records. Format 1 is another file, of node/host/badgerstore.
	markSlotBytes = len(markMagic) + 1 + identityBytes + 8 + 8 + crc32.Size
	markSlotGap   = 4096
	markFileBytes = 2 * markSlotGap
)

// Identity distinguishes the files of one journal from those of any other. It is random.
type Identity [identityBytes]byte

const identityBytes = 16

var errNoMark = errors.New("the mark of what was acknowledged is gone or damaged")

// marks are the content of a slot.
type marks struct {
	acknowledged, released uint64
}

// mark is that file, open for writing. It is safe for concurrent use.
type mark struct {
	identity Identity
	file     File

	syncing sync.Mutex // one sync at a time, so that a call that finds nothing to do can rely on the sync before.

	mu    sync.Mutex
	marks marks
	slot  int64
	dirty bool
}

// createMark makes the file of a new journal. It is on disk, except for its name.
func createMark(dir FS, identity Identity) (*mark, error) {
	f, err := dir.Create(markName, markFileBytes)
	if err != nil {
		return nil, err
	}
	m := &mark{identity: identity, file: f}
	for range 2 {
		if err := m.write(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if err := f.Sync(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return m, nil
}

// openMark reads the better slot. errNoMark: there is none.
func openMark(dir FS) (*mark, error) {
	f, err := dir.Open(markName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoMark
	}
	if err != nil {
		return nil, err
	}
	m := &mark{file: f}
	found := false
	for slot := range int64(2) {
		var b [markSlotBytes]byte
		if _, err := f.ReadAt(b[:], slot*markSlotGap); err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.Join(err, f.Close())
		}
		identity, marks, ok := decodeMark(b[:])
		if !ok {
			continue
		}
		if !found || marks.acknowledged > m.marks.acknowledged || marks.released > m.marks.released {
			m.identity, m.marks, m.slot = identity, marks, 1-slot
			found = true
		}
	}
	if !found {
		return nil, errors.Join(errNoMark, f.Close())
	}
	return m, nil
}

func decodeMark(b []byte) (identity Identity, m marks, ok bool) {
	end := len(b) - crc32.Size
	if string(b[:len(markMagic)]) != markMagic || b[len(markMagic)] != markFormat ||
		binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return identity, m, false
	}
	b = b[len(markMagic)+1:]
	copy(identity[:], b)
	b = b[identityBytes:]
	return identity, marks{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}, true
}

func (m *mark) encode() []byte {
	b := make([]byte, 0, markSlotBytes)
	b = append(append(b, markMagic...), markFormat)
	b = append(b, m.identity[:]...)
	b = binary.LittleEndian.AppendUint64(b, m.marks.acknowledged)
	b = binary.LittleEndian.AppendUint64(b, m.marks.released)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// write puts the present marks into the older slot.
func (m *mark) write() error {
	if _, err := m.file.WriteAt(m.encode(), m.slot*markSlotGap); err != nil {
		return fmt.Errorf("write %s: %w", markName, err)
	}
	m.slot = 1 - m.slot
	m.dirty = true
	return nil
}

// acknowledge records that everything up to seq is on disk.
func (m *mark) acknowledge(seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.marks.acknowledged = max(m.marks.acknowledged, seq)
	return m.write()
}

// release records that the store behind has everything up to seq, and returns when both slots on disk have it: if one
// of them rots, the other does not require records that are gone.
func (m *mark) release(seq uint64) error {
	for range 2 {
		m.mu.Lock()
		m.marks.released = max(m.marks.released, seq)
		err := m.write()
		m.mu.Unlock()
		if err == nil {
			err = m.sync()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sync makes the mark durable.
func (m *mark) sync() error {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	m.mu.Lock()
	dirty := m.dirty
	m.dirty = false
	m.mu.Unlock()
	if !dirty {
		return nil
	}
	if err := m.file.Sync(); err != nil {
		m.mu.Lock()
		m.dirty = true
		m.mu.Unlock()
		return fmt.Errorf("sync %s: %w", markName, err)
	}
	return nil
}

func (m *mark) released() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.marks.released
}
