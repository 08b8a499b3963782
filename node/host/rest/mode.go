package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/logging"
	"kvs/node/host/profiling"
	"kvs/node/host/rest/forwarding"
)

// mode serves the mode of the node, and its reasons.
func (s *Server) mode(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	return s.sendMode(c)
}

func (s *Server) sendMode(c *fiber.Ctx) error {
	snap := s.opts.Core.Snapshot()
	doc := api.Mode{Mode: snap.Mode.String(), Reasons: append([]string{}, snap.Reasons...),
		Operator: node.ModeNormal.String()}
	if slices.Contains(snap.Reasons, node.ReasonOperator) {
		doc.Operator = node.ModeReadOnly.String()
	}
	return s.sendJSON(c, fiber.StatusOK, doc)
}

// setMode sets the operator's mode. Other reasons for being read-only remain, and the answer has them.
func (s *Server) setMode(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	var wanted api.WantedMode
	err := decodeOne(c.Request().Body(), &wanted)
	readOnly := wanted.Mode == node.ModeReadOnly.String()
	if err == nil && !readOnly && wanted.Mode != node.ModeNormal.String() {
		err = fmt.Errorf("mode %.50q", wanted.Mode)
	}
	if err != nil {
		return refuse(api.BadBody, `%v: want {"mode":"normal"} or {"mode":"read-only"}`, err)
	}
	if s.opts.Core.Mode() == node.ModeFailed {
		return refuse(api.StorageFailed, "the disk failed: this node stores nothing until it is started again")
	}
	switch err := s.opts.Core.SetReadOnly(readOnly); {
	case err == nil:
		return s.sendMode(c)
	case errors.Is(err, ErrStopping):
		return refuse(api.ShuttingDown, "%v", err)
	default:
		return refuse(api.Timeout, "the mode may be set or not, and is not on disk yet (%v): look at it with GET /mode",
			err)
	}
}

// decodeOne decodes a body that is one JSON document without unknown fields.
func decodeOne(body []byte, document any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(document); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON document")
	}
	return nil
}

// logLevel serves the level of the node's log.
func (s *Server) logLevel(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if s.opts.LogLevel == nil {
		return refuse(api.NoRoute, "the level of this node's log cannot be changed while it runs")
	}
	return s.sendJSON(c, fiber.StatusOK, api.LogLevel{Level: logging.LevelName(s.opts.LogLevel.Level())})
}

// setLogLevel sets it until the node ends or reads its configuration again.
func (s *Server) setLogLevel(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	var wanted api.LogLevel
	err := decodeOne(c.Request().Body(), &wanted)
	level := slog.LevelInfo
	if err == nil {
		level, err = logging.ParseLevel(wanted.Level)
	}
	if err != nil {
		return refuse(api.BadBody, `%v: want {"level":"debug"}, info, warn or error`, err)
	}
	if s.opts.LogLevel != nil {
		s.opts.LogLevel.Set(level)
		s.opts.Log.Warn("the level of the log was set by a request", "level", logging.LevelName(level))
	}
	return s.logLevel(c)
}

// profile takes a profile of the process.
func (s *Server) profile(c *fiber.Ctx) error {
	p, err := readParams(c, "kind", "seconds")
	if err != nil {
		return err
	}
	seconds := 1
	if text, given := p["seconds"]; given {
		if seconds, err = strconv.Atoi(text); err != nil {
			return refuse(api.BadParameter, "seconds=%.20q is not a whole number", text)
		}
	}
	var taken bytes.Buffer
	switch err := profiling.Take(c.Context(), &taken, p["kind"], seconds); {
	case errors.Is(err, profiling.ErrBusy):
		return refuse(api.Overloaded, "%v: try again when it is over", err)
	case err != nil:
		return refuse(api.BadParameter, "%v", err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	return c.Send(taken.Bytes())
}

// A node that is still fetching its data has no answers of its own. It passes reads on to a member that serves: at most
// one hop, which the header Kvs-Via ensures. The answer is that member's, its name in Kvs-Node, with Kvs-Via naming
// this one.
const (
	forwardTriesMax     = 3
	forwardTriesTimeout = 2 // parts of the request's time: a silent member must leave time for another one.
)

// passOn answers a read through another member when this node cannot answer it; done is false when it can.
func (s *Server) passOn(c *fiber.Ctx) (done bool, err error) {
	switch s.opts.Core.Mode() {
	case node.ModeSyncing:
	case node.ModeFailed:
		return true, refuse(api.StorageFailed, "the disk failed: this node answers nothing until it is started again")
	default:
		return false, nil
	}
	if via := c.Request().Header.Peek(api.HeaderVia); len(via) > 0 {
		return true, refuse(api.Syncing, "this node is still fetching its data, and so is %.255s, which passed the "+
			"request on: ask another member", decodedName(via))
	}
	snap := s.opts.Core.Snapshot()
	if snap.Mode != node.ModeSyncing || snap.Bootstrap == nil {
		return false, nil // it has just become ready.
	}
	ready := snap.Bootstrap.Ready
	last := "none is known that serves"
	first := int(s.forwarded.Add(1))
	how := forwarding.Request{Via: s.nodeHeader, As: asWhom(c), Timeout: s.opts.RequestTimeout / forwardTriesTimeout}
	for i := range min(len(ready), forwardTriesMax) {
		addr := ready[(first+i)%len(ready)]
		if last = s.forwarder.Ask(c, addr, how); last == "" {
			return true, nil
		}
	}
	c.Context().Response.Reset()
	c.Context().Response.Header.SetCanonical([]byte(api.HeaderNode), []byte(s.nodeHeader))
	return true, refuse(api.Syncing, "this node is still fetching its data (%s), and no other member could answer in "+
		"its place: %s", strings.Join(snap.Reasons, ", "), last)
}

func escapedName(name string) string { return url.PathEscape(name) }

// decodedName is a node's name without percent-encoding.
func decodedName(header []byte) string {
	name, err := url.PathUnescape(string(header))
	if err != nil {
		return string(header)
	}
	return name
}
