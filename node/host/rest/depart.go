package rest

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/rest/documents"
	"kvs/node/slot"
	"kvs/node/swim"
)

// leave serves POST /members/leave: this node leaves for good, and its process ends. Like the other POSTs it requires a
// media type that no browser sends without a preflight request.
func (s *Server) leave(c *fiber.Ctx) error {
	force, err := readForce(c)
	if err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	if err := s.opts.Core.Leave(ctx, force); err != nil {
		return departProblem(err)
	}
	snap := s.opts.Core.Snapshot()
	return s.sendMember(c, &snap, snap.ID)
}

// remove serves DELETE /members/ID.
func (s *Server) remove(c *fiber.Ctx) error {
	force, err := readForce(c)
	if err != nil {
		return err
	}
	id, err := slot.ParseID(c.Params("id"))
	if err != nil {
		return refuse(api.BadPath, "%v: a member is named by its ID, which /members/ shows", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	if err := s.opts.Core.Remove(ctx, id, force); err != nil {
		return departProblem(err)
	}
	snap := s.opts.Core.Snapshot()
	return s.sendMember(c, &snap, id)
}

func (s *Server) sendMember(c *fiber.Ctx, snap *Snapshot, id node.ID) error {
	for _, m := range documents.Members(snap) {
		if m.ID == id.String() {
			return s.sendJSON(c, fiber.StatusOK, m)
		}
	}
	return refuse(api.NoMember, "no member has the ID %s any more", id)
}

func readForce(c *fiber.Ctx) (bool, error) {
	p, err := readParams(c, "force")
	if err != nil {
		return false, err
	}
	switch p["force"] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, refuse(api.BadParameter, "force %.100q: want true or false", p["force"])
}

func departProblem(err error) error {
	switch {
	case errors.Is(err, swim.ErrUnknownMember):
		return refuse(api.NoMember, "%v: /members/ lists them", err)
	case errors.Is(err, swim.ErrMemberAlive):
		return refuse(api.MemberAlive,
			"%v: let it leave (kvs leave there), stop it and wait until it is dead, or use force=true", err)
	case errors.Is(err, node.ErrVotersAway):
		return &problem{code: api.NoQuorum, outcome: api.NotApplied,
			detail: err.Error() + ": bring back more of them; if they are lost for ever see kvs recover. force=true " +
				"removes it all the same: voters that are alive elsewhere would retire"}
	case errors.Is(err, swim.ErrRemoveSelf):
		return refuse(api.MemberAlive,
			"this is the member that answers: let it leave (POST /members/leave), or ask another one")
	case errors.Is(err, ErrNotHandedOver):
		return &problem{code: api.NotHandedOver,
			detail: err.Error() + ": try again when more members can be reached, or use force=true, which may lose " +
				"what only this one holds"}
	case errors.Is(err, ErrStopping):
		return refuse(api.ShuttingDown, "%v", err)
	}
	return &problem{code: api.Timeout, detail: err.Error(), outcome: api.Unknown}
}
