package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FS is the folder of a journal. Changes of names are on disk after Sync, changes of a file after that file's Sync.
type FS interface {
	// Open opens a file for reading and writing. It returns an error that is fs.ErrNotExist where there is none.
	Open(name string) (File, error)

	// Create makes a file of so many bytes, all zero, with its blocks, on disk except for its name. It replaces a file
	// of the same name. It leaves no file when it fails. An error that wraps ErrNoSpace means that the disk is full.
	Create(name string, size int64) (File, error)

	Rename(from, to string) error
	Remove(name string) error
	List() ([]string, error)
	Sync() error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Sync() error
	Close() error
}

// ErrNoSpace means that there is no room for a file, and that nothing has changed.
var ErrNoSpace = errors.New("no space left for the journal")

// Folder is the FS of a real folder. It is made when it is absent.
func Folder(dir string) (FS, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return folder(dir), syncFolder(filepath.Dir(dir))
}

type folder string

type file struct{ *os.File }

func (d folder) path(name string) string { return filepath.Join(string(d), name) }

func (d folder) Open(name string) (File, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// zeros are written in pieces of this size.
const zerosBytes = 1 << 20

func (d folder) Create(name string, size int64) (File, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, noSpace(err)
	}
	zeros := make([]byte, min(size, zerosBytes))
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	if err == nil {
		err = unix.Fsync(int(f.Fd())) // includes its length.
	}
	if err != nil {
		return nil, errors.Join(noSpace(err), f.Close(), os.Remove(d.path(name)))
	}
	return file{f}, nil
}

func noSpace(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

func (d folder) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }
func (d folder) Remove(name string) error     { return os.Remove(d.path(name)) }
func (d folder) Sync() error                  { return syncFolder(string(d)) }

func (d folder) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f file) Sync() error { return unix.Fdatasync(int(f.Fd())) }
