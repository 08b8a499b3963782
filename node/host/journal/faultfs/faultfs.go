// Package faultfs is a folder in memory for the journal, with the faults of a disk: a crash keeps any part of the
// unsynced data, a sync fails once or for ever, the disk is full, bits flip.
//
// It is not a file system: it has only what journal.FS needs, for one goroutine.
//
// Every changing call is an event: Hook is called before it, and can take an image of the disk, or make the call fail.
// All randomness is the caller's.
//
// Begin with New, FS.Hook and FS.Crash.
package faultfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"

	"kvs/node/host/journal"
)

// SectorBytes is the unit that a disk writes as a whole or not at all.
const SectorBytes = 512

// Op is a kind of event.
type Op string

// All kinds.
const (
	OpWrite  Op = "write"
	OpSync   Op = "sync"
	OpCreate Op = "create"
	OpGrow   Op = "grow" // in the middle of a create: the file exists, but is incomplete.
	OpRename Op = "rename"
	OpRemove Op = "remove"
	OpNames  Op = "names" // the sync of the folder.
)

// Event is something that is about to happen.
type Event struct {
	Op   Op
	Name string
}

// FS is the folder. It implements journal.FS.
type FS struct {
	// Hook is called before every event. An error makes the event fail: then half of a write has happened, and which
	// part of a sync has happened is unknown. nil: nothing fails.
	Hook func(e Event) error

	names   map[string]*inode
	pending []rename // changes of names since the last sync of the folder, oldest first.
	onDisk  map[string]*inode
}

// rename is a change of names: from "" is a new file, to "" is a removed one.
type rename struct {
	from, to string
	inode    *inode
}

// inode is a file.
type inode struct {
	sectors []sector
}

// sector is a piece of a file. Its contents are never written to, only replaced.
type sector struct {
	now    []byte
	onDisk []byte   // after the last sync that worked.
	maybe  [][]byte // contents that may be on the disk instead: all that were written since.
	failed int      // the number of maybe that a failed sync has covered: another sync does not write them.
}

var zeros = make([]byte, SectorBytes)

// New returns an empty folder.
func New() *FS { return &FS{names: map[string]*inode{}, onDisk: map[string]*inode{}} }

func (f *FS) event(op Op, name string) error {
	if f.Hook == nil {
		return nil
	}
	return f.Hook(Event{op, name})
}

