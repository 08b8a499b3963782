// Package recordings answers requests for what the flight recorder of a node has kept. It does not record: see
// node/host/ring. Begin with Handler.
package recordings

import (
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
)

// lastDefault is how far back a recording goes if the request does not say.
const lastDefault = 5 * time.Minute

// Options of Handler. All but Cut are required.
type Options struct {
	// Cut returns what was recorded of the last time, and its length. Nil: the node records nothing.
	Cut func(last time.Duration) (io.ReadCloser, int64, error)

	Params func(c *fiber.Ctx, names ...string) (map[string]string, error) // of the request; others are an error.
	Refuse func(code api.Code, format string, args ...any) error
}

// Handler answers GET /debug/recording.
func Handler(o Options) fiber.Handler {
	return func(c *fiber.Ctx) error {
		p, err := o.Params(c, "last")
		if err != nil {
			return err
		}
		last := lastDefault
		if text, given := p["last"]; given {
			if last, err = time.ParseDuration(text); err != nil || last < 0 {
				return o.Refuse(api.BadParameter, "last=%.20q is not a duration such as 30s or 5m", text)
			}
		}
		if o.Cut == nil {
			return o.Refuse(api.NotFound, "this node records nothing")
		}
		piece, length, err := o.Cut(last)
		if err != nil {
			return o.Refuse(api.NotFound, "%v", err)
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
		return c.SendStream(piece, int(length)) // which closes it.
	}
}
