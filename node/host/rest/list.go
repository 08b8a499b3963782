package rest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/listing"
	"kvs/node/host/rest/etags"
)

// list serves one page of a directory. Listings are eventual, whatever the node's default.
func (s *Server) list(c *fiber.Ctx, dir string) error {
	p, err := readParams(c, "consistency", "recursive", "limit", "after", "values", "count")
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
	if req.Values, err = p.bool("values"); err != nil {
		return err
	}
	if count, err := p.bool("count"); err != nil || count {
		if err == nil {
			err = s.count(c, req)
		}
		return err
	}
	page, err := s.sieve(c).List(req)
	if err != nil {
		return s.viewError(dir, err)
	}
	w := whoIs(c)
	for i := range page.Entries { // who may list a path may not always read it.
		if e := &page.Entries[i]; e.Value != nil && !w.may(access.Read, e.Path) {
			e.Value = nil
		}
	}
	return s.sendListing(c, listed(dir, &page, req.Values))
}

// sendListing sends a page with an ETag of its content: a client that has the same page gets 304. The ETag is weak,
// because the page may be compressed on its way.
func (s *Server) sendListing(c *fiber.Ctx, doc api.Listing) error {
	if err := s.sendJSON(c, fiber.StatusOK, doc); err != nil {
		return err
	}
	sum := sha256.Sum256(c.Response().Body())
	tag := fmt.Sprintf(`W/"%x"`, sum[:12])
	c.Context().Response.Header.SetCanonical([]byte(fiber.HeaderETag), []byte(tag))
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if list, ok := conditions(c, fiber.HeaderIfNoneMatch); ok && etags.Name(list, strings.TrimPrefix(tag, "W/"), true) {
		c.Status(fiber.StatusNotModified).Context().Response.ResetBody()
	}
	return nil
}

func listed(dir string, page *node.Listing, values bool) api.Listing {
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
			if e.Expires != 0 {
				entry.Expires = endText(e.Expires)
			}
			if values && e.Value != nil {
				entry.Text, entry.Base64 = api.SplitValue(e.Value)
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

// sieve lists what the sender of a request may list.
func (s *Server) sieve(c *fiber.Ctx) *listing.Sieve {
	o := listing.Options{View: s.opts.View(), Reserved: reserved, Right: access.List}
	if w := whoIs(c); w != nil {
		o.Rules = w.rules
	}
	return listing.New(o)
}
