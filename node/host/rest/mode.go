package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
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
	readOnly, err := decodeMode(c.Request().Body())
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

func decodeMode(body []byte) (readOnly bool, err error) {
	var m api.WantedMode
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return false, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return false, errors.New("there is more after the JSON document")
	}
	switch m.Mode {
	case node.ModeNormal.String():
		return false, nil
	case node.ModeReadOnly.String():
		return true, nil
	}
	return false, fmt.Errorf("mode %.50q", m.Mode)
}
