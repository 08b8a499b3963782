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

// This file holds the two routes that take a POST. Both insist on their media type: a browser lets any page send forms and plain
// text to any address, but asks first before it sends these types.

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
	switch err := s.opts.Core.Frames(c.Request().Body()); {
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
