package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
)

// This file has the two routes that take a POST. Both require their media type: a browser lets any page send forms and
// plain text to any address, but sends a preflight request before these types.

// wantMediaType refuses bodies of another media type.
func wantMediaType(c *fiber.Ctx, want string) error {
	got := string(c.Request().Header.ContentType())
	if media, _, err := mime.ParseMediaType(got); err != nil || media != want {
		return refuse(api.BadMediaType, "Content-Type %.100q: want %s", got, want)
	}
	return nil
}

// frames takes a batch of messages from a peer.
func (s *Server) frames(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeBinary); err != nil {
		return err
	}
	if !s.fromMember(c) { // onlyMembers has seen to it.
		return refuse(api.NotAllowed, "this route is for members of the cluster")
	}
	switch err := s.opts.Core.Frames(c.Request().Body(), s.provenMember(c)); {
	case err == nil && string(c.Request().Header.Peek(fiber.HeaderUpgrade)) == s.opts.StreamProtocol:
		s.upgrade(c)
		return nil
	case err == nil:
		c.Status(fiber.StatusNoContent)
		return nil
	case errors.Is(err, ErrStopping):
		return refuse(api.ShuttingDown, "%v", err)
	case errors.Is(err, ErrBusy):
		return refuse(api.Overloaded, "%v", err)
	default:
		return refuse(api.BadBody, "%v", err)
	}
}

// upgrade turns the connection into a stream (RFC 9110 section 7.8).
func (s *Server) upgrade(c *fiber.Ctx) {
	c.Status(fiber.StatusSwitchingProtocols)
	c.Set(fiber.HeaderConnection, fiber.HeaderUpgrade)
	c.Set(fiber.HeaderUpgrade, s.opts.StreamProtocol)
	from, by := c.Context().RemoteAddr().String(), s.provenMember(c)
	c.Context().Hijack(func(conn net.Conn) {
		// The library closes the connection when this returns, and a Close before that would do nothing.
		raw := conn.(interface{ UnsafeConn() net.Conn }).UnsafeConn()
		if err := s.opts.Core.Stream(&hijacked{Conn: conn, raw: raw}, by, &s.batches); err != nil {
			s.opts.Log.Debug("the stream of a peer broke", "from", from, "error", err)
		}
	})
}

// hijacked is a connection that the HTTP library has released, with the bytes that it had read already.
type hijacked struct {
	net.Conn
	raw net.Conn
}

// Close closes the connection: the library's own Close waits until the stream has ended.
func (h *hijacked) Close() error { return h.raw.Close() }

// joinAddressesMax bounds the addresses of one join.
const joinAddressesMax = 64

func (s *Server) join(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	j, err := decodeJoin(c.Request().Body())
	if err != nil {
		return refuse(api.BadBody, `%v: want {"addresses":["host:port"]}, 1 to %d of them`, err, joinAddressesMax)
	}
	switch err := s.opts.Core.Join(j.Addresses); {
	case err == nil:
		return s.sendJSON(c, fiber.StatusAccepted, j)
	case errors.Is(err, ErrStopping):
		return refuse(api.ShuttingDown, "%v", err)
	case errors.Is(err, ErrRefused):
		return refuse(api.OtherCluster, "%v", err)
	default:
		return refuse(api.Overloaded, "%v", err)
	}
}

// decodeJoin reads a join strictly. Its strings are copies.
func decodeJoin(body []byte) (api.Join, error) {
	var j api.Join
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return j, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return j, errors.New("there is more after the JSON document")
	}
	if len(j.Addresses) == 0 || len(j.Addresses) > joinAddressesMax {
		return j, fmt.Errorf("%d addresses", len(j.Addresses))
	}
	for _, a := range j.Addresses {
		host, port, err := net.SplitHostPort(a)
		n, numErr := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || numErr != nil || n == 0 || len(a) > 255 {
			return j, fmt.Errorf("address %.300q", a)
		}
	}
	return j, nil
}
