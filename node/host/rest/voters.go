package rest

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
)

const votersPrefix = "/voters/"

// voters serves the configuration in force.
func (s *Server) voters(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	return s.sendJSON(c, fiber.StatusOK, votersDocument(&snap.Status))
}

func votersDocument(st *node.Status) api.Voters {
	out := api.Voters{Voters: []api.Voter{}}
	if st.Config == nil {
		return out
	}
	out.Epoch, out.CaughtUp = st.Config.Epoch, st.CaughtUp >= st.Config.Epoch
	out.Recoveries = len(st.Config.Former)
	out.Founding = st.Config.Founding.String()
	for _, f := range st.Config.Former {
		out.Former = append(out.Former, f.String())
	}
	out.Voters = append(out.Voters, voterList(st, st.Config.Voters)...)
	out.Held = voterList(st, st.Config.Held)
	return out
}

// voterList describes these members.
func voterList(st *node.Status, ids []node.ID) (out []api.Voter) {
	for _, id := range ids {
		v := api.Voter{ID: id.String()}
		for _, m := range st.Members {
			if m.ID == id {
				v.Name, v.State = m.Name, m.State.String()
			}
		}
		out = append(out, v)
	}
	return out
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
	doc := votersDocument(&snap.Status)
	doc.Note = resp.Detail
	return s.sendJSON(c, fiber.StatusOK, doc)
}
