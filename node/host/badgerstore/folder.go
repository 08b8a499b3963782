package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Why a folder cannot be opened. The error that wraps one of these names the folder and says what to do.
var (
	ErrUnusable = errors.New("the data folder cannot be used")
	ErrNotOurs  = errors.New("the folder is not a kvs data folder")
	ErrLocked   = errors.New("the data folder is in use by another process")
	ErrEmptied  = errors.New("the data folder has lost its data")
	ErrFormat   = errors.New("the data folder has a format that this version of kvs does not know")
	ErrDamaged  = errors.New("the data folder is damaged")
)

// format numbers everything under Dir: marker, keys, values. A higher one is refused.
const format = 1

// The marker file tells a data folder from any other, and an emptied one from a new one: Badger opens a folder without
// MANIFEST as a new store, and deletes the tables it finds there.
const (
	markerName    = "KVS"
	markerNewName = "KVS.new" // the marker on its way.
	manifestName  = "MANIFEST"
	lockName      = "LOCK" // Badger's: the process ID of the owner.
	markerText    = "This folder holds the data of one kvs node. Add, change and remove nothing here while it exists.\n"
)

// folderState is what the marker file says.
type folderState string

const (
	stateMaking folderState = "making" // the store may not be complete; there is no data in it.
	stateReady  folderState = "ready"  // the store was complete once. It must never look new again.
)

const whatToDo = "restore it from a backup, or remove the whole folder to let the node join its cluster as a new member"

// prepareFolder makes or checks the folder, without touching anything of Badger's, and returns the state it is in.
func prepareFolder(dir string) (folderState, error) {
	unusable := func(err error) error {
		return fmt.Errorf("%w: %s: %w: let the user of this process write to it, or choose another folder", ErrUnusable, dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", unusable(err)
	}
	if err := checkUnlocked(dir); err != nil {
		return "", err
	}
	probe, err := os.CreateTemp(dir, markerNewName+".*")
	if err != nil {
		return "", unusable(err)
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return "", unusable(err)
	}

	state, err := readMarker(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := checkEmpty(dir); err != nil {
			return "", err
		}
		return stateMaking, writeMarker(dir, stateMaking)
	case err != nil:
		return "", err
	}
	if state == stateReady {
		if _, err := os.Stat(filepath.Join(dir, manifestName)); errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%w: %s has been a node's data folder, but its %s is gone: %s", ErrEmptied, dir, manifestName, whatToDo)
		}
	}
	return state, nil
}

// checkUnlocked finds another process before anything is written. Badger takes the same lock for itself afterwards.
func checkUnlocked(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	defer d.Close()
	switch err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return lockedError(dir)
	case err != nil:
		return fmt.Errorf("%w: lock %s: %w: choose a folder on a file system that has locks", ErrUnusable, dir, err)
	}
	return nil
}

func lockedError(dir string) error {
	owner := "another process"
	if pid, err := os.ReadFile(filepath.Join(dir, lockName)); err == nil {
		owner = "process " + strings.TrimSpace(string(pid))
	}
	return fmt.Errorf("%w: %s is held by %s: stop it, or give each node a data folder of its own", ErrLocked, dir, owner)
}

// checkEmpty refuses a folder with anything in it but what a fresh file system or an interrupted start leaves there.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), markerNewName) {
			return fmt.Errorf("%w: %s contains %s but no file %s: choose an empty or a new folder", ErrNotOurs, dir, e.Name(), markerName)
		}
	}
	return nil
}

func readMarker(dir string) (folderState, error) {
	name := filepath.Join(dir, markerName)
	b, err := os.ReadFile(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return "", fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			fields[name] = value
		}
	}
	n, err := strconv.Atoi(fields["format"])
	state := folderState(fields["state"])
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %s does not say its format: %s", ErrDamaged, name, whatToDo)
	case n != format:
		return "", fmt.Errorf("%w: %s says format %d, this version reads format %d: start the version of kvs that wrote it", ErrFormat, name, n, format)
	case state != stateMaking && state != stateReady:
		return "", fmt.Errorf("%w: %s does not say its state: %s", ErrDamaged, name, whatToDo)
	}
	return state, nil
}

// writeMarker replaces the marker in one step, and returns when it is on disk.
func writeMarker(dir string, state folderState) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: write its marker file: %w", ErrUnusable, err)
		}
	}()
	from := filepath.Join(dir, markerNewName)
	f, err := os.Create(from)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%sformat: %d\nstate: %s\n", markerText, format, state)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(from, filepath.Join(dir, markerName)); err != nil {
		return err
	}
	return syncFolder(dir)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// diskBytes is what the files in dir really occupy. Badger's are sparse, so their lengths say little.
func diskBytes(dir string) (uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", dir, err)
	}
	var sum uint64
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(dir, e.Name()), &st) == nil { // gone in the meantime: it occupies nothing.
			sum += uint64(st.Blocks) * 512
		}
	}
	return sum, nil
}
