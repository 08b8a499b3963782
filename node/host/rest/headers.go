package rest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/rest/etags"
	"kvs/node/slot"
)

// This file reads the headers of reads and writes. A write is never run as if a known header of it were missing: a
// header that cannot be parsed or honoured is refused.

// condition reads the condition of a write (RFC 9110 section 13.1). An ETag that no version has is no error: it matches
// nothing. Text that is no ETag is an error: the condition would always fail, or never.
func condition(c *fiber.Ctx) (node.Condition, error) {
	var cond node.Condition
	for kind, header := range conditionHeaders {
		if header == "" {
			continue
		}
		list, ok := conditions(c, header)
		if !ok {
			continue
		}
		if cond.Kind != node.Unconditional {
			return cond, refuse(api.BadHeader, "If-Match and If-None-Match in one write: use one of them")
		}
		cond.Kind = node.ConditionKind(kind)
		tags, err := etags.Parse(list)
		if err != nil {
			return cond, refuse(api.BadHeader, "%s: %v", header, err)
		}
		for _, tag := range tags {
			if tag == "*" {
				cond.Any = true
				continue
			}
			if cond.Kind == node.IfNoneMatch {
				tag = strings.TrimPrefix(tag, "W/") // its comparison is the weak one.
			}
			if v, err := slot.ParseETag(strings.Trim(tag, `"`)); err == nil && tag[0] == '"' {
				cond.Versions = append(cond.Versions, v)
			}
		}
		if len(cond.Versions) > conditionVersionsMax {
			return cond, refuse(api.BadHeader, "%s names %d versions: at most %d", header, len(cond.Versions),
				conditionVersionsMax)
		}
	}
	return cond, nil
}

var conditionHeaders = [...]string{node.IfMatch: fiber.HeaderIfMatch, node.IfNoneMatch: fiber.HeaderIfNoneMatch}

// conditionVersionsMax bounds the ETags of one condition.
const conditionVersionsMax = 64

// once reads a header that may occur once; present distinguishes an empty header from none.
func once(c *fiber.Ctx, header string) (text []byte, present bool, err error) {
	lines := c.Request().Header.PeekAll(header)
	switch len(lines) {
	case 0:
		return nil, false, nil
	case 1:
		return lines[0], true, nil
	}
	return nil, true, refuse(api.BadHeader, "%s is given %d times", header, len(lines))
}

// idempotencyKey is the key under which a write may be tried again without being applied twice; empty: there is none.
// It is valid until the request is answered. Such a write is linearizable: only a majority can tell whether it was
// applied.
func idempotencyKey(c *fiber.Ctx) ([]byte, error) {
	text, present, err := once(c, api.HeaderIdempotencyKey)
	if err != nil || !present {
		return nil, err
	}
	if len(text) < 1 || len(text) > idempotencyKeyBytesMax {
		return nil, refuse(api.BadHeader, "%s of %d bytes: want 1 to %d", api.HeaderIdempotencyKey, len(text),
			idempotencyKeyBytesMax)
	}
	return text, nil
}

const idempotencyKeyBytesMax = 255

// overdue refuses a request whose client has given up before it was begun, for instance because this process was
// stopped: no client would receive the answer, and a write would come after others that were acknowledged meanwhile.
// Clocks differ: only a request that is late by more than the largest clock offset is dropped.
func (s *Server) overdue(c *fiber.Ctx) error {
	text, present, err := once(c, api.HeaderDeadline)
	if err != nil || !present {
		return err
	}
	millis, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || millis < 0 {
		return refuse(api.BadHeader, "%s %.100q: want milliseconds since the Unix epoch", api.HeaderDeadline, text)
	}
	late := time.Since(time.UnixMilli(millis)) - s.opts.MaxClockOffset
	if late <= 0 {
		return nil
	}
	p := &problem{code: api.Overdue, detail: fmt.Sprintf(
		"the time of this request (%s) was up %v before it was begun: it was dropped; or the clocks of client and "+
			"node differ by more than %v",
		api.HeaderDeadline, late.Round(time.Millisecond), s.opts.MaxClockOffset)}
	return outcomeOf(isWrite(c), api.NotApplied, p)
}

// ttl reads a value's time to live.
func ttl(c *fiber.Ctx) (time.Duration, error) {
	text, present, err := once(c, api.HeaderTTL)
	if err != nil || !present {
		return 0, err
	}
	d, err := slot.ParseTTL(string(text))
	if err != nil {
		return 0, refuse(api.BadHeader, "%s: %v", api.HeaderTTL, err)
	}
	return d, nil
}

// refuseValueHeaders refuses headers in a DELETE that only a value can have.
func refuseValueHeaders(c *fiber.Ctx) error {
	if _, present, _ := once(c, api.HeaderTTL); present {
		return refuse(api.BadHeader, "%s is for PUT: a deletion has no end", api.HeaderTTL)
	}
	return nil
}

// contentType copies the Content-Type of a value.
func contentType(c *fiber.Ctx) (string, error) {
	ct := string(c.Request().Header.ContentType())
	if len(ct) > slot.ContentTypeBytesMax {
		return "", refuse(api.BadHeader, "Content-Type of %d bytes, the limit is %d", len(ct), slot.ContentTypeBytesMax)
	}
	for i := range len(ct) {
		if ct[i] < 0x20 || ct[i] > 0x7e {
			return "", refuse(api.BadHeader, "Content-Type holds the byte 0x%02x", ct[i])
		}
	}
	return ct, nil
}

// conditions are the ETags of one conditional header, of all its lines; present distinguishes an empty header from
// none.
func conditions(c *fiber.Ctx, header string) (list string, present bool) {
	lines := c.Request().Header.PeekAll(header)
	return string(bytes.Join(lines, []byte(","))), len(lines) > 0
}
