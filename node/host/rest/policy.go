package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
)

const policyPath = "/policy"

// policy serves the prefixes under which writes are linearizable.
func (s *Server) policy(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	return s.sendPolicy(c, "")
}

func (s *Server) sendPolicy(c *fiber.Ctx, note string) error {
	doc := api.Policy{StrongPrefixes: []string{}, Note: note}
	if config := s.opts.Core.Snapshot().Config; config != nil {
		doc.Epoch, doc.StrongPrefixes = config.Epoch, append(doc.StrongPrefixes, config.Strong...)
	}
	return s.sendJSON(c, fiber.StatusOK, doc)
}

// setPolicy makes the cluster agree on other prefixes.
func (s *Server) setPolicy(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	r, err := decodePolicy(c.Request().Body())
	if err != nil {
		return refuse(api.BadBody,
			`%v: want {"strong_prefixes":["orders/"]}, and "epoch" to change only what was seen with it`, err)
	}
	resp, err := s.do(context.Background(), r)
	if err != nil {
		return err
	}
	if err := refusal(&resp, true); err != nil {
		return err
	}
	return s.sendPolicy(c, resp.Detail)
}

func decodePolicy(body []byte) (*node.Request, error) {
	var w api.WantedPolicy
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the JSON document")
	}
	if w.StrongPrefixes == nil {
		return nil, fmt.Errorf("strong_prefixes is missing, and [] would say none")
	}
	prefixes, err := node.CheckStrongPrefixes(w.StrongPrefixes)
	return &node.Request{Op: node.OpPolicy, Level: node.Linearizable, Path: "policy", Strong: prefixes, Epoch: w.Epoch},
		err
}
