package rest

import (
	"bytes"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
)

// counted returns handle with its requests counted, by what was asked, at which level, and how it was answered.
func (s *Server) counted(handle fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		began := time.Now()
		code := api.Internal // of a handler that panics.
		defer func() { s.opts.Metrics.Request(operation(c), answeredLevel(c), code, time.Since(began)) }()
		err := handle(c)
		code = s.codeOf(c, err)
		return err
	}
}

// codeOf is the code of the problem that err will be answered with; empty: none.
func (s *Server) codeOf(c *fiber.Ctx, err error) api.Code {
	if err == nil {
		return ""
	}
	return s.problemOf(c, err).code
}

func operation(c *fiber.Ctx) Op {
	switch c.Method() {
	case fiber.MethodPut, fiber.MethodPatch:
		return OpPut
	case fiber.MethodDelete:
		return OpDelete
	}
	if isWatch(c) {
		return OpWatch
	}
	if bytes.HasSuffix(c.Request().URI().PathOriginal(), []byte("/")) {
		return OpList
	}
	return OpGet
}

// answeredLevel is the level that stampLevel has set.
func answeredLevel(c *fiber.Ctx) node.Level {
	answered := c.Context().Response.Header.Peek(api.HeaderConsistency)
	for level := node.Eventual; level <= node.Linearizable; level++ {
		if string(answered) == level.String() {
			return level
		}
	}
	return node.DefaultLevel
}

// metrics serves the metrics, for Prometheus.
func (s *Server) metrics(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	text, contentType, err := s.opts.Metrics.Text()
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, contentType)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Context().Response.SetBodyRaw(text)
	return nil
}
