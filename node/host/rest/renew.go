package rest

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
)

// ttlNever is the time to live, in a renewal, of a value that is to live for ever.
const ttlNever = "none"

// renew serves PATCH of a value: it lives for the time in Kvs-TTL from now on, or for ever. The value is read and
// written again as a compare-and-set, which is tried again when another write comes between, so a renewal never brings
// back an older value. It may be repeated.
func (s *Server) renew(c *fiber.Ctx) error {
	if err := s.overdue(c); err != nil {
		return err
	}
	path, directory, err := kvTarget(c)
	switch {
	case err != nil:
		return err
	case directory:
		return refuse(api.BadPath, "%q is a directory: values are renewed one by one", path)
	}
	p, err := readParams(c, "return")
	if err != nil {
		return err
	}
	withVersion, err := p.returnsVersion()
	if err != nil {
		return err
	}
	lives, err := renewedTTL(c)
	if err != nil {
		return err
	}
	cond, err := condition(c)
	if err != nil {
		return err
	}
	stampLevel(c, node.Linearizable)
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	for {
		resp, err := s.renewOnce(ctx, c, path, cond, lives)
		if err != nil {
			return err
		}
		err = refusal(&resp, true)
		switch {
		case err == nil:
			return s.written(c, path, &resp, withVersion)
		case resp.Code != node.CodePrecondition:
			return err
		case ctx.Err() != nil:
			return outcomeOf(true, api.NotApplied, &problem{code: api.ConflictRetry,
				detail: "other writers of this path were faster until the time was up: try again"})
		case !cond.Holds(&resp.Record) && resp.Record.Live(): // what is there instead.
			stampVersion(c, &resp.Record)
			stampETag(c, &resp.Record)
			return err
		}
	}
}

// renewOnce reads the value, and writes it again if no other write comes between.
func (s *Server) renewOnce(ctx context.Context, c *fiber.Ctx, path string, cond node.Condition, lives time.Duration) (
	node.Response, error) {
	rec, level, err := s.read(ctx, path, node.Linearizable)
	if err != nil {
		return node.Response{}, outcomeOf(true, api.NotApplied, s.problemOf(c, err)) // nothing was written yet.
	}
	if !rec.Live() {
		return node.Response{}, refuse(api.NotFound, "there is no value at %q to renew", path)
	}
	if !cond.Holds(&rec) {
		return node.Response{Code: node.CodePrecondition, Outcome: node.OutcomeNotApplied, Level: level, Record: rec,
			Detail: "the value has another version"}, nil
	}
	return s.do(ctx, &node.Request{
		Op: node.OpPut, Level: node.Linearizable, Path: path, Value: rec.Value, ContentType: rec.ContentType,
		TTL:       lives,
		Condition: node.Condition{Kind: node.IfMatch, Versions: []node.Version{rec.Version()}},
	})
}

// renewedTTL reads Kvs-TTL of a renewal, zero for "none", and refuses what a renewal cannot have.
func renewedTTL(c *fiber.Ctx) (time.Duration, error) {
	if len(c.Request().Body()) > 0 {
		return 0, refuse(api.BadBody, "a renewal has no body: the value stays as it is; PUT writes another one")
	}
	if c.Request().Header.Peek(api.HeaderIdempotencyKey) != nil {
		return 0, refuse(api.BadHeader, "%s is not needed: a renewal may be repeated", api.HeaderIdempotencyKey)
	}
	text, present, err := once(c, api.HeaderTTL)
	switch {
	case err != nil:
		return 0, err
	case !present:
		return 0, refuse(api.BadHeader, "%s is missing: say how long the value is to live from now on, such as 90m, "+
			"or %s for ever", api.HeaderTTL, ttlNever)
	case string(text) == ttlNever:
		return 0, nil
	}
	return ttl(c)
}
