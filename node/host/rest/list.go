package rest

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
)

// list serves one page of a directory. Listings are eventual, whatever the node's default.
func (s *Server) list(c *fiber.Ctx, dir string) error {
	p, err := readParams(c, "consistency", "recursive", "limit", "after")
	if err != nil {
		return err
	}
	level, err := p.level(node.Eventual)
	if err != nil {
		return err
	}
	stampLevel(c, level)
	if level != node.Eventual {
		return refuse(api.NotImplemented, "listings are eventual: omit consistency=%s", level)
	}
	req := node.ListRequest{Directory: dir}
	if req.Recursive, err = p.bool("recursive"); err != nil {
		return err
	}
	if req.Limit, err = p.limit(); err != nil {
		return err
	}
	if req.After, err = p.after(dir); err != nil {
		return err
	}
	page, err := newSieve(s.opts.View(), whoIs(c)).list(req)
	if err != nil {
		return s.viewError(dir, err)
	}
	return s.sendJSON(c, fiber.StatusOK, listing(dir, &page))
}

func listing(dir string, page *node.Listing) api.Listing {
	out := api.Listing{Directory: dir, Entries: make([]api.Entry, 0, len(page.Entries)), More: page.More,
		Next: page.Next}
	for _, e := range page.Entries {
		entry := api.Entry{Path: e.Path, Name: e.Path[len(dir):], Directory: e.Directory}
		if !e.Directory {
			size := e.Bytes
			entry.ETag, entry.Timestamp, entry.ContentType, entry.Bytes = e.Version.ETag(), e.Version.TS.String(),
				e.ContentType, &size
			if entry.ContentType == "" {
				entry.ContentType = api.ContentTypeBinary // as a GET says.
			}
		}
		out.Entries = append(out.Entries, entry)
	}
	return out
}

func (s *Server) sendJSON(c *fiber.Ctx, status int, doc any) error {
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	h := &c.Context().Response.Header
	h.Set(fiber.HeaderCacheControl, "no-store")
	h.SetContentType(api.ContentTypeJSON)
	c.Status(status).Context().Response.SetBodyRaw(append(body, '\n'))
	return nil
}

// sieve lists a directory for a sender that may not list all of it: page and next do not reveal hidden paths.
type sieve struct {
	view    *node.View
	who     *who
	borders []string // see access.Rules.Borders.
}

func newSieve(view *node.View, w *who) *sieve {
	s := &sieve{view: view, who: w,
		borders: access.Rules{{Prefix: reserved, Deny: []access.Right{access.List}}}.Borders(access.List)}
	if w != nil {
		s.borders = append(s.borders, w.rules.Borders(access.List)...)
		slices.Sort(s.borders)
	}
	return s
}

func (s *sieve) shows(path string) bool {
	return !isReserved(path) && path != reserved+"/" && s.who.may(access.List, path)
}

// list is View.List of the visible paths.
func (s *sieve) list(req node.ListRequest) (node.Listing, error) {
	if req.Directory != "" && (s.who == nil || s.who.rules == nil) {
		return s.view.List(req)
	}
	limit, began := req.Limit, req.After
	var out node.Listing
	for {
		page, err := s.view.List(req)
		if err != nil {
			return out, err
		}
		hidden := ""
		for _, e := range page.Entries {
			visible := s.shows(e.Path)
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
		case hidden == "" && stopped && s.shows(seen):
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
func (s *sieve) borderAfter(path string) (string, bool) {
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
