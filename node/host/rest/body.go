package rest

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
	"kvs/node/host/budget"
	"kvs/node/host/connections"
)

// This file reads bodies. fasthttp would allocate what Content-Length announces before the first byte has come, so that
// a request of 90 bytes pins 8 MiB, and the sum would have no bound. Here a buffer grows with the bytes that have
// arrived, and a budget of the server bounds all bodies together.

// Bounds of bodies in memory.
const (
	bodiesBytesMax  = 64 << 20 // of clients, together: a further one is answered 503.
	batchesBytesMax = 64 << 20 // of members, likewise.
)

// takeBody reads the body before a handler runs. From then on Request().Body() is memory of the request's own, which a
// handler may keep. Its part of the budget is given back when the handler has ended: a handler that keeps the body
// counts it from then on.
func (s *Server) takeBody(c *fiber.Ctx) error {
	stream := c.Context().RequestBodyStream()
	if stream == nil {
		return c.Next()
	}
	target := c.Request().Header.RequestURI()
	room := &s.bodies
	if bytes.HasPrefix(originForm(target), []byte(api.PathFrames)) {
		room = &s.batches
	}
	// if the connection ends from now on, the request is cut short, also after "100 Continue".
	connections.Of(c.Context().Conn()).Begun()
	body, held, err := budget.Read(stream, c.Request().Header.ContentLength(), s.bodyLimit(target), room)
	defer func() { room.Give(held) }()
	if err != nil {
		return s.bodyProblem(c, err, room)
	}
	c.Request().SetBodyRaw(body)
	return c.Next()
}

// bodyProblem is the answer for a body that was not taken. The connection is closed with a linger, because the rest of
// the body may still come.
func (s *Server) bodyProblem(c *fiber.Ctx, err error, room *budget.Bytes) error {
	connections.Of(c.Context().Conn()).Linger()
	c.Context().SetConnectionClose()
	switch {
	case errors.Is(err, budget.ErrTooLarge):
		return s.tooLarge(c)
	case errors.Is(err, budget.ErrNoRoom):
		s.refusals.bodies.Add(1)
		return &problem{code: api.Overloaded, status: fiber.StatusServiceUnavailable, detail: fmt.Sprintf(
			"the bodies of requests in flight hold %d bytes, which is the limit: try again, "+
				"or ask another member", room.Max)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fiber.ErrRequestTimeout
	}
	return fiber.NewError(fiber.StatusBadRequest, "the body: "+err.Error())
}
