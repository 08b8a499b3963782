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

// Formats number everything under Dir: marker, mark, keys, values. A higher one is refused. A folder of an older format
// is accepted, and becomes one of the current format. Versions of kvs that are older than a format refuse it.
const (
	formatUnmarked = 1 // had no mark and no numberKey.
	formatSynced   = 2 // each transaction was on disk before the next one began.
	formatCurrent  = 3 // transactions after the one that the mark names need not be on disk: a journal has them.

	formatKey = "1" // the format in the store itself: keys and values are those of format 1.
)

// The marker file distinguishes a data folder from any other, and an emptied one from a new one: Badger opens a folder
// without MANIFEST as a new store, and deletes the tables it finds there.
const (
	markerName    = "KVS"
	markerNewName = "KVS.new" // the new marker before it is renamed.
	manifestName  = "MANIFEST"
	lockName      = "LOCK" // Badger's: the process ID of the owner.
	markerText    = "This folder holds the data of one kvs node. Add, change and remove nothing here while it exists.\n"
)

// folderState is the state in the marker file.
type folderState string

const (
	stateMaking folderState = "making" // the store may not be complete; there is no data in it.
	stateReady  folderState = "ready"  // the store was complete once. It must never look new again.
	stateAside  folderState = "aside"  // a store is being moved into a folder below: see aside.go.
)

const whatToDo = "keep the folder, it may hold the last copy of something; restore it from a backup, " +
	"or move it away to let the node join its cluster as a new member"

// prepareFolder makes or checks the folder, without touching anything of Badger's, and returns what its marker says
// then.
func prepareFolder(dir string) (m folderMarker, err error) {
	making := folderMarker{state: stateMaking, format: formatCurrent}
	unusable := func(err error) error {
		return fmt.Errorf("%w: %s: %w: let the user of this process write to it, or choose another folder", ErrUnusable,
			dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return m, unusable(err)
	}
	if err := checkUnlocked(dir); err != nil {
		return m, err
	}
	probe, err := os.CreateTemp(dir, markerNewName+".*")
	switch {
	case errors.Is(err, unix.ENOSPC): // it can still be read.
	case err != nil:
		return m, unusable(err)
	default:
		_ = probe.Close()
		if err := os.Remove(probe.Name()); err != nil {
			return m, unusable(err)
		}
	}

	m, err = readMarker(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := checkEmpty(dir); err != nil {
			return m, err
		}
		return making, writeMarker(dir, making)
	case err != nil:
		return m, err
	}
	if m.state == stateAside {
		return making, moveAside(dir, m.aside, m.format)
	}
	if m.state == stateReady {
		if _, err := os.Stat(filepath.Join(dir, manifestName)); errors.Is(err, fs.ErrNotExist) {
			return m, fmt.Errorf("%w: %s has been a node's data folder, but its %s is gone: %s",
				ErrEmptied, dir, manifestName, whatToDo)
		}
	}
	return m, nil
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
	return fmt.Errorf("%w: %s is held by %s: stop it, or give each node a data folder of its own", ErrLocked, dir,
		owner)
}

// checkEmpty refuses a folder with any content, except what a fresh file system or an interrupted start leaves there.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" && !strings.HasPrefix(e.Name(), markerNewName) {
			return fmt.Errorf("%w: %s contains %s but no file %s: choose an empty or a new folder", ErrNotOurs, dir,
				e.Name(), markerName)
		}
	}
	return nil
}

// folderMarker is the content of the marker file.
type folderMarker struct {
	state  folderState
	format int
	aside  string // the folder below into which a store is being moved.
}

// marked reports whether the folder must have a mark.
func (m *folderMarker) marked() bool { return m.state == stateReady && m.format >= formatSynced }

// current reports whether the store was complete once and has the current format.
func (m *folderMarker) current() bool { return m.state == stateReady && m.format == formatCurrent }

func readMarker(dir string) (m folderMarker, err error) {
	name := filepath.Join(dir, markerName)
	b, err := os.ReadFile(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return m, err
		}
		return m, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			fields[name] = value
		}
	}
	n, err := strconv.Atoi(fields["format"])
	m = folderMarker{state: folderState(fields["state"]), format: n, aside: fields["aside"]}
	switch {
	case err != nil:
		return m, fmt.Errorf("%w: %s does not say its format: %s", ErrDamaged, name, whatToDo)
	case n < formatUnmarked || n > formatCurrent:
		return m, fmt.Errorf("%w: %s says format %d, this version reads formats up to %d: "+
			"start the version of kvs that wrote it", ErrFormat, name, n, formatCurrent)
	case m.state == stateAside && filepath.Base(m.aside) == m.aside && strings.HasPrefix(m.aside, asidePrefix):
	case m.state != stateMaking && m.state != stateReady:
		return m, fmt.Errorf("%w: %s does not say its state: %s", ErrDamaged, name, whatToDo)
	}
	return m, nil
}

// writeMarker replaces the marker in one step, and returns when it is on disk.
func writeMarker(dir string, m folderMarker) error {
	text := fmt.Sprintf("%sformat: %d\nstate: %s\n", markerText, m.format, m.state)
	if m.aside != "" {
		text += "aside: " + m.aside + "\n"
	}
	if err := replaceFile(filepath.Join(dir, markerName), []byte(text)); err != nil {
		return fmt.Errorf("%w: write its marker file: %w", ErrUnusable, err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// diskBytes is the space that the files in dir and below really occupy, without the ballast and the stores set aside.
// Badger's files are sparse, so their lengths are no measure.
func diskBytes(dir string) (uint64, error) {
	var sum uint64
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone in the meantime: it occupies nothing.
			return nil
		case err != nil:
			return fmt.Errorf("size of %s: %w", dir, err)
		case e.IsDir() && strings.HasPrefix(e.Name(), asidePrefix):
			return fs.SkipDir
		}
		var st unix.Stat_t
		if !e.IsDir() && e.Name() != ballastName && unix.Lstat(name, &st) == nil {
			sum += uint64(st.Blocks) * 512
		}
		return nil
	})
	return sum, err
}
