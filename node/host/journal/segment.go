package journal

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const segmentSuffix = ".segment"

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, segmentSuffix) }

// segmentNumber is the number in a name that segmentName has made.
func segmentNumber(name string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, err == nil && name == segmentName(number)
}

// segment is one file of the journal.
type segment struct {
	number uint64
	file   File
	bytes  int64
	end    int64  // where the next record goes.
	last   uint64 // the highest sequence number in it, or before it.
}

// readSegment opens a segment and reads all of it, into buf if that is large enough.
func readSegment(dir FS, number uint64, buf []byte) (s *segment, content []byte, err error) {
	name := segmentName(number)
	f, err := dir.Open(name)
	if err != nil {
		return nil, buf, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, buf, errors.Join(err, f.Close())
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	content = buf[:size]
	n, err := f.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, buf, errors.Join(fmt.Errorf("read %s: %w", name, err), f.Close())
	}
	return &segment{number: number, file: f, bytes: size}, content[:n], nil
}

// records calls fn for every readable record of a segment, with the place where it begins. Torn and damaged records are
// skipped.
func records(content []byte, sum uint32, number uint64, fn func(r record, at int64) error) error {
	for at := int64(0); at < int64(len(content)); {
		r, length := readRecord(content[at:], sum, number)
		if length == 0 {
			at += recordAlign
			continue
		}
		if err := fn(r, at); err != nil {
			return err
		}
		at += length
	}
	return nil
}
