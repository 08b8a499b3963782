package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/rest/batches"
)

// batch serves POST /batch. The answer is 207 (RFC 4918 section 11.1): each result has a status of its own.
func (s *Server) batch(c *fiber.Ctx) error {
	if err := s.overdue(c); err != nil {
		return err
	}
	if _, err := readParams(c); err != nil {
		return err
	}
	media, _, _ := mime.ParseMediaType(string(c.Request().Header.ContentType()))
	if media != api.ContentTypeJSON && media != api.ContentTypeLines {
		return refuse(api.BadMediaType, "Content-Type %.100q: want %s for an array of operations, or %s for one a line",
			c.Request().Header.ContentType(), api.ContentTypeJSON, api.ContentTypeLines)
	}
	ops, err := batches.Parse(c.Request().Body(), media == api.ContentTypeLines)
	if err != nil {
		return err
	}
	if err := s.serves(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	out := batches.Run(ctx, s.door(c), batches.Limits{ValueBytesMax: s.opts.ValueBytesMax, Level: s.opts.DefaultLevel},
		ops)
	if media == api.ContentTypeJSON {
		return s.sendJSON(c, fiber.StatusMultiStatus, out)
	}
	var body bytes.Buffer
	for enc, i := json.NewEncoder(&body), 0; i < len(out.Results); i++ {
		if err := enc.Encode(&out.Results[i]); err != nil {
			return err
		}
	}
	setHeader(c, fiber.HeaderCacheControl, "no-store")
	c.Context().Response.Header.SetContentType(api.ContentTypeLines)
	c.Status(fiber.StatusMultiStatus).Context().Response.SetBodyRaw(body.Bytes())
	return nil
}

// serves refuses what is not passed on to another member while this one cannot answer.
func (s *Server) serves() error {
	switch s.opts.Core.Mode() {
	case node.ModeSyncing:
		return refuse(api.Syncing, "this node is still fetching its data: ask another member")
	case node.ModeFailed:
		return refuse(api.StorageFailed, "the disk failed: this node answers nothing until it is started again")
	}
	return nil
}

// deleteBelow serves the deletion of everything below a directory, one page at a time.
func (s *Server) deleteBelow(c *fiber.Ctx, dir string) error {
	p, err := readParams(c, "consistency", "recursive", "confirm", "limit", "after")
	if err != nil {
		return err
	}
	recursive, err := p.bool("recursive")
	if err != nil {
		return err
	}
	want := api.ConfirmDirectory(dir)
	switch confirmed, given := p["confirm"]; {
	case !recursive:
		return refuse(api.BadPath, "%q is a directory: recursive=true&confirm=%s deletes everything below it", dir,
			want)
	case !given || confirmed != want:
		return refuse(api.BadParameter, "confirm=%.100q: everything below %q would be deleted: confirm it by "+
			"its name, confirm=%s", confirmed, want, want)
	}
	level, err := p.level(s.opts.DefaultLevel)
	if err != nil {
		return err
	}
	req := node.ListRequest{Directory: dir, Recursive: true}
	if req.Limit, err = p.limit(); err != nil {
		return err
	}
	if req.After, err = p.after(dir); err != nil {
		return err
	}
	if err := refuseConditions(c); err != nil {
		return err
	}
	if w := whoIs(c); !w.may(access.List, dir) {
		return notAllowed(need{right: access.List, path: dir})
	}
	if err := s.serves(); err != nil {
		return err
	}
	stampLevel(c, level)
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	out, err := batches.Delete(ctx, s.door(c), s.sieve(c).List, level, req)
	if err != nil {
		return s.viewError(dir, err)
	}
	status := fiber.StatusOK
	if len(out.Failed) > 0 {
		status = fiber.StatusMultiStatus
	}
	return s.sendJSON(c, status, out)
}

// refuseConditions refuses headers that a deletion of many values cannot honour.
func refuseConditions(c *fiber.Ctx) error {
	for _, header := range []string{fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch, api.HeaderIdempotencyKey} {
		if c.Request().Header.Peek(header) != nil {
			return refuse(api.BadHeader, "%s is for one value: omit it, or delete the values one by one", header)
		}
	}
	return refuseValueHeaders(c)
}

// count serves ?count=true.
func (s *Server) count(c *fiber.Ctx, req node.ListRequest) error {
	req.Values = false
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout/2) // a last page may take a while.
	defer cancel()
	n, err := batches.Count(ctx, s.sieve(c).List, req)
	if err != nil {
		return s.viewError(req.Directory, err)
	}
	return s.sendJSON(c, fiber.StatusOK, n)
}

