package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
	"kvs/node/host/connections"
)

// This file says what a connection beyond the bounds may ask for, and what it gets for an answer.

// health are the routes that a node answers when all ordinary connections are taken.
var health = []string{"/livez", "/readyz", "/status", "/metrics"}

// onlyHealth lets a spare connection ask for the node's health, or bring a member's messages, and nothing else.
func (s *Server) onlyHealth(c *fiber.Ctx) error {
	conn := connections.Of(c.Context().Conn())
	conn.Known()
	if !conn.Spare() {
		return c.Next()
	}
	path := string(c.Request().URI().PathOriginal())
	if path == api.PathFrames && conn.Promote() {
		if err := conn.SetReadDeadline(time.Now().Add(s.opts.ReadTimeout)); err != nil {
			return err
		}
		return c.Next()
	}
	c.Context().SetConnectionClose()
	if slices.Contains(health, path) && c.Method() != fiber.MethodPost {
		return c.Next()
	}
	conn.Linger()
	return &problem{code: api.Overloaded, status: fiber.StatusServiceUnavailable, detail: s.tooManyConnections()}
}

func (s *Server) tooManyConnections() string {
	return fmt.Sprintf("%d connections are open, which is the limit: close idle ones, or ask another member",
		s.boundsNow().Clients)
}

// refusedConnection is a whole answer, made beforehand, so that a refusal costs little.
func (s *Server) refusedConnection() []byte {
	kind, err := api.Describe(api.Overloaded)
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	const status = 503 // not the 429 of api.Overloaded: the load is not this client's.
	body, err := json.Marshal(api.Problem{
		Type: problemType, Title: kind.Title, Status: status, Code: api.Overloaded, Retryable: true,
		Outcome:    api.NotApplied,
		RetryAfter: 1, Node: s.opts.Name,
		Detail: "too many connections are open: close idle ones, or ask another member",
	})
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n%s: %s\r\n",
		api.HeaderNode, s.nodeHeader)
	fmt.Fprintf(&b, "Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s", api.ContentTypeProblem, len(body), body)
	return b.Bytes()
}
