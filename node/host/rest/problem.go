package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/connections"
	"kvs/node/host/rest/batches"
	"kvs/node/host/rest/console"
	"kvs/node/slot"
)

// problemType says that the code is the type (RFC 9457 section 4.2.1).
const problemType = "about:blank"

// problem is an error on its way to the client.
type problem struct {
	code       api.Code
	detail     string
	outcome    string
	status     int // instead of the code's; zero: the code's.
	retryAfter time.Duration
}

func (p *problem) Error() string { return string(p.code) + ": " + p.detail }

func refuse(code api.Code, format string, args ...any) error {
	return &problem{code: code, detail: fmt.Sprintf(format, args...)}
}

// handleError writes an error of a handler, fiber or fasthttp as a problem document.
func (s *Server) handleError(c *fiber.Ctx, err error) error {
	p := s.problemOf(c, err)
	// A refused request did nothing, unless the handler has set another outcome.
	if p.outcome == "" && (isWrite(c) || isUnread(c)) {
		p.outcome = api.NotApplied
	}
	return s.sendProblem(c, p)
}

// problemOf is what is told of an error of a handler, fiber or fasthttp.
func (s *Server) problemOf(c *fiber.Ctx, err error) *problem {
	var p *problem
	var refused *batches.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		return &problem{code: refused.Code, detail: refused.Detail}
	}
	return s.translate(c, err)
}

func isWrite(c *fiber.Ctx) bool {
	switch c.Method() {
	case fiber.MethodPut, fiber.MethodDelete, fiber.MethodPatch:
		return true
	}
	return c.Path() == api.PathBatch
}

// isUnread reports whether the request is unknown: fasthttp drops the header when the body after it cannot be read. It
// may have been a write.
func isUnread(c *fiber.Ctx) bool { return c.Request().Header.Len() == 0 }

// document is a problem as clients get it.
func (s *Server) document(p *problem) (api.Problem, error) {
	kind, err := api.Describe(p.code)
	if err != nil {
		return api.Problem{}, err
	}
	if p.status != 0 {
		kind.Status = p.status
	}
	doc := api.Problem{
		Type: problemType, Title: kind.Title, Status: kind.Status, Detail: p.detail, Code: p.code,
		Retryable: kind.Retryable, Outcome: p.outcome, Node: s.opts.Name,
	}
	if waitHelps(kind.Status) {
		wait := max(p.retryAfter, time.Second)
		doc.RetryAfter = int((wait + time.Second - 1) / time.Second)
	}
	return doc, nil
}

func (s *Server) sendProblem(c *fiber.Ctx, p *problem) error {
	doc, err := s.document(p)
	if err != nil {
		return err
	}
	if doc.RetryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(doc.RetryAfter))
	}
	if doc.Status == fiber.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="kvs"`)
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	h := &c.Context().Response.Header
	h.SetCanonical([]byte(api.HeaderNode), []byte(s.nodeHeader)) // again: prepare was not called for parse errors.
	h.Set(fiber.HeaderCacheControl, "no-store")
	h.SetContentType(api.ContentTypeProblem)
	return c.Status(doc.Status).Send(append(body, '\n'))
}

func waitHelps(status int) bool {
	return status == fiber.StatusServiceUnavailable || status == fiber.StatusTooManyRequests ||
		status == fiber.StatusInsufficientStorage
}

// translate finds the code of an error of fiber or fasthttp.
func (s *Server) translate(c *fiber.Ctx, err error) *problem {
	var fe *fiber.Error
	status := fiber.StatusInternalServerError
	if errors.As(err, &fe) {
		status = fe.Code
	}
	switch status {
	case fiber.StatusRequestEntityTooLarge:
		return s.tooLarge(c)
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return &problem{code: api.HeadersTooLarge,
			detail: fmt.Sprintf("URL and headers are larger than %d bytes (limits.header_bytes_max): shorten them",
				s.opts.Limits.HeaderBytesMax)}
	case fiber.StatusRequestTimeout:
		return &problem{code: api.RequestTimeout,
			detail: fmt.Sprintf("the request did not arrive within %v: send it faster, or in smaller parts",
				s.opts.ReadTimeout)}
	case fiber.StatusMethodNotAllowed:
		return &problem{code: api.BadMethod,
			detail: "this route does not support this method: the Allow header has those that it supports"}
	case fiber.StatusNotFound:
		return noRoute(c)
	case fiber.StatusBadRequest, fiber.StatusBadGateway: // fiber returns the latter for a broken connection.
		return &problem{code: api.BadRequest, detail: "the request could not be read: " + err.Error()}
	}
	s.opts.Log.Error("request failed", "method", c.Method(), "path", string(c.Request().URI().PathOriginal()), "error",
		err.Error())
	return &problem{code: api.Internal, detail: err.Error()}
}

// tooLarge is the problem of a body that fasthttp stopped reading. The connection is closed with a linger, so that the
// answer arrives.
func (s *Server) tooLarge(c *fiber.Ctx) *problem {
	connections.Of(c.Context().Conn()).Linger()
	limit := s.bodyLimit(c.Request().Header.RequestURI())
	if isUnread(c) || isWrite(c) && limit == s.opts.ValueBytesMax {
		return s.valueTooLarge() // only a value can be so large.
	}
	return &problem{code: api.BodyTooLarge,
		detail: fmt.Sprintf("the body is larger than %d bytes, the limit of this route", limit)}
}

func (s *Server) valueTooLarge() *problem {
	return &problem{code: api.ValueTooLarge, detail: fmt.Sprintf(
		"the value is larger than %d bytes, the limit of this node (value_bytes_max): split it, or raise the limit, "+
			"up to %d", s.opts.ValueBytesMax, slot.ValueBytesHardMax)}
}

func noRoute(c *fiber.Ctx) *problem {
	path := string(c.Request().URI().PathOriginal())
	p := &problem{code: api.NoRoute,
		detail: fmt.Sprintf("there is nothing at %.200q: values are below /kv/, the other routes are in /openapi.yaml",
			path)}
	switch path {
	case "/kv", "/members":
		p.detail = fmt.Sprintf("there is nothing at %s: you may mean %s/", path, path)
	case console.Path, console.Path + "/":
		p.detail = "the console of this node is off: console in its configuration turns it on"
	}
	return p
}

// recoverPanics keeps a bug in one handler from ending the node: the core runs elsewhere.
func (s *Server) recoverPanics(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.opts.Log.Error("panic in a request handler", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			p := &problem{code: api.Internal, detail: "the handler failed; the log of this node has the details"}
			if isWrite(c) {
				p.outcome = api.Unknown
			}
			err = p
		}
	}()
	return c.Next()
}

// refusal is the problem of a core's refusal; nil for a success.
func refusal(r *node.Response, write bool) error {
	code, bad := api.FromNode(r.Code)
	if !bad {
		return nil
	}
	p := &problem{code: code, detail: r.Detail, retryAfter: r.RetryAfter}
	if write {
		p.outcome = r.Outcome.String()
	}
	return p
}
