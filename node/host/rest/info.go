package rest

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/connections"
	"kvs/node/host/rest/console"
	"kvs/node/host/rest/documents"
	"kvs/node/host/rest/forwarding"
)

// members serves the member table.
func (s *Server) members(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	return s.sendJSON(c, fiber.StatusOK, api.Members{Members: documents.Members(&snap)})
}

// status serves the whole state of the node, in any mode.
func (s *Server) status(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	return s.sendJSON(c, fiber.StatusOK, documents.Status(&snap, s.opts.Version))
}

// livez reports that the process works, in any mode; it fails only when the disk has failed, because then only a
// restart helps.
func (s *Server) livez(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if s.opts.Core.Mode() == node.ModeFailed {
		return refuse(api.StorageFailed, "the disk failed: check it, then start this node again")
	}
	return s.sendJSON(c, fiber.StatusOK, api.Live{Live: true})
}

// readyz reports whether this node serves clients.
func (s *Server) readyz(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	if !snap.Ready {
		reasons := strings.Join(snap.Reasons, ", ")
		if reasons == "" {
			reasons = "no reason is known"
		}
		return refuse(api.NotReady, "the node is in mode %s: %s", snap.Mode, reasons)
	}
	return s.sendJSON(c, fiber.StatusOK, api.Ready{Ready: true, Mode: snap.Mode.String(),
		Reasons: append([]string{}, snap.Reasons...)})
}

func (s *Server) openapi(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/yaml")
	c.Context().Response.SetBodyRaw(api.OpenAPI)
	return nil
}

// index is for people who open the address to see what it is.
func (s *Server) index(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	base := "http://"
	if _, isSecure := peerOf(c); isSecure {
		base = "https://"
	}
	base += string(c.Request().Host())
	c.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return c.SendString(console.Index(s.opts.Version, s.opts.Name, base))
}

// cluster serves what all members say of themselves, and what follows from it.
func (s *Server) cluster(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	snap := s.opts.Core.Snapshot()
	doc, err := s.desk.Overview(c, documents.Status(&snap, s.opts.Version),
		forwarding.Request{Via: s.nodeHeader, As: asWhom(c)})
	if err != nil {
		return tooMany(err.Error())
	}
	return s.sendJSON(c, fiber.StatusOK, doc)
}

// onlyStarted answers in place of all routes while the node starts and has no core yet. /livez succeeds, so that no
// supervisor ends the process while its store is being checked; other requests are refused.
func (s *Server) onlyStarted(c *fiber.Ctx) error {
	starting := s.opts.Starting()
	if starting == nil || console.Serves(c.Path()) { // the page itself asks for nothing that is not there yet.
		return c.Next()
	}
	if string(c.Request().URI().PathOriginal()) == "/livez" &&
		(c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead) {
		return s.sendJSON(c, fiber.StatusOK, api.Live{Live: true, Starting: starting})
	}
	connections.Of(c.Context().Conn()).Linger() // a body may be in flight.
	c.Context().SetConnectionClose()
	return refuse(api.NotStarted, "this node is starting (%v): try again, or ask another member", starting)
}
