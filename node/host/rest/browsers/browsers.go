// Package browsers has what browsers and their scripts ask of the API: other origins, OPTIONS, compressed listings.
//
// Each function returns a handler that stands before the routes. Begin with CORS.
package browsers

import (
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/gofiber/fiber/v2/middleware/cors"

	"kvs/node/api"
)

// corsMaxAge is how long, in seconds, a browser keeps what a preflight request was told.
const corsMaxAge = 600

// CORS lets scripts of these origins use the API. They send tokens themselves: cookies and certificates of a browser
// are not sent for them. It comes before the credentials are asked for, since a preflight request has none.
func CORS(origins []string) fiber.Handler {
	if len(origins) == 0 {
		return func(c *fiber.Ctx) error { return c.Next() }
	}
	return cors.New(cors.Config{
		AllowOrigins: strings.Join(origins, ","),
		AllowMethods: "GET,HEAD,PUT,PATCH,DELETE,POST,OPTIONS",
		AllowHeaders: strings.Join([]string{fiber.HeaderAuthorization, fiber.HeaderContentType, fiber.HeaderIfMatch,
			fiber.HeaderIfNoneMatch, fiber.HeaderIfRange, fiber.HeaderRange, api.HeaderIdempotencyKey, api.HeaderTTL,
			api.HeaderDeadline}, ","),
		ExposeHeaders: strings.Join([]string{fiber.HeaderETag, fiber.HeaderAcceptRanges, fiber.HeaderContentRange,
			fiber.HeaderRetryAfter, api.HeaderNode, api.HeaderVia, api.HeaderConsistency, api.HeaderTimestamp,
			api.HeaderExpires}, ","),
		MaxAge: corsMaxAge,
	})
}

// Options answers OPTIONS with the methods of the route, which fiber puts into Allow.
func Options(c *fiber.Ctx) error {
	err := c.Next()
	if c.Method() != fiber.MethodOptions || !errors.Is(err, fiber.ErrMethodNotAllowed) {
		return err
	}
	allowed := string(c.Response().Header.Peek(fiber.HeaderAllow))
	c.Set(fiber.HeaderAllow, strings.TrimPrefix(allowed+", "+fiber.MethodOptions, ", "))
	c.Status(fiber.StatusNoContent)
	return nil
}

// Compressed compresses listings for clients that accept it. Values are sent as they are, and other documents are
// small.
func Compressed() fiber.Handler {
	return compress.New(compress.Config{
		Level: compress.LevelBestSpeed,
		Next: func(c *fiber.Ctx) bool {
			read := c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead
			return !read || !strings.HasPrefix(c.Path(), "/kv/") || !strings.HasSuffix(c.Path(), "/") ||
				c.Context().QueryArgs().Has("watch")
		},
	})
}
