package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/rest/etags"
	"kvs/node/host/rest/ranges"
)

// get serves GET and HEAD of a value, or hands a directory to list.
func (s *Server) get(c *fiber.Ctx) error {
	if err := s.overdue(c); err != nil {
		return err
	}
	path, directory, err := kvTarget(c)
	if err != nil {
		return err
	}
	if isWatch(c) {
		return s.watch(c, path)
	}
	if done, err := s.passOn(c); done {
		return err
	}
	if directory {
		return s.list(c, path)
	}
	p, err := readParams(c, "consistency")
	if err != nil {
		return err
	}
	level, err := p.level(s.opts.DefaultLevel)
	if err != nil {
		return err
	}
	stampLevel(c, level)
	rec, level, err := s.read(context.Background(), path, level)
	if err != nil {
		return err
	}
	stampLevel(c, level)
	stampVersion(c, &rec)
	if !rec.Live() {
		return refuse(api.NotFound, "there is no value at %q", path)
	}
	return sendValue(c, &rec)
}

// read answers eventual reads beside the core's loop.
func (s *Server) read(ctx context.Context, path string, level node.Level) (node.Record, node.Level, error) {
	if level == node.Eventual {
		rec, err := s.opts.View().Get(path)
		if err != nil {
			return rec, level, s.viewError(path, err)
		}
		return rec, level, nil
	}
	resp, err := s.do(ctx, &node.Request{Op: node.OpGet, Level: level, Path: path})
	if err != nil {
		return node.Record{}, level, err
	}
	if resp.Code != node.CodeNotFound {
		err = refusal(&resp, false)
	}
	return resp.Record, resp.Level, err
}

func (s *Server) viewError(path string, err error) error {
	s.opts.Log.Error("read failed", "path", path, "error", err.Error())
	if errors.Is(err, node.ErrCorrupt) {
		return refuse(api.StorageCorrupt, "%v: this node repairs it from a peer's copy; ask another member meanwhile",
			err)
	}
	return refuse(api.StorageError, "%v", err)
}

// sendValue answers with a live record, if the request's conditions allow it.
func sendValue(c *fiber.Ctx, rec *node.Record) error {
	stampETag(c, rec)
	setHeader(c, fiber.HeaderCacheControl, "no-cache") // may be cached, but must be validated each time.
	if list, ok := conditions(c, fiber.HeaderIfMatch); ok && !etags.Name(list, quotedETag(rec), false) {
		return refuse(api.Precondition, "the value has another ETag than those in If-Match: %s", quotedETag(rec))
	}
	if list, ok := conditions(c, fiber.HeaderIfNoneMatch); ok && etags.Name(list, quotedETag(rec), true) {
		c.Status(fiber.StatusNotModified)
		return nil
	}
	ct := rec.ContentType
	if ct == "" {
		ct = api.ContentTypeBinary
	}
	c.Context().Response.Header.SetContentType(ct)
	// A value with the type of a page must not be run as a script of this origin.
	setHeader(c, fiber.HeaderXContentTypeOptions, "nosniff")
	setHeader(c, fiber.HeaderContentSecurityPolicy, "sandbox")
	setHeader(c, fiber.HeaderAcceptRanges, "bytes")
	body, err := part(c, rec)
	if err != nil {
		return err
	}
	c.Context().Response.SetBodyRaw(body) // not copied: it is never written to.
	return nil
}

// part is the range of a value that is asked for, if it is, and otherwise all of it.
func part(c *fiber.Ctx, rec *node.Record) ([]byte, error) {
	header := c.Request().Header.Peek(fiber.HeaderRange)
	if header == nil || c.Method() != fiber.MethodGet {
		return rec.Value, nil
	}
	if version := c.Request().Header.Peek(fiber.HeaderIfRange); version != nil && string(version) != quotedETag(rec) {
		return rec.Value, nil // the client has a part of another version.
	}
	from, to, ok, err := ranges.Parse(string(header), len(rec.Value))
	switch {
	case err != nil:
		setHeader(c, fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", len(rec.Value)))
		return nil, refuse(api.BadRange, "Range %.100q: %v, which has %d bytes", header, err, len(rec.Value))
	case !ok:
		return rec.Value, nil
	}
	c.Status(fiber.StatusPartialContent)
	setHeader(c, fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(rec.Value)))
	return rec.Value[from:to], nil
}