// door runs the operations of one request, each with its own right, in the audit log and in the metrics.
type door struct {
	s       *Server
	who     *who
	address string
}

func (s *Server) door(c *fiber.Ctx) *door {
	return &door{s: s, who: whoIs(c), address: c.Context().RemoteAddr().String()}
}

func (d *door) Allowed(right access.Right, path string) error {
	if isReserved(path) {
		return refuseReserved(path)
	}
	if !d.who.may(right, path) {
		return notAllowed(need{right: right, path: path})
	}
	if d.who == nil {
		return nil
	}
	return d.s.withinRate(d.who)
}

func (d *door) Read(ctx context.Context, path string, level node.Level) (node.Record, node.Level, error) {
	return d.s.read(ctx, path, level)
}

func (d *door) Write(ctx context.Context, rs []*node.Request, answer func(int, node.Response, error)) {
	d.s.opts.Core.DoAll(ctx, rs, func(i int, resp node.Response, err error) {
		if err = d.s.noAnswer(err, node.OpPut, true); err == nil {
			if err = refusal(&resp, true); err != nil && resp.Code != node.CodePrecondition {
				resp.Record = node.Record{}
			}
		}
		answer(i, resp, err)
	})
}

func (d *door) Problem(err error, write bool) api.Problem {
	var p *problem
	var refused *batches.Refusal
	switch {
	case errors.As(err, &p):
	case errors.As(err, &refused):
		p = &problem{code: refused.Code, detail: refused.Detail}
	default:
		d.s.opts.Log.Error("an operation of a batch failed", "error", err.Error())
		p = &problem{code: api.Internal, detail: "the operation failed; the log of this node has the details"}
		if write {
			p.outcome = api.Unknown
		}
	}
	if write && p.outcome == "" {
		p.outcome = api.NotApplied
	}
	doc, err := d.s.document(p)
	if err != nil {
		d.s.opts.Log.Error("a problem has no description", "error", err.Error())
	}
	return doc
}

var batchMethods = map[string]struct {
	method string
	op     Op
}{
	api.BatchGet: {fiber.MethodGet, OpGet}, api.BatchPut: {fiber.MethodPut, OpPut},
	api.BatchDelete: {fiber.MethodDelete, OpDelete},
}

func (d *door) Answered(r *api.BatchResult, took time.Duration) {
	known, ok := batchMethods[r.Op]
	if !ok {
		return
	}
	code := api.Code("")
	if r.Problem != nil {
		code = r.Problem.Code
	}
	level, _ := node.ParseLevel(r.Consistency) // refused before it was known: the default.
	d.s.opts.Metrics.Request(known.op, level, code, took)
	if d.s.opts.Audit == nil {
		return
	}
	a := Audited{Time: time.Now().UTC().Add(-took), Address: d.address, Method: known.method, Status: r.Status,
		Code: code, Path: kvPrefix + strings.ReplaceAll(url.PathEscape(r.Path), "%2F", "/"),
		Millis: took.Milliseconds()}
	a.Path = a.Path[:min(len(a.Path), auditPathBytesMax)]
	if d.who != nil {
		a.Who = d.who.id
	}
	d.s.opts.Audit(a)
}
