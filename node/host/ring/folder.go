package ring

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kvs/node/recorder"
)

const filePrefix = "segment-"

// folder is the files of a ring. One goroutine writes; the list may be read beside it.
type folder struct {
	dir string
	max int64

	mu    sync.Mutex
	files []segment // the oldest first.
	file  *os.File  // of the last one; nil: none is open.
}

type segment struct {
	number uint64
	bytes  int64
	torn   bool // perhaps: another run wrote it, which may have been killed.
}

func (f *folder) path(number uint64) string {
	return filepath.Join(f.dir, fmt.Sprintf("%s%010d", filePrefix, number))
}

func (f *folder) open(dir string, bytesMax int64) error {
	f.dir, f.max = dir, bytesMax
	var err error
	f.files, err = list(dir)
	return err
}

// list are the segments of a folder, the oldest first.
func list(dir string) (files []segment, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("recorder: %w", err)
	}
	for _, e := range entries {
		digits, is := strings.CutPrefix(e.Name(), filePrefix)
		number, err := strconv.ParseUint(digits, 10, 64)
		if !is || err != nil {
			continue // not ours.
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("recorder: %w", err)
		}
		files = append(files, segment{number: number, bytes: info.Size(), torn: true})
	}
	slices.SortFunc(files, func(a, b segment) int { return int(int64(a.number) - int64(b.number)) })
	return files, nil
}

func (f *folder) size() (bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.files {
		bytes += s.bytes
	}
	return bytes
}

// write appends a batch; begins are the places at which another segment begins.
func (f *folder) write(batch []byte, begins []int) error {
	from := 0
	for _, at := range append(begins, len(batch)) {
		if err := f.append(batch[from:at]); err != nil {
			return err
		}
		if from = at; at < len(batch) {
			if err := f.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// append writes to the last segment, and drops the oldest ones for it.
func (f *folder) append(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	if err := f.makeRoom(int64(len(part))); err != nil {
		return err
	}
	if _, err := f.file.Write(part); err != nil {
		return fmt.Errorf("write a segment: %w", err)
	}
	f.mu.Lock()
	f.files[len(f.files)-1].bytes += int64(len(part))
	f.mu.Unlock()
	return nil
}

func (f *folder) makeRoom(more int64) error {
	for f.size()+more > f.max && len(f.files) > 1 {
		if err := os.Remove(f.path(f.files[0].number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("drop the oldest segment: %w", err)
		}
		f.mu.Lock()
		f.files = slices.Delete(f.files, 0, 1)
		f.mu.Unlock()
	}
	return nil
}

// next begins a segment.
func (f *folder) next() error {
	if err := f.close(); err != nil {
		return err
	}
	number := uint64(1)
	if len(f.files) > 0 {
		number = f.files[len(f.files)-1].number + 1
	}
	file, err := os.OpenFile(f.path(number), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	f.mu.Lock()
	f.file = file
	f.files = append(f.files, segment{number: number})
	f.mu.Unlock()
	return nil
}

func (f *folder) close() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	if err != nil {
		return fmt.Errorf("end a segment: %w", err)
	}
	return nil
}

// opened is a segment that is being read: dropping it does not disturb.
type opened struct {
	file  *os.File
	bytes int64
	head  *recorder.Head
}

// openAll opens segments for reading, as far as they are whole.
func (f *folder) openAll() (all []opened, err error) {
	f.mu.Lock()
	files := slices.Clone(f.files)
	f.mu.Unlock()
	for _, s := range files {
		file, err := os.Open(f.path(s.number))
		if errors.Is(err, os.ErrNotExist) {
			continue // it has been dropped meanwhile.
		}
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("recorder: %w", err)
		}
		o, err := wholeOf(file, s)
		if err != nil || o.head == nil {
			_ = file.Close()
			continue // nothing of it can be used, or it is of another version.
		}
		all = append(all, o)
	}
	return all, nil
}

// wholeOf reads the head of a segment, and finds out how much of the file is whole records.
func wholeOf(file *os.File, s segment) (opened, error) {
	o := opened{file: file}
	r := recorder.NewReader(bufio.NewReaderSize(io.LimitReader(file, s.bytes), 1<<16))
	first, err := r.Next()
	if err != nil || first.Head == nil {
		return o, err
	}
	o.head = first.Head
	if o.bytes = s.bytes; s.torn {
		o.bytes = r.Bytes()
		for _, err = r.Next(); err == nil; _, err = r.Next() {
			o.bytes = r.Bytes()
		}
	}
	return o, nil
}

func closeAll(all []opened) {
	for _, o := range all {
		_ = o.file.Close()
	}
}