// write serves PUT and DELETE.
func (s *Server) write(c *fiber.Ctx) error {
	if err := s.overdue(c); err != nil {
		return err
	}
	path, directory, err := kvTarget(c)
	if err != nil {
		return err
	}
	if directory && c.Method() == fiber.MethodDelete {
		return s.deleteBelow(c, path)
	}
	if directory {
		return refuse(api.BadPath,
			"%q is a directory: values are written one by one, under paths that do not end in a slash", path)
	}
	p, err := readParams(c, "consistency", "return")
	if err != nil {
		return err
	}
	level, err := p.level(s.opts.DefaultLevel)
	if err != nil {
		return err
	}
	stampLevel(c, level)
	withVersion, err := p.returnsVersion()
	if err != nil {
		return err
	}
	cond, err := condition(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if cond.Kind != node.Unconditional || len(key) > 0 { // there is no compare-and-set at a lower level.
		level = node.Linearizable
		stampLevel(c, level)
	}
	r := &node.Request{Op: node.OpDelete, Level: level, Path: path, Condition: cond}
	if c.Method() == fiber.MethodPut {
		err = s.readValue(c, r)
	} else {
		err = refuseValueHeaders(c)
	}
	if err != nil {
		return err
	}
	if len(key) > 0 {
		r.SetKey(key)
	}
	resp, err := s.do(context.Background(), r)
	if err != nil {
		return err
	}
	stampLevel(c, resp.Level)
	if err := refusal(&resp, true); err != nil {
		if resp.Code == node.CodePrecondition && resp.Record.Live() { // what is there instead.
			stampVersion(c, &resp.Record)
			stampETag(c, &resp.Record)
		}
		return err
	}
	return s.written(c, path, &resp, withVersion)
}

// readValue puts body and Content-Type into a put. The body is the request's own memory (see takeBody); the rest is
// copied, because fiber reuses its memory.
func (s *Server) readValue(c *fiber.Ctx, r *node.Request) (err error) {
	if enc := c.Request().Header.ContentEncoding(); len(enc) > 0 && string(enc) != "identity" {
		return refuse(api.BadMediaType,
			"Content-Encoding %.100q would not be kept with the value: omit it, or name it in the Content-Type", enc)
	}
	// RFC 9110 section 14.5: a part must not be stored as the whole.
	if c.Request().Header.Peek(fiber.HeaderContentRange) != nil {
		return refuse(api.BadHeader,
			"%s: a part of a value cannot be written; omit the header, the body is the whole value",
			fiber.HeaderContentRange)
	}
	if r.ContentType, err = contentType(c); err != nil {
		return err
	}
	if r.TTL, err = ttl(c); err != nil {
		return err
	}
	body := c.Request().Body()
	// it was limited before it was read: by the same number, if the target was understood as here.
	if len(body) > s.opts.ValueBytesMax {
		return s.valueTooLarge()
	}
	if cap(body) > len(body)+len(body)/4 {
		body = bytes.Clone(body) // it came in chunks: the core may keep the value for long.
	}
	r.Op, r.Value = node.OpPut, body
	return nil
}

// written answers a write that succeeded.
func (s *Server) written(c *fiber.Ctx, path string, resp *node.Response, withVersion bool) error {
	rec := &resp.Record
	stampVersion(c, rec)
	if rec.Live() {
		stampETag(c, rec)
	}
	status := fiber.StatusNoContent
	if resp.Code == node.CodeCreated {
		status = fiber.StatusCreated
	}
	if !withVersion {
		c.Status(status)
		return nil
	}
	if status == fiber.StatusNoContent {
		status = fiber.StatusOK // there is content: the version.
	}
	v := api.Version{Path: path}
	if rec.Exists() { // otherwise nothing was deleted, at a level that can tell.
		v = api.Version{Path: path, ETag: rec.Version().ETag(), Timestamp: rec.TS.String(), UUID: rec.UUID.String()}
	}
	return s.sendJSON(c, status, v)
}

// do asks the core until ctx ends, for as long as a request may take, and returns a problem when there is no answer.
func (s *Server) do(ctx context.Context, r *node.Request) (node.Response, error) {
	write, op := r.Op != node.OpGet, r.Op // the core owns r from now on.
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	resp, err := s.opts.Core.Do(ctx, r)
	return resp, s.noAnswer(err, op, write)
}

// noAnswer is the problem that the core gave no answer; nil: it did.
func (s *Server) noAnswer(err error, op node.OpKind, write bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrStopping):
		return outcomeOf(write, api.NotApplied, shuttingDown())
	case errors.Is(err, context.DeadlineExceeded):
		return outcomeOf(write, api.Unknown, &problem{code: api.Timeout,
			detail: "the node did not finish within " + s.opts.RequestTimeout.String() + " (request_timeout)"})
	}
	s.opts.Log.Error("the core gave no answer", "operation", op.String(), "error", err.Error())
	return outcomeOf(write, api.Unknown, &problem{code: api.Internal, detail: err.Error()})
}

func shuttingDown() *problem {
	return &problem{code: api.ShuttingDown, detail: "this node is shutting down: ask another member"}
}

func outcomeOf(write bool, outcome string, p *problem) error {
	if write {
		p.outcome = outcome
	}
	return p
}

// stampLevel sets the header with the level of the operation.
func stampLevel(c *fiber.Ctx, level node.Level) {
	if level != node.DefaultLevel {
		setHeader(c, api.HeaderConsistency, level.String())
	}
}

// stampVersion sets the header with the version that the answer is about, also that of a tombstone.
func stampVersion(c *fiber.Ctx, rec *node.Record) {
	if rec.Exists() {
		var text [32]byte
		c.Context().Response.Header.SetCanonical([]byte(api.HeaderTimestamp), rec.TS.Append(text[:0]))
	}
	if rec.Expires != 0 {
		setHeader(c, api.HeaderExpires, endText(rec.Expires))
	}
}

// endText is when a value ends.
func endText(millis int64) string { return time.UnixMilli(millis).UTC().Format(time.RFC3339) }

// stampETag sets the ETag of the version. It keeps the usual spelling; fasthttp would write Etag.
func stampETag(c *fiber.Ctx, rec *node.Record) {
	var text [64]byte
	c.Context().Response.Header.SetCanonical([]byte(fiber.HeaderETag), appendQuotedETag(text[:0], rec))
}

func quotedETag(rec *node.Record) string { return string(appendQuotedETag(nil, rec)) }

func appendQuotedETag(b []byte, rec *node.Record) []byte {
	return append(rec.Version().AppendETag(append(b, '"')), '"')
}

// setHeader sets a header of the answer whose name is in the form in which it is sent, so that it is not converted for
// each request.
func setHeader(c *fiber.Ctx, name, value string) {
	c.Context().Response.Header.SetCanonical([]byte(name), []byte(value))
}
