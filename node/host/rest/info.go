package rest

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/connections"
	"kvs/node/host/rest/documents"
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
	return c.SendString("kvs " + s.opts.Version + ", node " + s.opts.Name + `

PUT, GET, HEAD, DELETE  /kv/PATH                                PATCH   with Kvs-TTL
GET                     /kv/DIRECTORY/   ?recursive=true &values=true &count=true &limit=1000 &after=PATH
DELETE                  /kv/DIRECTORY/   ?recursive=true &confirm=DIRECTORY/
POST                    /batch
GET                     /conflicts ?prefix=PATH &limit=100      /conflicts/PATH ?uuid=UUID
GET, PUT, DELETE        /voters/   /voters/ID
GET, PUT                /policy   /mode
GET, POST               /keyring   /tokens      DELETE  /tokens/ID
GET                     /members/   /status   /metrics   /livez   /readyz   /openapi.yaml
POST                    /members/join   /members/leave
DELETE                  /members/ID

Try:
  curl -i -X PUT -H 'Content-Type: text/plain' --data hello ` + base + `/kv/greetings/first
  curl -i ` + base + `/kv/greetings/first
  curl ` + base + `/kv/greetings/
`)
}

// onlyStarted answers in place of all routes while the node starts and has no core yet. /livez succeeds, so that no
// supervisor ends the process while its store is being checked; other requests are refused.
func (s *Server) onlyStarted(c *fiber.Ctx) error {
	starting := s.opts.Starting()
	if starting == nil {
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
