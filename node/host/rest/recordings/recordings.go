// Package recordings answers requests for what the flight recorder of a node has kept. It does not record: see
// node/host/ring. Begin with Handler.
package recordings

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
)

// lastDefault is how far back a recording goes if the request does not say.
const lastDefault = 5 * time.Minute

// Errors of Options.Cut. Others mean that there is no such recording.
var (
	ErrBusy   = errors.New("the values of another recording are being replaced")
	ErrFailed = errors.New("the recording cannot be made")
)

// Options of Handler. All but Cut are required.
type Options struct {
	// Cut returns what was recorded of the last time, with hashes in place of values if hashed, and its length. Nil:
	// the node records nothing.
	Cut func(ctx context.Context, last time.Duration, hashed bool) (io.ReadCloser, int64, error)

	Params func(c *fiber.Ctx, names ...string) (map[string]string, error) // of the request; others are an error.
	Refuse func(code api.Code, format string, args ...any) error
}

// Handler answers GET /debug/recording.
func Handler(o Options) fiber.Handler {
	return func(c *fiber.Ctx) error {
		p, err := o.Params(c, "last", "hash_values")
		if err != nil {
			return err
		}
		last := lastDefault
		if text, given := p["last"]; given {
			if last, err = time.ParseDuration(text); err != nil || last < 0 {
				return o.Refuse(api.BadParameter, "last=%.20q is not a duration such as 30s or 5m", text)
			}
		}
		text, given := p["hash_values"]
		hashed := given && (text == "true" || text == "")
		if given && !hashed && text != "false" {
			return o.Refuse(api.BadParameter, "hash_values=%.100q: want true or false", text)
		}
		if o.Cut == nil {
			return o.Refuse(api.NotFound, "this node records nothing")
		}
		piece, length, err := o.Cut(c.Context(), last, hashed)
		switch {
		case errors.Is(err, ErrBusy):
			return o.Refuse(api.Overloaded, "%v: try again when that is done", err)
		case errors.Is(err, ErrFailed):
			return o.Refuse(api.Internal, "%v", err)
		case err != nil:
			return o.Refuse(api.NotFound, "%v", err)
		}
		c.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
		return c.SendStream(piece, int(length)) // which closes it.
	}
}
