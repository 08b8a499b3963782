package logging

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
)

// FileOptions bound the size of a log file, and the number of old ones.
type FileOptions struct {
	Path string
	// a write that would make the file larger begins a new one. The old file is renamed with the time in its name.
	BytesMax int64
	FilesMax int // old ones that are kept; 0: all.

	// Outputs are descriptors that follow the file, usually 1 and 2, so that other output, such as the message of a
	// panic, is in the file too.
	Outputs []int
}

// File is a log file that is set aside when it has become large. It is safe for concurrent use.
type File struct {
	opts FileOptions

	mu    sync.Mutex
	out   lumberjack.Logger // names, renames and removes files. File decides when, because Outputs have to follow.
	bytes int64
	last  time.Time // when it was set aside.
}

// never is a size in MiB at which lumberjack would set a file aside by itself.
const never = 1 << 30

// OpenFile opens the file to append to it, or makes it.
func OpenFile(o FileOptions) (*File, error) {
	if o.Path == "" || o.BytesMax <= 0 || o.FilesMax < 0 {
		return nil,
			fmt.Errorf("log file %q of %d bytes, %d of them kept: want a path, more than 0 bytes, and not fewer than 0",
				o.Path, o.BytesMax, o.FilesMax)
	}
	f := &File{opts: o, out: lumberjack.Logger{Filename: o.Path, MaxSize: never, MaxBackups: o.FilesMax}}
	return f, f.Reopen()
}

// Write writes one line, or several, which stay together.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bytes > 0 && f.bytes+int64(len(p)) > f.opts.BytesMax {
		if err := f.setAside(); err != nil {
			return 0, err
		}
		if err := f.follow(); err != nil {
			return 0, err
		}
	}
	n, err := f.out.Write(p)
	f.bytes += int64(n)
	return n, err
}

// setAside renames the file and begins a new one. Lumberjack names old files by the millisecond, and would replace one
// by another of the same millisecond: so each gets a millisecond of its own. The caller holds mu.
func (f *File) setAside() error {
	for time.Since(f.last) < 2*time.Millisecond {
		time.Sleep(time.Millisecond)
	}
	f.last = time.Now()
	return f.out.Rotate()
}

// Reopen opens the path anew: another program may have moved the file away.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.out.Close(); err != nil {
		return err
	}
	return f.follow()
}

// follow redirects the outputs to the file, and reads its size. The caller holds mu.
func (f *File) follow() (err error) {
	file, err := os.OpenFile(f.opts.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, fd := range f.opts.Outputs {
		if err := syscall.Dup3(int(file.Fd()), fd, 0); err != nil {
			return fmt.Errorf("log file %s: descriptor %d: %w", f.opts.Path, fd, err)
		}
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.bytes = info.Size()
	return nil
}

// Close closes the file. The outputs stay.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Close()
}
