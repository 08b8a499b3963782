package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
)

// Keyring is the keyring of gossip, as far as this package needs it. It is safe for concurrent use.
type Keyring interface {
	// IDs are the identifiers of the keys, the primary one first.
	IDs() []string

	// Change makes a change, on disk as well. An error is for people.
	Change(api.KeyringChange) error
}

const keyringPath = "/keyring"

func noKeyring() error {
	return refuse(api.NoKeyring, "this node does not seal gossip: set gossip.keyring in its configuration")
}

// keyring serves the identifiers of the keys.
func (s *Server) keyring(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if s.opts.Keyring == nil {
		return noKeyring()
	}
	return s.sendKeyring(c)
}

func (s *Server) sendKeyring(c *fiber.Ctx) error {
	doc := api.Keyring{Keys: []api.KeyringKey{}}
	for i, id := range s.opts.Keyring.IDs() {
		doc.Keys = append(doc.Keys, api.KeyringKey{ID: id, Primary: i == 0})
	}
	return s.sendJSON(c, fiber.StatusOK, doc)
}

// changeKeyring takes a change. A key never travels unencrypted.
func (s *Server) changeKeyring(c *fiber.Ctx) error {
	if _, err := readParams(c); err != nil {
		return err
	}
	if err := wantMediaType(c, api.ContentTypeJSON); err != nil {
		return err
	}
	if _, isSecure := peerOf(c); !isSecure {
		return refuse(api.NotAllowed, "keys are sent over TLS only")
	}
	if s.opts.Keyring == nil {
		return noKeyring()
	}
	var change api.KeyringChange
	if err := decodeStrictly(c.Request().Body(), &change); err != nil {
		return refuse(api.BadBody,
			`the body is no change of a keyring: want {"action":"install","key":"..."} or {"action":"use","id":"..."}`)
	}
	if err := s.opts.Keyring.Change(change); err != nil {
		return refuse(api.KeyringRefused, "%v", err)
	}
	return s.sendKeyring(c)
}

// decodeStrictly reads one JSON document without unknown members.
func decodeStrictly(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is more after the JSON document")
	}
	return nil
}
