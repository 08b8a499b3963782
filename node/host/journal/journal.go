package journal

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Options are the bounds of a journal. Start from DefaultOptions.
type Options struct {
	SegmentBytes int64 // of a segment. A larger record has a segment of its own.
	SparesMax    int   // unused segments that are kept for later.
}

// DefaultOptions suit a node that shares its machine.
func DefaultOptions() Options { return Options{SegmentBytes: 4 << 20, SparesMax: 16} }

func (o *Options) check() error {
	if o.SegmentBytes < segmentBytesMin || o.SegmentBytes > 1<<30 || o.SparesMax < 0 {
		return fmt.Errorf("journal options: segments of %d bytes and %d spare ones, want %d to %d bytes, none or more",
			o.SegmentBytes, o.SparesMax, segmentBytesMin, 1<<30)
	}
	return nil
}

const segmentBytesMin = 4096

// ContentBytesMax bounds the content of one record.
const ContentBytesMax = 256 << 20

// Journal is an open journal. The package comment says which calls may run at the same time.
type Journal struct {
	dir  FS
	opts Options
	sum  uint32 // the initial value of the checksums of its records.
	mark *mark

	buf []byte // of the appending goroutine.

	preparing sync.Mutex // held while a segment is made. It is taken before mu.

	mu       sync.Mutex // guards the fields below.
	number   uint64     // the highest number of a segment.
	used     []*segment // in order; records go into the last one. A new journal has none.
	next     *segment   // ready to follow; nil: it has to be made.
	spares   []*segment
	appended uint64 // the last sequence number,
	durable  uint64 // and the last one that is on disk.
}

