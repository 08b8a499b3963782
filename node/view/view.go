// Package view answers eventual reads and listings straight from the durable store, beside the loop of the node.
//
// It writes nothing and needs no node. Begin with View.
package view

import (
	"fmt"
	"strings"

	"kvs/node/conflicts"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// View answers eventual reads and listings straight from the store, beside the loop. It is safe for concurrent use: it
// only reads, and it sees only what is durable, so nothing it shows can be lost in a crash.
type View struct {
	store      contract.Reader
	electorate *slot.Electorate
}

// New returns a View over store that decides conflicts by electorate, the last one in the node's Effects.
func New(store contract.Reader, electorate *slot.Electorate) *View {
	return &View{store, electorate}
}

// Get returns the record under path. Callers check Record.Live: it may be a tombstone, or no version at all.
func (v *View) Get(path string) (slot.Record, error) {
	b, ok, err := v.store.Get(schema.PrefixRecord + path)
	if err != nil {
		return slot.Record{}, fmt.Errorf("read %q: %w", path, err)
	}
	if !ok {
		return slot.Record{}, nil
	}
	stored, err := slot.Decode(path, b)
	if err != nil {
		return slot.Record{}, err
	}
	return v.electorate.Visible(&stored), nil
}

// Candidate returns a write that took part in a conflict under path, see conflicts.Candidate.
func (v *View) Candidate(path string, u slot.UUID) (slot.Record, bool, error) {
	return conflicts.Candidate(v.store, path, u)
}

// ListLimitMax bounds the entries of one listing, ListLimitDefault is what a listing gets that does not say.
const (
	ListLimitDefault = 1000
	ListLimitMax     = 10000
)

// listMax bounds the records that one page reads besides its entries: tombstones, records below directories that may
// show, and values, which have to be read to check that they are intact. The page ends at the bound with the entries
// that it has, perhaps none, and More set.
var listMax = budget{keys: 20000, bytes: 32 << 20} // tests make it small.

// ValuesBytesMax bounds the values of one page: a page with values ends before the value that would exceed it, unless
// that is its first.
const ValuesBytesMax = 4 << 20

// ListRequest asks for a directory's live content in byte order of the full paths.
type ListRequest struct {
	Directory string // "" for the root, else it ends in "/".
	Recursive bool   // all values below, instead of the direct children.
	Limit     int    // 1 to ListLimitMax.
	After     string // any text: only entries whose Path comes after it in byte order, or a Listing.Next; "": all.
	Values    bool   // entries have their values. A page is then bounded in bytes, too: see ValuesBytesMax.
}

// Entry is one line of a listing. Directories (Path ends in "/") appear only in listings that are not recursive, once,
// when something live is below them; they carry no version.
type Entry struct {
	Path        string
	Directory   bool
	Version     slot.Version
	ContentType string
	Bytes       int
	Expires     int64  // milliseconds since the Unix epoch; zero: it lives for ever.
	Value       []byte // if it was asked for. It is not written to.
}

// Listing is one page. When More is set the next page is asked for with Next as its After. It may have no entries: see
// listMax.
type Listing struct {
	Entries []Entry
	More    bool
	Next    string
}

// entriesAtFirst is how many entries a page has room for when it has its first value.
const entriesAtFirst = 8

// nextMark ends a Next that is no entry's path: the next page begins just after the path before the mark, which may be
// in the middle of a directory. No path contains it.
const nextMark = "\x00"

// List returns one page of req. The page is not a snapshot: writes beside it may or may not show.
func (v *View) List(req ListRequest) (Listing, error) {
	prefix := schema.PrefixRecord + req.Directory
	from := prefix
	if req.After > req.Directory {
		from = schema.PrefixRecord + req.firstAfter()
	}
	p := &page{view: v, req: req, budget: listMax}
	take := p.take // one for all scans: each would cost an allocation.
	for {
		p.seen, p.next = "", ""
		if err := v.store.Scan(prefix, from, take); err != nil {
			return p.out, fmt.Errorf("list %q: %w", req.Directory, err)
		}
		if p.bad != nil || p.next == "" {
			return p.out, p.bad
		}
		from = p.next
	}
}

// page is a page in the making. A scan ends when the page is full, when there is nothing more, or when a directory has
// been entered in a listing of children: then next is the key behind that directory, to go on from without walking
// through it.
type page struct {
	budget
	view *View
	req  ListRequest
	out  Listing
	seen string // the last path that the scan has looked at.
	next string
	bad  error // of a record.
}

// budget is what one page may still read, the memory that it reads into, and the bytes of the values that it has.
type budget struct {
	keys, bytes int
	stored      slot.Slot
	values      int
}

// spend subtracts a record, and reports whether it was still allowed.
func (b *budget) spend(bytes int) bool {
	if b.keys <= 0 || b.bytes <= 0 {
		return false
	}
	b.keys--
	b.bytes -= bytes
	return true
}

// firstAfter is the least path that may be in an entry after req.After. In a listing of children, a path below a child
// directory belongs to that directory's entry, which is not after it: the whole directory is skipped. In a recursive
// one, every path is an entry of its own, and "a/" comes before all that is below it.
func (req *ListRequest) firstAfter() string {
	if strings.HasSuffix(req.After, nextMark) {
		return req.After // the least path after the one before the mark.
	}
	if below, ok := strings.CutPrefix(req.After, req.Directory); ok && !req.Recursive {
		if i := strings.IndexByte(below, '/'); i >= 0 {
			return afterDirectory(req.After[:len(req.Directory)+i+1])
		}
	}
	return req.After + "\x00"
}

// behind is the After of the page that follows the last entry of this one. It is above this page's After, also when
// this page began in the middle of the directory that is its last entry.
func (req *ListRequest) behind(out *Listing) string {
	last := out.Entries[len(out.Entries)-1].Path
	if last <= req.After {
		return strings.TrimSuffix(req.After, nextMark) + "\x01" // below the directory, and no mark.
	}
	return last
}

// afterDirectory is the least path that comes after everything in dir, which ends in "/".
func afterDirectory(dir string) string {
	return dir[:len(dir)-1] + "0" // '0' follows '/'.
}

// take takes in a record, and reports whether the scan goes on.
func (p *page) take(key string, value []byte) bool {
	path, req, out := key[len(schema.PrefixRecord):], &p.req, &p.out
	if !p.spend(len(value)) {
		out.More = true
		if out.Next = p.seen + nextMark; p.seen == "" { // it has just gone past a directory.
			out.Next = req.behind(out)
		}
		return false
	}
	p.seen = path
	if p.bad = p.stored.Decode(path, value); p.bad != nil {
		return false
	}
	rec := p.view.electorate.Visible(&p.stored)
	if !rec.Live() {
		return true
	}
	if len(out.Entries) == req.Limit || req.Values && p.values > 0 && p.values+len(rec.Value) > ValuesBytesMax {
		out.More, out.Next = true, req.behind(out)
		return false
	}
	if !req.Recursive {
		if i := strings.IndexByte(path[len(req.Directory):], '/'); i >= 0 {
			dir := path[:len(req.Directory)+i+1]
			out.Entries = append(out.Entries, Entry{Path: dir, Directory: true})
			p.next = schema.PrefixRecord + afterDirectory(dir)
			return false
		}
	}
	if out.Entries == nil {
		out.Entries = make([]Entry, 0, min(req.Limit, entriesAtFirst))
	}
	entry := Entry{Path: path, Version: rec.Version(), ContentType: rec.ContentType, Bytes: len(rec.Value),
		Expires: rec.Expires}
	if req.Values {
		entry.Value = append([]byte{}, rec.Value...) // not nil; the memory of the scan is used again.
		p.values += len(rec.Value)
	}
	out.Entries = append(out.Entries, entry)
	return true
}
