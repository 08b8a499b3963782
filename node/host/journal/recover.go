package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// ErrDamaged means that a journal has lost acknowledged records.
var ErrDamaged = errors.New("the journal is damaged")

// Create makes a new journal in dir, and replaces the files of any other. The identity is random: it distinguishes the
// files of this journal from those of any other. The journal is on disk when Create returns.
func Create(dir FS, o Options, identity Identity) (*Journal, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		if err := dir.Remove(segmentName(n)); err != nil {
			return nil, err
		}
	}
	m, err := createMark(dir, identity)
	if err != nil {
		return nil, err
	}
	if err := dir.Sync(); err != nil {
		return nil, errors.Join(err, m.file.Close())
	}
	return newJournal(dir, o, m), nil
}

func newJournal(dir FS, o Options, m *mark) *Journal {
	return &Journal{dir: dir, opts: o, sum: sumOf(m.identity), mark: m}
}

// segmentNumbers lists the segments in dir, in order.
func segmentNumbers(dir FS) ([]uint64, error) {
	names, err := dir.List()
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := segmentNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Open opens a journal and hands replay every record that was not released, in order. The content is only valid during
// the call. All records that replay has got are on disk when Open returns.
//
// An error that wraps ErrDamaged means that acknowledged records are lost; replay may have got some records by then.
// Any other error is the file system's, or replay's.
func Open(dir FS, o Options, replay func(seq uint64, content []byte) error) (*Journal, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m, err := openMark(dir)
	if errors.Is(err, errNoMark) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	j := newJournal(dir, o, m)
	r := &recovery{released: m.marks.released, last: m.marks.released, known: m.marks.acknowledged}
	err = j.read(func(s *segment, rec record, at int64) error { return r.take(s, rec, at, replay) })
	if err == nil {
		err = r.verdict()
	}
	if err == nil {
		err = j.resume(r)
	}
	if err != nil {
		return nil, errors.Join(err, j.closeFiles())
	}
	return j, nil
}

// Salvage hands replay every record that can be read and was not released, with holes, for an operator that has decided
// that nothing better is left. dir is not changed.
func Salvage(dir FS, replay func(seq uint64, content []byte) error) error {
	m, err := openMark(dir)
	if errors.Is(err, errNoMark) { // without the identity no record can be recognised.
		return nil
	}
	if err != nil {
		return err
	}
	j := newJournal(dir, Options{}, m)
	last := m.marks.released
	err = j.read(func(_ *segment, rec record, _ int64) error {
		if rec.seq <= last {
			return nil
		}
		last = rec.seq
		return replay(rec.seq, rec.content)
	})
	return errors.Join(err, j.closeFiles())
}

// read calls fn for all readable records. The segments become those in use.
func (j *Journal) read(fn func(s *segment, r record, at int64) error) error {
	numbers, err := segmentNumbers(j.dir)
	if err != nil {
		return err
	}
	var buf []byte
	for _, n := range numbers {
		j.number = n
		var s *segment
		if s, buf, err = readSegment(j.dir, n, buf); err != nil {
			return err
		}
		j.used = append(j.used, s)
		if err := records(buf, j.sum, n, func(r record, at int64) error { return fn(s, r, at) }); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) closeFiles() error {
	errs := []error{j.mark.file.Close()}
	for _, s := range slices.Concat(j.used, j.spares) {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// recovery is the state of a recovery.
type recovery struct {
	released uint64
	last     uint64 // the last record of an unbroken sequence.
	known    uint64 // the highest sequence number that was on disk according to the mark or a record.
	cut      []place
}

// place is where a record begins.
type place struct {
	segment *segment
	at      int64
}

// take takes in the next readable record. A record after a hole is cut off.
func (r *recovery) take(s *segment, rec record, at int64, replay func(seq uint64, content []byte) error) error {
	r.known = max(r.known, rec.synced)
	switch {
	case rec.seq == r.last+1:
		r.last, s.last = rec.seq, rec.seq
		return replay(rec.seq, rec.content)
	case rec.seq > r.last:
		r.cut = append(r.cut, place{s, at})
	}
	return nil
}

// wipe makes the cut-off records unreadable, because their sequence numbers are used again. Otherwise, when the records
// before it have been released, such a record could be taken for one that follows them.
func (r *recovery) wipe() error {
	for _, p := range r.cut {
		if _, err := p.segment.file.WriteAt(make([]byte, recordHeaderBytes), p.at); err != nil {
			return fmt.Errorf("wipe a record of %s: %w", segmentName(p.segment.number), err)
		}
		if err := p.segment.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", segmentName(p.segment.number), err)
		}
	}
	return nil
}

// verdict distinguishes a torn end from damage.
func (r *recovery) verdict() error {
	if r.known > r.last {
		return fmt.Errorf("%w: records %d to %d are lost: they were on disk once, and cannot be read",
			ErrDamaged, r.last+1, r.known)
	}
	return nil
}

// resume makes the records that were read the state of the journal, and syncs them, because they may never have been
// synced. Nothing is written after an end that may be torn.
func (j *Journal) resume(r *recovery) error {
	if err := r.wipe(); err != nil {
		return err
	}
	j.appended, j.durable = r.last, r.last
	var used []*segment
	for _, s := range j.used {
		if s.last <= r.released {
			j.spares = append(j.spares, s)
			continue
		}
		if err := s.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", segmentName(s.number), err)
		}
		s.end = s.bytes
		used = append(used, s)
	}
	j.used = used
	if err := j.mark.acknowledge(r.last); err != nil {
		return err
	}
	return j.trim(j.opts.SparesMax)
}

// trim drops excess spare segments, and those of another size: a crash has left them incomplete.
func (j *Journal) trim(sparesMax int) error {
	j.mu.Lock()
	var dropped []*segment
	free := j.spares
	j.spares = nil
	for _, s := range free {
		if len(j.spares) < sparesMax && s.bytes == j.opts.SegmentBytes {
			j.spares = append(j.spares, s)
		} else {
			dropped = append(dropped, s)
		}
	}
	j.mu.Unlock()
	var errs []error
	for _, s := range dropped {
		errs = append(errs, s.file.Close())
		if err := j.dir.Remove(segmentName(s.number)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
