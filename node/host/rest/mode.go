package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/logging"
	"kvs/node/host/profiling"
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
