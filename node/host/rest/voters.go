package rest

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/rest/documents"
	"kvs/node/slot"
)

const votersPrefix = "/voters/"

// voters serves the configuration in force.
func (s *Server) voters(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	return s.sendJSON(c, fiber.StatusOK, documents.Voters(&snap.Status))
}

// changeVoters serves PUT (promote) and DELETE (demote) of one voter.
func (s *Server) changeVoters(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	id, err := slot.ParseID(strings.TrimPrefix(c.Path(), votersPrefix))
	if err != nil {
		return refuse(api.BadPath, "%v: a voter is named by its ID, which /members/ shows", err)
	}
	r := &node.Request{Op: node.OpPromote, Level: node.Linearizable, Path: id.String()}
	if c.Method() == fiber.MethodDelete {
		r.Op, r.Hold = node.OpDemote, true
	}
	resp, err := s.do(context.Background(), r)
	if err != nil {
		return err
	}
	if err := refusal(&resp, true); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	doc := documents.Voters(&snap.Status)
	doc.Note = resp.Detail
	return s.sendJSON(c, fiber.StatusOK, doc)
}