// Append writes a record, whose content is what encode appends, and returns its sequence number. It is on disk after
// the next Sync. An error that wraps ErrNoSpace means that nothing was written, and that the call may be repeated.
// After any other error the content of the disk is unknown.
func (j *Journal) Append(encode func(b []byte) []byte) (seq uint64, err error) {
	b := encode(beginRecord(j.buf[:0]))
	if j.buf = b; cap(b) > bufferBytesMax {
		j.buf = nil
	}
	if len(b) > ContentBytesMax {
		return 0, fmt.Errorf("a record of %d bytes, at most %d are possible", len(b), ContentBytesMax)
	}
	length := aligned(int64(len(b)))
	s, err := j.room(length)
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	seq = j.appended + 1
	r := record{segment: s.number, seq: seq, synced: j.durable}
	j.mu.Unlock()
	if _, err := s.file.WriteAt(endRecord(b, j.sum, r), s.end); err != nil {
		return 0, fmt.Errorf("write record %d into %s: %w", seq, segmentName(s.number), err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.end += length
	s.last = seq
	j.appended = seq
	return seq, nil
}

// bufferBytesMax is how much memory Append keeps for the next record.
const bufferBytesMax = 1 << 20

// room returns the segment for the next record, of that length.
func (j *Journal) room(length int64) (*segment, error) {
	j.mu.Lock()
	if s := j.current(); s != nil && s.end+length <= s.bytes {
		j.mu.Unlock()
		return s, nil
	}
	j.mu.Unlock()
	j.preparing.Lock()
	defer j.preparing.Unlock()
	if j.next == nil || length > j.next.bytes {
		if err := j.prepare(max(j.opts.SegmentBytes, length)); err != nil {
			return nil, err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.next
	s.last = j.appended
	j.used = append(j.used, s)
	j.next = nil
	return s, nil
}

// current is the segment to which records are appended; nil: there is none yet.
func (j *Journal) current() *segment {
	if len(j.used) == 0 {
		return nil
	}
	return j.used[len(j.used)-1]
}

// Prepare makes the segment that follows the current one, so that Append need not wait for it. It does nothing when
// there is one. Its errors are those of Append.
func (j *Journal) Prepare() error {
	j.preparing.Lock()
	defer j.preparing.Unlock()
	if j.next != nil { // written with preparing held, and by room, which holds both.
		return nil
	}
	return j.prepare(j.opts.SegmentBytes)
}

// prepare makes next. A former next one that is too small stays as a segment without records.
func (j *Journal) prepare(size int64) error {
	j.mu.Lock()
	if j.next != nil {
		j.next.last = j.appended
		j.used = append(j.used, j.next)
		j.next = nil
	}
	j.number++
	s := &segment{number: j.number, bytes: size}
	var spare *segment
	if n := len(j.spares); n > 0 && size == j.opts.SegmentBytes {
		spare = j.spares[n-1]
		j.spares = j.spares[:n-1]
	}
	j.mu.Unlock()
	if err := j.makeFile(s, spare); err != nil {
		return err
	}
	// before any record: so no file of another name ever has a record with this number.
	if err := j.dir.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync the folder of the journal: %w", err), s.file.Close())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = s
	return nil
}

// makeFile gives s the file of a spare segment, or a new one.
func (j *Journal) makeFile(s, spare *segment) error {
	name := segmentName(s.number)
	if spare != nil {
		if err := j.dir.Rename(segmentName(spare.number), name); err != nil {
			return errors.Join(fmt.Errorf("rename a spare segment to %s: %w", name, err), spare.file.Close())
		}
		s.file = spare.file
		return nil
	}
	f, err := j.dir.Create(name, s.bytes)
	if err != nil {
		return fmt.Errorf("make the segment %s of %d bytes: %w", name, s.bytes, err)
	}
	s.file = f
	return nil
}

// Sync makes the records that were appended before the call durable, and returns the last durable sequence number.
// After an error the content of the disk is unknown, and the journal must not be used any more.
func (j *Journal) Sync() (durable uint64, err error) {
	j.mu.Lock()
	upTo, former := j.appended, j.durable
	var dirty []*segment
	for i := len(j.used) - 1; i >= 0 && j.used[i].last > former; i-- {
		dirty = append(dirty, j.used[i])
	}
	j.mu.Unlock()
	if upTo == former {
		return upTo, nil
	}
	for _, s := range slices.Backward(dirty) {
		if err := s.file.Sync(); err != nil {
			return former, fmt.Errorf("sync %s: %w", segmentName(s.number), err)
		}
	}
	if err := j.mark.acknowledge(upTo); err != nil {
		return former, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durable = upTo
	return upTo, nil
}

// SyncMark syncs the mark. It is to be called every second, from any goroutine.
func (j *Journal) SyncMark() error { return j.mark.sync() }

// Release drops the records up to seq: the store behind has them on its own disk. keepSpares false: the disk is short
// of room, and no segment is kept for later.
func (j *Journal) Release(seq uint64, keepSpares bool) error {
	if err := j.mark.release(seq); err != nil {
		return err
	}
	sparesMax := j.opts.SparesMax
	if !keepSpares {
		sparesMax = 0
	}
	j.mu.Lock()
	for len(j.used) > 1 && j.used[0].last <= seq { // records go into the last one.
		j.spares = append(j.spares, j.used[0])
		j.used = slices.Delete(j.used, 0, 1)
	}
	j.mu.Unlock()
	return j.trim(sparesMax)
}

// Fits says that Append has room for a record with so many bytes of content without a new file, whatever has become of
// the disk.
func (j *Journal) Fits(contentBytes int64) bool {
	length := aligned(contentBytes + recordHeaderBytes)
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.current(); s != nil && s.end+length <= s.bytes {
		return true
	}
	if j.next != nil {
		return length <= j.next.bytes
	}
	return len(j.spares) > 0 && length <= j.opts.SegmentBytes
}

// NextReady reports whether Prepare would do nothing.
func (j *Journal) NextReady() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next != nil
}

// State is for decisions and metrics.
type State struct {
	Appended, Durable, Released uint64 // sequence numbers.
	UsedBytes                   int64  // of the segments with records that were not released.
	SpareBytes                  int64  // of the unused ones.
}

// State may be called from any goroutine.
func (j *Journal) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := State{Appended: j.appended, Durable: j.durable, Released: j.mark.released()}
	for _, u := range j.used {
		s.UsedBytes += u.bytes
	}
	for _, u := range j.spares {
		s.SpareBytes += u.bytes
	}
	if j.next != nil {
		s.SpareBytes += j.next.bytes
	}
	return s
}

// Close syncs the mark and closes all files. It does not sync records: records that were not synced were not
// acknowledged.
func (j *Journal) Close() error {
	j.preparing.Lock()
	defer j.preparing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	errs := []error{j.mark.sync(), j.closeFiles()}
	if j.next != nil {
		errs = append(errs, j.next.file.Close())
	}
	j.used, j.spares, j.next = nil, nil, nil
	return errors.Join(errs...)
}
