// Package listing lists directories for senders that may not see all of them.
//
// It knows rights and rules as node/host/access has them, and no requests. Begin with Sieve.
package listing

import (
	"slices"
	"sort"
	"strings"

	"kvs/node"
	"kvs/node/host/access"
)

// Options of New.
type Options struct {
	View     *node.View
	Reserved string       // the directory that no listing shows.
	Right    access.Right // that shows a path.
	Rules    access.Rules // of the sender; nil: it may see everything else.
}

// Sieve lists a directory for a sender that may not list all of it: page and next do not reveal hidden paths.
type Sieve struct {
	o       Options
	borders []string // see access.Rules.Borders.
}

// New returns a Sieve over a view.
func New(o Options) *Sieve {
	s := &Sieve{o: o, borders: access.Rules{{Prefix: o.Reserved, Deny: []access.Right{o.Right}}}.Borders(o.Right)}
	if o.Rules != nil {
		s.borders = append(s.borders, o.Rules.Borders(o.Right)...)
		slices.Sort(s.borders)
	}
	return s
}

// Shows says whether the sender sees a path, or a directory.
func (s *Sieve) Shows(path string) bool {
	hidden := path == s.o.Reserved || strings.HasPrefix(path, s.o.Reserved+"/")
	return !hidden && (s.o.Rules == nil || s.o.Rules.Allow(s.o.Right, path))
}

// List is View.List of the visible paths.
func (s *Sieve) List(req node.ListRequest) (node.Listing, error) {
	if req.Directory != "" && (s.o.Rules == nil) {
		return s.o.View.List(req)
	}
	limit, began := req.Limit, req.After
	var out node.Listing
	for {
		page, err := s.o.View.List(req)
		if err != nil {
			return out, err
		}
		hidden := ""
		for _, e := range page.Entries {
			visible := s.Shows(e.Path)
			if hidden = ""; !visible {
				hidden = e.Path
			}
			switch {
			case visible && len(out.Entries) == limit:
				out.More, out.Next = true, behind(out.Entries, began)
				return out, nil
			case visible:
				out.Entries = append(out.Entries, e)
			}
			if !visible && req.Recursive {
				break
			}
		}
		seen, stopped := strings.CutSuffix(page.Next, "\x00") // the page has reached its bound of records read.
		switch {
		case hidden == "" && stopped && s.Shows(seen):
			out.More, out.Next = true, page.Next
			return out, nil
		case hidden == "" && stopped:
			hidden = seen
		}
		req.After = page.Next
		if hidden != "" && req.Recursive { // paths before the next border are hidden too: they are skipped.
			border, ok := s.borderAfter(hidden)
			if !ok {
				return out, nil
			}
			req.After = justBefore(border)
		} else if !page.More {
			return out, nil
		}
		if len(out.Entries) == limit {
			req.Limit = 1 // is there one more?
		}
	}
}

// behind is the After of the next page. It comes after that of this one, also when this one began in the middle of the
// directory that is its last entry.
func behind(entries []node.Entry, began string) string {
	last := entries[len(entries)-1].Path
	if last <= began {
		return strings.TrimSuffix(began, "\x00") + "\x01"
	}
	return last
}

// borderAfter is the next path from which on paths may be visible.
func (s *Sieve) borderAfter(path string) (string, bool) {
	i := sort.SearchStrings(s.borders, path+"\x00")
	if i == len(s.borders) {
		return "", false
	}
	return s.borders[i], true
}

// justBefore is a text before a border, with no path in between: no path holds the byte 0xff, nor a byte zero.
func justBefore(border string) string {
	last := border[len(border)-1]
	if last == 0 {
		return border[:len(border)-1]
	}
	return border[:len(border)-1] + string([]byte{last - 1, 0xff})
}
