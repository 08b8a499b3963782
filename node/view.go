package node

import (
	"fmt"
	"strings"
)

// View answers eventual reads and listings straight from the store, beside the loop. It is safe for concurrent use: it only
// reads, and it sees only what is durable, so nothing it shows can be lost in a crash.
type View struct {
	store      Reader
	electorate *Electorate
}

// NewView returns a View over store that decides conflicts by electorate, the last one in the node's Effects.
func NewView(store Reader, electorate *Electorate) *View { return &View{store, electorate} }

// Get returns the record under path. Callers look at Record.Live: it may be a tombstone, or no version at all.
func (v *View) Get(path string) (Record, error) {
	b, ok, err := v.store.Get(prefixRecord + path)
	if err != nil {
		return Record{}, fmt.Errorf("read %q: %w", path, err)
	}
	if !ok {
		return Record{}, nil
	}
	slot, err := DecodeSlot(path, b)
	if err != nil {
		return Record{}, err
	}
	return v.electorate.Visible(&slot), nil
}

// ListLimitMax bounds the entries of one listing, ListLimitDefault is what a listing gets that does not say.
const (
	ListLimitDefault = 1000
	ListLimitMax     = 10000
)

// ListRequest asks for a directory's live content in byte order of the full paths.
type ListRequest struct {
	Directory string // "" for the root, else it ends in "/".
	Recursive bool   // all values below, instead of the direct children.
	Limit     int    // 1 to ListLimitMax.
	After     string // any text: only entries whose Path comes after it in byte order; "" from the beginning.
}

// Entry is one line of a listing. Directories (Path ends in "/") appear only in listings that are not recursive, once, when
// something live is below them; they carry no version.
type Entry struct {
	Path        string
	Directory   bool
	Version     Version
	ContentType string
	Bytes       int
}

// Listing is one page. When More is set, the next page begins after the last entry's Path.
type Listing struct {
	Entries []Entry
	More    bool
}

// List returns one page of req. The page is not a snapshot: writes beside it may or may not show.
func (v *View) List(req ListRequest) (Listing, error) {
	prefix := prefixRecord + req.Directory
	from := prefix
	if req.After > req.Directory {
		from = prefixRecord + req.firstAfter()
	}
	var out Listing
	for {
		next, err := v.listRun(req, prefix, from, &out)
		if err != nil || next == "" {
			return out, err
		}
		from = next
	}
}

// firstAfter is the least path that may be in an entry after req.After. In a listing of children, a path below a child directory
// belongs to that directory's entry, which is not after it: the whole directory is skipped. In a recursive one, every path is an
// entry of its own, and "a/" comes before all that is below it.
func (req *ListRequest) firstAfter() string {
	if below, ok := strings.CutPrefix(req.After, req.Directory); ok && !req.Recursive {
		if i := strings.IndexByte(below, '/'); i >= 0 {
			return afterDirectory(req.After[:len(req.Directory)+i+1])
		}
	}
	return req.After + "\x00"
}

// afterDirectory is the least path that comes after everything in dir, which ends in "/".
func afterDirectory(dir string) string {
	return dir[:len(dir)-1] + "0" // '0' follows '/'.
}

// listRun scans until the page is full, the scan ends, or a directory has been entered in a listing of children: then
// it returns the key behind that directory, to go on from without walking through it.
func (v *View) listRun(req ListRequest, prefix, from string, out *Listing) (next string, err error) {
	var bad error
	scanErr := v.store.Scan(prefix, from, func(key string, value []byte) bool {
		path := key[len(prefixRecord):]
		slot, err := DecodeSlot(path, value)
		if err != nil {
			bad = err
			return false
		}
		rec := v.electorate.Visible(&slot)
		if !rec.Live() {
			return true
		}
		if len(out.Entries) == req.Limit {
			out.More = true
			return false
		}
		if !req.Recursive {
			if i := strings.IndexByte(path[len(req.Directory):], '/'); i >= 0 {
				dir := path[:len(req.Directory)+i+1]
				out.Entries = append(out.Entries, Entry{Path: dir, Directory: true})
				next = prefixRecord + afterDirectory(dir)
				return false
			}
		}
		out.Entries = append(out.Entries, Entry{Path: path, Version: rec.Version(), ContentType: rec.ContentType, Bytes: len(rec.Value)})
		return true
	})
	if scanErr != nil {
		return "", fmt.Errorf("list %q: %w", req.Directory, scanErr)
	}
	return next, bad
}
