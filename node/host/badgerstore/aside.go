package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A store that cannot be trusted is set aside within its folder, which may be a file system of its own: all files move
// into a folder below, and none is removed. That folder is a data folder, which can be opened.

// Files beside the store that belong to its owner. They are small, and replaced in one step.
const (
	MemberFile = "MEMBER" // the member's identity, and the addresses of others.
	LostFile   = "LOST"   // present while this store replaces one that was set aside.
)

const (
	asidePrefix = "damaged-"
	asideMax    = 3 // stores set aside in one folder: a disk that damages another one has to be replaced.
)

// ErrOften means that too many stores were set aside in a folder.
var ErrOften = errors.New("the disk damages one store after the other")

// WriteBeside replaces a file beside the store, and returns when it is on disk.
func WriteBeside(dir, name string, content []byte) error {
	return replaceFile(filepath.Join(dir, name), content)
}

// ReadBeside reads such a file. It returns nil when there is none.
func ReadBeside(dir, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// RemoveBeside removes such a file. It does nothing when there is none.
func RemoveBeside(dir, name string) error {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(dir)
}

// SetAside moves the store in dir into a folder below, which it returns, and leaves dir to a new store. lost becomes
// the LostFile, on disk before anything moves. After a crash in between the next Open completes it. No store may be
// open in dir.
func SetAside(dir string, at time.Time, lost []byte) (aside string, err error) {
	if err := checkUnlocked(dir); err != nil {
		return "", err
	}
	before, err := filepath.Glob(filepath.Join(dir, asidePrefix+"*"))
	if err != nil {
		return "", err
	}
	if len(before) >= asideMax {
		return "", fmt.Errorf("%w: %d of them are in %s already: replace the disk, then move these folders elsewhere",
			ErrOften, len(before), dir)
	}
	name := asidePrefix + at.UTC().Format("20060102-150405.000")
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		return "", fmt.Errorf("set the store aside: %w", err)
	}
	if err := WriteBeside(dir, LostFile, lost); err != nil {
		return "", fmt.Errorf("set the store aside: %w", err)
	}
	m, err := readMarker(dir)
	if err != nil { // the marker itself is damaged.
		m.format = formatCurrent
	}
	if err := writeMarker(dir, folderMarker{state: stateAside, format: m.format, aside: name}); err != nil {
		return "", err
	}
	return filepath.Join(dir, name), moveAside(dir, name, m.format)
}

// moveAside moves all files that are not there yet, and marks the folder below as a data folder of that format, and dir
// as a new one.
func moveAside(dir, name string, format int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	for _, e := range entries {
		from := filepath.Join(dir, e.Name())
		switch n := e.Name(); {
		case n == markerName, n == LostFile, n == "lost+found", strings.HasPrefix(n, asidePrefix):
		case n == ballastName, n == lockName, strings.HasPrefix(n, markerNewName): // no data.
			err = os.Remove(from)
		default:
			err = os.Rename(from, filepath.Join(dir, name, n))
		}
		if err != nil {
			return fmt.Errorf("%w: set the store aside: %w", ErrUnusable, err)
		}
	}
	if err := writeMarker(filepath.Join(dir, name), folderMarker{state: stateReady, format: format}); err != nil {
		return err
	}
	if err := syncFolder(dir); err != nil {
		return fmt.Errorf("%w: set the store aside: %w", ErrUnusable, err)
	}
	return writeMarker(dir, folderMarker{state: stateMaking, format: formatCurrent})
}

// replaceFile replaces a file in one step, and returns when it is on disk.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), markerNewName+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(name))
}