// Open implements journal.FS.
func (f *FS) Open(name string) (journal.File, error) {
	n := f.names[name]
	if n == nil {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return &file{f, n, name}, nil
}

// Create implements journal.FS.
func (f *FS) Create(name string, size int64) (journal.File, error) {
	if err := f.event(OpCreate, name); err != nil {
		return nil, err
	}
	n := &inode{sectors: blank(size / 2)}
	f.change(rename{"", name, n})
	if err := f.event(OpGrow, name); err != nil {
		f.change(rename{name, "", n})
		return nil, err
	}
	n.sectors = blank(size)
	return &file{f, n, name}, nil
}

func blank(size int64) []sector {
	s := make([]sector, (size+SectorBytes-1)/SectorBytes)
	for i := range s {
		s[i] = sector{now: zeros, onDisk: zeros}
	}
	return s
}

// change carries out a change of names.
func (f *FS) change(r rename) {
	f.pending = append(f.pending, r)
	r.in(f.names)
}

func (r rename) in(names map[string]*inode) {
	if r.from != "" {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.inode
	}
}

// Rename implements journal.FS.
func (f *FS) Rename(from, to string) error {
	n := f.names[from]
	if n == nil {
		return fmt.Errorf("rename %s: %w", from, fs.ErrNotExist)
	}
	if err := f.event(OpRename, to); err != nil {
		return err
	}
	f.change(rename{from, to, n})
	return nil
}

// Remove implements journal.FS.
func (f *FS) Remove(name string) error {
	n := f.names[name]
	if n == nil {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	if err := f.event(OpRemove, name); err != nil {
		return err
	}
	f.change(rename{name, "", n})
	return nil
}

// List implements journal.FS.
func (f *FS) List() ([]string, error) {
	names := make([]string, 0, len(f.names))
	for name := range f.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Sync implements journal.FS.
func (f *FS) Sync() error {
	if err := f.event(OpNames, ""); err != nil {
		return err
	}
	for _, r := range f.pending {
		r.in(f.onDisk)
	}
	f.pending = nil
	return nil
}

// Keep is what a crash keeps of the unsynced data.
type Keep int

// All of them.
const (
	KeepNothing Keep = iota
	KeepAll          // as when a process is killed.
	KeepSome         // any sector as it was at any moment since, and changes of names up to any moment.
)

// Crash returns a folder with the content after a crash. f is not changed.
func (f *FS) Crash(rng *rand.Rand, keep Keep) *FS {
	out := New()
	names := map[string]*inode{}
	for name, n := range f.onDisk {
		names[name] = n
	}
	kept := 0
	switch keep {
	case KeepAll:
		kept = len(f.pending)
	case KeepSome:
		kept = rng.IntN(len(f.pending) + 1)
	}
	for _, r := range f.pending[:kept] {
		r.in(names)
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		n := names[name].crash(rng, keep)
		out.names[name], out.onDisk[name] = n, n
	}
	return out
}

func (n *inode) crash(rng *rand.Rand, keep Keep) *inode {
	out := &inode{sectors: make([]sector, len(n.sectors))}
	for i := range n.sectors {
		s := &n.sectors[i]
		content := s.onDisk
		switch {
		case keep == KeepAll:
			content = s.now
		case keep == KeepSome && len(s.maybe) > 0:
			if pick := rng.IntN(len(s.maybe) + 1); pick > 0 {
				content = s.maybe[pick-1]
			}
		}
		out.sectors[i] = sector{now: content, onDisk: content}
	}
	return out
}

// Flip inverts one bit of a file, on the disk and in memory. at is counted in bits. It returns false beyond the end.
func (f *FS) Flip(name string, at int) bool {
	n := f.names[name]
	if n == nil || at/8/SectorBytes >= len(n.sectors) {
		return false
	}
	s := &n.sectors[at/8/SectorBytes]
	content := slices.Clone(s.now)
	content[at/8%SectorBytes] ^= 1 << (at % 8)
	*s = sector{now: content, onDisk: content}
	return true
}

// Bytes is how long a file is; zero: there is none.
func (f *FS) Bytes(name string) int {
	if n := f.names[name]; n != nil {
		return len(n.sectors) * SectorBytes
	}
	return 0
}

// file is an open file.
type file struct {
	fs    *FS
	inode *inode
	name  string // under which it was opened.
}

func (f *file) Close() error         { return nil }
func (f *file) Size() (int64, error) { return int64(len(f.inode.sectors)) * SectorBytes, nil }

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	done := 0
	for done < len(b) {
		i := (at + int64(done)) / SectorBytes
		if i >= int64(len(f.inode.sectors)) {
			return done, io.EOF
		}
		done += copy(b[done:], f.inode.sectors[i].now[(at+int64(done))%SectorBytes:])
	}
	return done, nil
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > int64(len(f.inode.sectors))*SectorBytes {
		return 0, fmt.Errorf("write of %d bytes at %d of %s: the file has %d sectors, and does not grow",
			len(b), at, f.name, len(f.inode.sectors))
	}
	if err := f.fs.event(OpWrite, f.name); err != nil {
		f.write(b[:len(b)/2], at)
		return len(b) / 2, err
	}
	f.write(b, at)
	return len(b), nil
}

func (f *file) write(b []byte, at int64) {
	for done := 0; done < len(b); {
		s := &f.inode.sectors[(at+int64(done))/SectorBytes]
		content := slices.Clone(s.now)
		done += copy(content[(at+int64(done))%SectorBytes:], b[done:])
		s.now = content
		s.maybe = append(s.maybe, content)
	}
}

func (f *file) Sync() error {
	if err := f.fs.event(OpSync, f.name); err != nil {
		for i := range f.inode.sectors {
			s := &f.inode.sectors[i]
			s.failed = len(s.maybe)
		}
		return err
	}
	for i := range f.inode.sectors {
		s := &f.inode.sectors[i]
		if len(s.maybe) > s.failed { // written since, as a whole sector.
			*s = sector{now: s.now, onDisk: s.now}
		}
	}
	return nil
}
