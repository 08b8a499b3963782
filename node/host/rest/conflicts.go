package rest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/rest/documents"
	"kvs/node/slot"
)

const conflictsPrefix = "/conflicts/"

// Conflicts of one answer.
const (
	conflictsDefault = 100
	conflictsMax     = node.ConflictsKeptMax
)

// conflicts lists the last decisions, newest first.
func (s *Server) conflicts(c *fiber.Ctx) error {
	p, err := readParams(c, "prefix", "limit")
	if err != nil {
		return err
	}
	prefix := p["prefix"]
	if len(prefix) > slot.PathBytesMax || !utf8.ValidString(prefix) {
		return refuse(api.BadParameter, "prefix: want UTF-8 of at most %d bytes", slot.PathBytesMax)
	}
	limit := conflictsDefault
	if v, ok := p["limit"]; ok {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > conflictsMax {
			return refuse(api.BadParameter, "limit=%.100q: want a number from 1 to %d", v, conflictsMax)
		}
	}
	asked, w := limit, whoIs(c)
	if w != nil && w.rules != nil {
		asked = conflictsMax // some of them are filtered out.
	}
	list, err := s.opts.Core.Conflicts(prefix, asked)
	if err != nil {
		return s.unanswered(err)
	}
	list = visibleConflicts(list, w, limit)
	snap := s.opts.Core.Snapshot()
	doc := api.Conflicts{Conflicts: make([]api.Conflict, 0, len(list))}
	for i := range list {
		doc.Conflicts = append(doc.Conflicts, documents.Conflict(&list[i], &snap.Status))
	}
	return s.sendJSON(c, fiber.StatusOK, doc)
}

// visibleConflicts are those of paths that may be listed, at most limit. The list is shared and not changed.
func visibleConflicts(list []node.ConflictRecord, w *who, limit int) (out []node.ConflictRecord) {
	for i := range list {
		if len(out) < limit && !isReserved(list[i].Path) && w.may(access.List, list[i].Path) {
			out = append(out, list[i])
		}
	}
	return out
}

// unanswered is a question to the core that got no answer.
func (s *Server) unanswered(err error) error {
	switch {
	case errors.Is(err, ErrStopping):
		return shuttingDown()
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{code: api.Timeout, detail: "the node did not answer within " + s.opts.RequestTimeout.String() +
			" (request_timeout)"}
	}
	return &problem{code: api.Internal, detail: err.Error()}
}

// candidate serves a write that took part in a conflict: also one that lost, for as long as it is kept.
func (s *Server) candidate(c *fiber.Ctx) error {
	if bytes.IndexByte(c.Request().Header.RequestURI(), '#') >= 0 {
		return refuse(api.BadPath, `the URL holds a "#": write it as %%23`)
	}
	path, directory, err := pathBehind(conflictsPrefix, c.Request().URI().PathOriginal())
	if err != nil {
		return err
	}
	if directory {
		return refuse(api.BadPath, "%q is a directory: conflicts below it are listed by /conflicts?prefix=", path)
	}
	p, err := readParams(c, "uuid")
	if err != nil {
		return err
	}
	given, ok := p["uuid"]
	if !ok {
		return refuse(api.BadParameter, "uuid is missing: /conflicts?prefix= shows those of the candidates")
	}
	u, err := slot.ParseUUID(given)
	if err != nil {
		return refuse(api.BadParameter, "uuid: %v", err)
	}
	rec, found, err := s.opts.View().Candidate(path, u)
	switch {
	case err != nil:
		return s.viewError(path, err)
	case !found:
		return refuse(api.NotFound, "no write %s of %q is held here any more: see /conflicts", u, path)
	}
	stampVersion(c, &rec)
	if rec.Tombstone {
		return refuse(api.NotFound, "the write %s of %q was a deletion", u, path)
	}
	return sendValue(c, &rec)
}
